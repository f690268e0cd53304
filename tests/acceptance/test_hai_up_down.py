"""hai-up down when something is in the way: it is interrupted, there is a lot to stop, the disk can
only be read."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.machine import Machine, machine, processes_of
from tests.waiting import PATIENCE_SECONDS, wait_until

assert machine  # the fixture
pytestmark = pytest.mark.acceptance

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    time.sleep(0.1)
"""


def submit(machine: Machine, name: str, **more: object) -> int:
    (machine.work / "stubborn.py").write_text(STUBBORN)
    spec = {"entrypoint": "stubborn.py", "workspace": str(machine.work)}
    task = {"version": 2, "name": name, "spec": spec, "resource": {"node_count": 1}, **more}
    return int(machine.ask("POST", "tasks", json=task)["id"])


def interrupted_down(machine: Machine, number: signal.Signals) -> str:
    child = machine.start("down")
    wait_until(lambda: machine.ask("GET", "platform")["paused_seconds"] > 0, what="the pause")
    child.send_signal(number)
    said = child.communicate(timeout=PATIENCE_SECONDS)[1]
    assert child.returncode != 0
    return said


def test_down_that_is_interrupted_leaves_a_platform_that_goes_on(machine: Machine) -> None:
    """Told by Ctrl-C at once; killed, it is a pause of seconds, which status and why tell, and
    which hai-up run ends."""
    machine.up("--nodes", "2")
    first = submit(machine, "first")
    machine.wait_for_state(first, "running")
    assert "the platform goes on" in interrupted_down(machine, signal.SIGINT)
    assert "paused_seconds" not in machine.status()
    machine.wait_for_state(first, "running")

    interrupted_down(machine, signal.SIGKILL)
    second = submit(machine, "second")
    assert "hai-up run lets it go on" in machine.do("status")[0]
    reason = machine.ask("GET", f"tasks/{second}/why")
    assert reason["reason"]["code"] == "paused"
    assert "hai-up down" in reason["text"]
    assert "it starts tasks again" in machine.up()
    machine.wait_for_state(second, "running")
    assert "paused_seconds" not in machine.status()

    interrupted_down(machine, signal.SIGKILL)  # nobody says anything: it ends by itself
    wait_until(lambda: "paused_seconds" not in machine.status(), what="the end of the pause")
    machine.wait_for_state(second, "running")


def test_purge_stops_thousands_of_tasks_and_tells_of_it(machine: Machine) -> None:
    machine.up("--nodes", "2")
    active = submit(machine, "stays")
    machine.wait_for_state(active, "running")
    array = {"options": {"array": "1-4800"}}
    document = {
        "version": 2,
        "name": "many",
        "spec": {"entrypoint": "stubborn.py", "workspace": str(machine.work)},
        "resource": {"node_count": 2},
        **array,
    }
    machine.ask("POST", "tasks", json=document, timeout=60)
    assert machine.status()["tasks"]["waiting"] == 4800
    said = machine.do("down", "--purge", "--yes")[1]
    assert "stopping 4,801 tasks" in said or "stopping 1 task" in said
    assert "did not stop" not in said
    assert "warning" not in said
    assert not machine.data.exists()


def test_a_running_platform_gets_other_nodes_or_says_why_not(machine: Machine) -> None:
    machine.up("--nodes", "2")
    said = machine.up("--hollow-nodes", "500")
    assert "--hollow-nodes was 0 and is 500 now" in said
    assert machine.status()["nodes"]["total"] == 502
    quotas = machine.ask("GET", "quotas")["quotas"]
    assert {q["nodes"] for q in quotas if "-hollow-" in q["resource"]} == {500}
    said = machine.do("run", "--nodes", "3", "--port", "1", code=6)[1]
    assert "--port is " in said
    assert "hint: hai-up down, then" in said
    assert machine.status()["nodes"]["total"] == 502
    task = machine.submit()
    machine.wait_for_state(task, "running")
    assert "held by task" in machine.do("run", "--nodes", "1", code=1)[1]
    assert machine.status()["nodes"]["total"] == 502
    machine.up("--hollow-nodes", "0")
    assert machine.status()["nodes"]["total"] == 2
    (machine.work / "enough").touch()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    mounts = (
        ["mount", "--bind", str(folder), str(folder)],
        ["mount", "-o", "remount,ro,bind", str(folder)],
    )
    for words in mounts:
        if subprocess.run(words, capture_output=True, check=False).returncode != 0:
            pytest.skip("nothing can be mounted here (not root, or no CAP_SYS_ADMIN)")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_folder_that_can_only_be_read(machine: Machine) -> None:
    """Doctor says so, run refuses, down works."""
    machine.up("--nodes", "2")
    task = machine.submit()
    machine.wait_for_state(task, "running")
    with read_only(machine.data):
        assert "Read-only file system" in machine.do("doctor", code=1)[0]
        assert "data is kept" in machine.do("down", "--timeout", "20")[1]
        wait_until(
            lambda: not [line for line in processes_of(machine.folder) if "hai.server" in line],
            what="no server left",
        )
        assert "Read-only file system" in machine.do("run", code=1)[1]
        machine.do("down")
    machine.up()
    (machine.work / "enough").touch()
    machine.wait_for_state(task, "succeeded")
