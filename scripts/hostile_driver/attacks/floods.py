"""Much of what is allowed: readers, documents, log lines."""

import os
import shutil
import sys
import threading
from contextlib import ExitStack, suppress

import httpx2

from scripts.chaos_driver.site import LocalSite
from scripts.chaos_driver.waiting import Violation, wait_for
from scripts.hostile_driver.attacks import ATTACKER, VICTIM, Scene, local
from scripts.hostile_driver.site import (
    PROCESSES,
    QUIET,
    inside,
    is_no_root,
    log_text,
    script,
    task,
)

FOLLOWERS = 400
ARRAY = "0-399"
DOCUMENT_BYTES = 864_000
MOST_LOG_BYTES = 1024 * 2**20
_TALK = "while echo line; do sleep 0.1; done"
_POUR = f"exec yes {'x' * 4095}"


@local("followed-logs", "streams of one user are bounded and starve nobody")
def followed_logs(scene: Scene[LocalSite]) -> str:
    """One log, followed by one user from so many places at once."""
    script(scene.site, "talk.sh", _TALK)
    refused = 0
    with scene.site.client(scene.tokens[ATTACKER]) as client, ExitStack() as stack:
        made = client.post("/tasks", json=task(scene.site, "talk.sh")).raise_for_status().json()
        path = f"/tasks/{made['id']}/logs"
        wide = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        readers = stack.enter_context(
            httpx2.Client(
                base_url=client.base_url,
                headers=client.headers,
                timeout=60,
                limits=wide,
                trust_env=False,
            )
        )
        for _ in range(FOLLOWERS):
            stream = readers.stream("GET", path, params={"follow": "true"})
            refused += stack.enter_context(stream).status_code in (403, 429, 503)
        client.post(f"/tasks/{made['id']}/stop", json={}).raise_for_status()
    if not refused:
        raise Violation(f"{FOLLOWERS} streams of one user are open at once")
    return f"{FOLLOWERS - refused} of {FOLLOWERS} streams of one user were opened"


@local("arrays-of-documents", "a document is kept once, and what one user queues is bounded")
def arrays_of_documents(scene: Scene[LocalSite]) -> str:
    """The bystander and the server's memory are what counts; the tasks are stopped at the end."""
    script(scene.site, "quiet.sh", QUIET)
    body = task(scene.site, "quiet.sh", options={"array": ARRAY})
    body["spec"]["environments"] = {"FILLING": "x" * DOCUMENT_BYTES}
    statuses, ids = [], []
    with scene.site.client(scene.tokens[ATTACKER]) as client:
        for number in range(4):
            reply = client.post("/tasks", json={**body, "name": f"array{number}"})
            statuses.append(reply.status_code)
            ids += [reply.json()["id"]] if reply.status_code == 201 else []
        for first in ids:
            client.post(f"/arrays/{first}/stop", json={}).raise_for_status()
    if any(status >= 500 for status in statuses):
        raise Violation(f"four arrays of documents are answered {statuses}")
    return f"four arrays of 400 documents of {DOCUMENT_BYTES // 1000} KB: {statuses}"


@local("log-flood", "what a task writes is bounded, and others go on")
def log_flood(scene: Scene[LocalSite]) -> str:
    """Both nodes write as fast as they can until it is seen that they are held back."""
    script(scene.site, "pour.sh", _POUR)
    over = threading.Event()
    most = 0
    with scene.site.client(scene.tokens[ATTACKER]) as client:
        ids = [
            client.post("/tasks", json=task(scene.site, "pour.sh", name=f"pour{n}"))
            .raise_for_status()
            .json()["id"]
            for n in range(2)
        ]
        for _ in range(40):
            over.wait(0.5)
            most = max(most, _size(scene.site))
            if most > MOST_LOG_BYTES:
                break
        for task_id in ids:
            client.post(f"/tasks/{task_id}/stop", json={})
    if most > MOST_LOG_BYTES:
        raise Violation(f"{most / 2**20:.0f} MiB of logs in 20 s")
    return f"two tasks that write all the time have {most / 2**20:.0f} MiB of logs"


def _size(site: LocalSite) -> int:
    total = 0
    for path in (site.data / "logs").rglob("*.log"):
        with suppress(OSError):
            total += path.stat().st_size
    return total


@local("task-flood", "what one user queues does not hide what others ask for")
def task_flood(scene: Scene[LocalSite]) -> str:
    """2,000 members at once; the victim's task still runs to its end, by its turn."""
    script(scene.site, "short.sh", "echo short")
    script(scene.site, "quiet.sh", QUIET)
    body = task(scene.site, "quiet.sh", options={"array": "0-1999"})
    with scene.site.client(scene.tokens[ATTACKER]) as client:
        made = client.post("/tasks", json=body)
        with scene.site.client(scene.tokens[VICTIM]) as other:
            mine = other.post("/tasks", json=task(scene.site, "short.sh")).raise_for_status()
            path = f"/tasks/{mine.json()['id']}"
            ended = wait_for(
                lambda: other.get(path).raise_for_status().json()["state"] == "succeeded", 180, 0.5
            )
        if made.status_code == 201:
            client.post(f"/arrays/{made.json()['id']}/stop", json={}).raise_for_status()
    if not ended:
        raise Violation("another user's task does not get its turn")
    return f"an array of 2,000 is answered {made.status_code}; another's task gets its turn"


@local("task-processes", "a task cannot take all process ids of its machine", is_no_root)
def task_processes(scene: Scene[LocalSite]) -> str:
    """It forks until it may not."""
    python = shutil.which("python3", path=os.defpath) or sys.executable
    script(scene.site, "fork.py", f"#!{python} -IS\n{inside('fork.py')}")
    body = task(scene.site, "fork.py", spec={
        "entrypoint": "fork.py",
        "entrypoint_executable": True,
        "parameters": str(PROCESSES),
        "workspace": str(scene.site.work),
    })  # fmt: skip
    with scene.site.client(scene.tokens[ATTACKER]) as client:
        path = f"/tasks/{client.post('/tasks', json=body).raise_for_status().json()['id']}"
        wait_for(lambda: client.get(path).json()["state"] in ("succeeded", "failed"), 180, 0.5)
        said = log_text(client.get(f"{path}/logs").raise_for_status().text)
    if "GOT" in said or "DONE" not in said:
        raise Violation(said[-500:] or "it says nothing")
    return said.splitlines()[-2]
