"""A dev container from its start to its removal, the same on every kind of node: JupyterLab and a
service through the door, who is refused there, idle signs, shell and files, and a second start.

Containers have this machine's Python packages by a mount.
"""

import importlib.util
import json
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.door_site import ECHO, Site, door_settings, refused
from tests.acceptance.person import Person
from tests.live import BOB_UID, Live, free_port
from tests.waiting import wait_until

_LONG = 180
_PACKAGES = "/opt/lab-packages"
LAB = "lab"
IMAGE_PYTHON = "/usr/bin/python3"  # of the same Debian here and in the image


def _what_is_missing() -> str:
    if importlib.util.find_spec("jupyterlab") is None:
        return "needs JupyterLab (the extra dev)"
    own = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if Path(IMAGE_PYTHON).resolve().name != own:
        return f"these packages are not for {IMAGE_PYTHON}, which containers have as well"
    return ""


needs_lab = pytest.mark.skipif(bool(_what_is_missing()), reason=_what_is_missing())


def shared_lab_settings(section: str) -> dict[str, str]:
    """A door, shared nodes, and the packages of these tests in every container; `section`: docker
    or kubernetes."""
    mounts = {"lab-packages": f"{sys.prefix}:{_PACKAGES}:ro"}
    shared = {"HAI_JUPYTER__SHARED_NODE_GROUP_PREFIX": "lab_"}
    return {**door_settings(), **shared, f"HAI_{section.upper()}__MOUNTS": json.dumps(mounts)}


def lab_environment(folder: Path) -> Path:
    """A virtual environment for containers, which has what these tests have."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(IMAGE_PYTHON)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    for part in ("lib", "share", "etc"):
        (folder / part).symlink_to(f"{_PACKAGES}/{part}")
    return folder


def started(bob: Person, *words: str) -> int:
    """`dev start lab`, until it runs; the task's id."""
    done = bob("dev", "start", LAB, *words)
    assert done.code == 0, done.err
    task = int(done.err.partition("is task ")[2].split()[0])
    found = bob.live.wait(task, "running", "failed", timeout=_LONG)
    assert found["state"] == "running", found["why"]
    return task


def link_of(bob: Person, *service: str) -> str:
    """An address that enters, once the service answers."""
    found: list[str] = []

    def answers() -> bool:
        opened = bob("dev", "open", LAB, *service, "--print", "--timeout", "50s")
        is_early = "refused" in opened.err or "does not answer" in opened.err
        assert opened.code == 0 or is_early, f"{opened.err}\n{bob('dev', 'logs', LAB).out}"
        found.append(opened.out.strip())
        return opened.code == 0

    wait_until(answers, _LONG, what="an open door")
    return found[-1]


def use_a_dev_container(live: Live, *part: str) -> None:
    """All of it, by the users bob and eve. `part`: options of `dev start`."""
    bob = Person(live, "bob")
    live.add_user("eve", uid=BOB_UID + 1)
    live.script("echo_service.py", ECHO)
    venv = lab_environment(live.work_dir / "lab-env")
    service = f"echo:{free_port()}={venv}/bin/python -u echo_service.py $HAI_SERVICE_PORT"
    task = started(bob, "--py-venv", str(venv), "--service", service, *part)
    site = Site(live, task, "echo", "bob")
    the_service_is_bobs_alone(site, bob)
    secret = uuid.uuid4().hex
    a_kernel_runs(live, bob, f"open('kept.txt', 'w').write('{secret}'); print(2 ** 10)", "1024")
    signs_of_use_are_known(bob)
    entered_by_shell(bob, secret)
    restarted = bob("dev", "services", LAB, "restart", "echo", "-o", "json")
    assert json.loads(restarted.out)[0]["starts"] == 2, restarted.err
    assert bob("dev", "stop", LAB).code == 0
    live.wait(task, "stopped", timeout=_LONG)
    again = started(bob)
    assert again > task
    with Site(live, again, "echo", "bob").visitor(link_of(bob, "echo")) as visitor:
        assert visitor.get("/page").text == "<p id=here>hello"
    kept = bob("shell", LAB, "--", "cat ~/kept.txt")
    assert kept.out == secret, f"the same home: {kept.err}"
    assert bob("dev", "stop", LAB).code == 0
    live.wait(again, "stopped", timeout=_LONG)
    assert bob("dev", "remove", LAB).code == 0
    assert bob("dev", "list", "-o", "json").out.strip() == "[]"


def the_service_is_bobs_alone(site: Site, bob: Person) -> None:
    link = link_of(bob, "echo")
    data = bytes(range(256)) * 4096 * 4  # 4 MiB
    with site.visitor(link) as visitor:
        assert visitor.get("/page").text == "<p id=here>hello"
        assert visitor.post("/echo", content=data).content == data
        with site.socket(visitor) as socket:
            assert "hai_door" not in str(socket.recv())
            socket.send(data[:900_000])
            assert socket.recv() == data[:900_000]
        assert visitor.get(site.entering).status_code == 403, "a code is good once"
        with site.stranger(link) as stranger:
            assert stranger.get("/page").status_code == 403
            assert refused(site, stranger) == 403
    assert site.ticket("eve").status_code == 403
    eve = Person(site.live, "eve")
    assert eve("dev", "open", str(site.task), "echo", "--print").code == 5
    assert eve("shell", str(site.task), "--", "id").code == 5


def a_kernel_runs(live: Live, bob: Person, code: str, wanted: str) -> None:
    """In JupyterLab, as a page in the browser does it."""
    site = Site(live, _task_of(bob), "jupyter", "bob")
    link = link_of(bob)
    with site.visitor(link) as visitor:
        assert "JupyterLab" in visitor.get("/lab").text
        made = visitor.post("/api/kernels", json={"name": "python3"})
        assert made.status_code == 201, made.text
        with site.socket(visitor, f"/api/kernels/{made.json()['id']}/channels") as socket:
            head = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": ""}
            head |= {"session": uuid.uuid4().hex, "version": "5.3", "date": ""}
            content = {"code": code, "silent": False, "allow_stdin": False}
            message: dict[str, Any] = {"header": head, "parent_header": {}, "metadata": {}}
            socket.send(json.dumps({**message, "content": content, "channel": "shell"}))
            while (got := json.loads(socket.recv(timeout=_LONG)))["msg_type"] != "stream":
                assert got["msg_type"] != "error", got
            assert got["content"]["text"].strip() == wanted
        with site.stranger(link) as stranger:
            assert stranger.get("/api/kernels").status_code == 403
        gone = visitor.post("/.hai/leave")
        assert gone.status_code == 200
        assert visitor.get("/api/kernels").status_code == 403


def signs_of_use_are_known(bob: Person) -> None:
    """The agent in the container sees its kernels, its processor and its terminals."""

    def told() -> dict[str, Any]:
        row = json.loads(bob("dev", "list", "-o", "json").out)[0]
        idle: dict[str, Any] = row.get("idle") or {}
        return idle

    def are_known() -> bool:
        quiet = told().get("quiet_seconds") or {}
        return {"kernels", "cpu", "input"} <= quiet.keys() and None not in quiet.values()

    wait_until(are_known, _LONG, what="signs of use")


def entered_by_shell(bob: Person, secret: str) -> None:
    done = bob("shell", LAB, "--", "id -u; pwd; cat kept.txt; exit 5")
    assert done.code == 5, done.err
    assert done.out.split() == [str(BOB_UID), str(bob.live.work_dir), secret]
    copied = bob("cp", f"{LAB}:kept.txt", "copied.txt")
    assert copied.code == 0, copied.err
    assert (bob.desk / "copied.txt").read_text() == secret
    there = bob("cp", "copied.txt", f"{LAB}:/tmp/there.txt")
    assert there.code == 0, there.err
    assert bob("shell", LAB, "--", "cat /tmp/there.txt").out == secret


def _task_of(bob: Person) -> int:
    found: int = json.loads(bob("dev", "list", "-o", "json").out)[0]["id"]
    return found
