"""Any process may die at any moment: nothing is lost, nothing runs twice, nothing is left over."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import psutil
import pytest

from hai.agent import processes
from hai_up.postgres import EmbeddedPostgres
from tests.acceptance.conftest import MakeLive
from tests.acceptance.crash_work import check_all, have_ended, submit_all, work
from tests.live import Live
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance


TASKS = 50
KILLS = 20


def test_the_server_killed_at_random_moments_of_a_run(live: Live) -> None:
    marks = work(live)
    expected = submit_all(live, TASKS)
    seed = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(10**6)))
    print("seed", seed)  # noqa: T201 - shown when the test fails
    moments = random.Random(seed)  # noqa: S311 - no secret
    # Spread over the whole run: a server that is killed again and again as it comes up gets
    # nowhere, and would always be killed in the same state.
    for least in sorted(moments.sample(range(TASKS - 2), KILLS)):
        wait_until(partial(have_ended, live, least), 60, what=f"{least} tasks have ended")
        # a pause of random length is the experiment here, not a wait for something
        signal.sigtimedwait([], moments.uniform(0.0, 0.3))
        live.kill()
        live.start()
    check_all(live, marks, expected)


HIDES = """
import os, subprocess, time
if os.environ["HAI_ATTEMPT"] == "1":
    child = subprocess.Popen(["env", "-i", "setsid", "sleep", "3600"])
    print("child", child.pid, flush=True)
    print("up", flush=True)
    time.sleep(300)
"""


def test_a_killed_agent_costs_the_attempt_and_not_the_task(make_live: MakeLive) -> None:
    live = make_live(settings={"HAI_AGENT__SUSPECT_SECONDS": "600"})
    live.script("sleep.py", HIDES)
    task_id = live.submit(name="sleep.py", nodes=2)
    live.wait(task_id, "running")
    wait_until(lambda: live.text(task_id).count("up") == 2, what="both ranks")
    victim = next(p for p in live.agents() if p.cmdline()[-1].endswith(f"{task_id}.1.1"))
    hidden = [int(pid) for pid in re.findall(r"child (\d+)", live.text(task_id))]
    assert len(hidden) == 2
    has_group = bool(json.loads(Path(victim.cmdline()[-1], "agent.pid").read_text())["cgroup"])
    victim.kill()
    done = live.wait(task_id, "succeeded")
    first, second = done["attempt_list"]
    assert (first["outcome"], done["failures"]) == ("node-lost", 1)
    assert first["why"] == "rank 1 on training-1: the agent was killed by signal 9"
    assert "training-1" not in [worker["node"] for worker in second["workers"]]
    with live.client() as client:
        nodes = {node["name"]: node for node in client.get("/nodes").json()["nodes"]}
    assert nodes["training-1"]["health"] == "suspect"
    assert live.events(task_id).count("retry") == 1
    wait_until(lambda: not live.programs(), what="no program left over")
    wait_until(lambda: not live.agents(), what="no agent left over")
    if has_group:
        assert not [pid for pid in hidden if processes.is_running(pid)]


def test_a_program_that_kills_its_agent_comes_back_only_as_often_as_its_rule_says(
    make_live: MakeLive,
) -> None:
    live = make_live(settings={"HAI_AGENT__SUSPECT_SECONDS": "1"})
    live.script("murder.sh", "kill -9 $PPID; sleep 60\n")
    rule = {"max": 2, "on": ["node_lost"]}
    task_id = live.submit(name="murder.sh", options={"retry": rule})
    done = live.wait(task_id, "failed")
    assert (done["attempts"], done["exit_code"]) == (3, 1)
    assert "the agent was killed by signal 9; it is not tried again" in done["why"]


@pytest.fixture
def durable_postgres(public_dir: Path) -> Iterator[EmbeddedPostgres]:
    """As users run it: what was committed survives a crash."""
    postgres = EmbeddedPostgres(public_dir / "durable")
    postgres.start()
    yield postgres
    postgres.stop("immediate")


def test_postgresql_restarted_under_load(
    public_dir: Path, durable_postgres: EmbeddedPostgres
) -> None:
    live = Live(public_dir, durable_postgres.url)
    with closing(live):
        live.bootstrap()
        live.start()
        _restart_under_load(live, durable_postgres)


def _restart_under_load(live: Live, postgres: EmbeddedPostgres) -> None:
    marks = work(live)
    expected = submit_all(live, 20)
    is_over = threading.Event()

    def keep_submitting() -> list[int]:
        accepted: list[int] = []
        while not is_over.is_set():
            name = f"more-{len(accepted)}"
            accepted.append(wait_until(partial(submitted, live, name), 60, what=name))
        return accepted

    with ThreadPoolExecutor(1) as pool:
        submitter = pool.submit(keep_submitting)
        try:
            for least in (2, 6, 10):
                wait_until(partial(have_ended, live, least), 60, what=f"{least} tasks have ended")
                postgres.stop("immediate")
                postgres.start()
                wait_until(live.is_ready, what="the server is ready again")
        finally:
            is_over.set()
        more = submitter.result()
    assert more
    expected |= dict.fromkeys(more, 0)
    with live.client() as client:
        total = client.get("/tasks?user=all&page_size=1").json()["total"]
    assert total == len(expected), "accepted once, and nothing that was not accepted"
    check_all(live, marks, expected)


def submitted(live: Live, name: str) -> int:
    """One try of a client that does not give up; the task's id, or 0: not now."""
    task = live.task(name=name, entrypoint="work.py", parameters="0 0", request_id=name)
    with live.client() as client:
        reply = client.post("/tasks", json=task)
    if reply.status_code == 503:
        assert reply.json()["code"] == "unavailable"
        return 0
    assert reply.status_code == 201, reply.text
    return int(reply.json()["id"])


def test_a_stopped_server_leaves_workers_alone_and_finds_them_again(live: Live) -> None:
    live.script(
        "count.py",
        "import time\nfor i in range(30):\n    print('step', i, flush=True); time.sleep(0.1)\n",
    )
    task_id = live.submit(name="count.py")
    wait_until(lambda: "step 1" in live.text(task_id), what="the program")
    live.stop()
    assert len(live.agents()) == 1
    live.start()
    done = live.wait(task_id, "succeeded")
    assert done["attempts"] == 1
    assert live.text(task_id).splitlines() == [f"step {i}" for i in range(30)]


def test_an_agent_that_hangs_is_killed_after_its_silence(make_live: MakeLive) -> None:
    settings = {"HAI_AGENT__LOST_AFTER_SECONDS": "8", "HAI_AGENT__HEARTBEAT_SECONDS": "1"}
    live = make_live(settings=settings)
    live.script("sleep.py", "import time; time.sleep(300)")
    task_id = live.submit(name="sleep.py")
    live.wait(task_id, "running")
    [agent] = live.agents()
    agent.send_signal(signal.SIGSTOP)
    why = "rank 0 on training-0: silent for 8 s"
    wait_until(lambda: live.detail(task_id)["attempt_list"][0]["why"] == why, 60, what="the loss")
    wait_until(lambda: not psutil.pid_exists(agent.pid) or _is_gone(agent), what="the agent")
    wait_until(lambda: not live.programs(), what="no program left over")


def _is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("gap_bytes", [0, 8192, 16384])
def test_a_disk_that_is_full_while_agents_start_costs_time_and_no_task(
    make_live: MakeLive, gap_bytes: int
) -> None:
    live = make_live(settings={"HAI_AGENT__SUSPECT_SECONDS": "1"})
    live.script("quick.sh", "echo done\n")
    workers = live.data_dir / "workers"
    options = "size=1m,mode=0711"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", workers]).returncode:
        pytest.skip("a tmpfs cannot be mounted here (not root, or no CAP_SYS_ADMIN)")
    try:
        ballast = workers / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", 0) as file:
            while file.write(b"0" * 4096):
                continue
        os.truncate(ballast, ballast.stat().st_size - gap_bytes)
        tasks = [live.submit(name=f"quick-{i}.sh", entrypoint="quick.sh") for i in range(4)]

        def has_met_it() -> bool:
            said = [str(live.detail(task_id)["attempt_list"]) for task_id in tasks]
            return any("not started: " in one for one in said)

        wait_until(has_met_it, 60, what="the full disk")
        ballast.unlink()
        for task_id in tasks:
            done = live.wait(task_id, "succeeded", timeout=120)
            assert done["failures"] == 0
            assert live.text(task_id).splitlines()[-1] == "done"
    finally:
        live.stop()
        subprocess.run(["umount", "-l", workers], check=True)
