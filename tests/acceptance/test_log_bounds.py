"""Task logs within bounds: a disk that gets full, quotas of an attempt and of a user."""

import os
import subprocess

import pytest

from tests.acceptance.conftest import MakeLive
from tests.live import Live
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.xdist_group("log_bounds"),
]

MIB = 2**20

# Writes MiB of lines, then says that it has; a file lets it go on to its last words.
WRITER = r"""
import os, sys, time
megabytes, name = int(sys.argv[1]), sys.argv[2]
for number in range(megabytes * 1024):
    sys.stdout.write(f"{number:8d} " + "x" * 1014 + "\n")
sys.stdout.flush()
open(f"written.{name}.{os.environ['RANK']}", "w").close()
while not os.path.exists("go." + name):
    time.sleep(0.02)
for number in range(50):
    print("after", number, flush=True)
    time.sleep(0.1)
print("last words", flush=True)
"""


def submit(live: Live, name: str, megabytes: int, nodes: int = 1) -> int:
    live.script("writer.py", WRITER)
    parameters = f"{megabytes} {name}"
    return live.submit(name=name, entrypoint="writer.py", parameters=parameters, nodes=nodes)


def wait_written(live: Live, name: str, ranks: int = 1) -> None:
    for rank in range(ranks):
        path = live.work_dir / f"written.{name}.{rank}"
        wait_until(path.exists, what=f"all output of {name}")


def let_go(live: Live, name: str) -> None:
    (live.work_dir / f"go.{name}").touch()


def size_of(live: Live, task: int) -> int:
    folder = live.data_dir / "logs" / str(task)
    total = 0
    for path in folder.glob("*/*.log"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # rotated away meanwhile
            continue
    return total


def kinds(live: Live) -> list[str]:
    with live.client() as root:
        reply = root.get("/events", params={"kind": "logs.*"})
    return [line for line in reply.text.splitlines() if line.startswith("data: ")]


def why(live: Live, task: int) -> str:
    with live.client() as root:
        return "\n".join(root.get(f"/tasks/{task}/why").json()["lines"])


def test_logs_stop_before_the_disk_is_full_and_programs_go_on(make_live: MakeLive) -> None:
    live = make_live()
    logs = live.data_dir / "logs"
    options = "size=260m,mode=0755"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", logs]).returncode:
        pytest.skip("a tmpfs cannot be mounted here (not root, or no CAP_SYS_ADMIN)")
    try:
        ballast = logs / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 235 * MIB)
        task = submit(live, "writer", 30)
        wait_written(live, "writer")
        wait_until(lambda: "the log has stopped" in why(live, task), what="why to tell it")
        assert "task.log_stopped: rank 0: the log has stopped" in "\n".join(live.reasons(task))
        assert live.detail(task)["state"] == "running", "the program goes on"
        assert "[hai] the log has stopped: its disk has less than" in live.text(task)
        free = subprocess.run(["df", "--output=avail", "-B1", logs], capture_output=True, text=True)
        assert int(free.stdout.split()[1]) >= 12 * MIB, "a twentieth is the platform's"
        wait_until(lambda: any("logs.stopped" in line for line in kinds(live)), what="the event")
        with live.client() as root:
            assert root.get("/platform").json()["log_disk"]["why"].startswith("task logs have")
        other = submit(live, "other", 0)  # submits go on; so small a disk takes no new task
        let_go(live, "other")
        ballast.unlink()
        wait_until(lambda: "the log has stopped" not in why(live, task), what="room again")
        let_go(live, "writer")
        live.wait(task, "succeeded")
        live.wait(other, "succeeded")
        text = live.text(task)
        assert "[hai] the log goes on" in text
        assert "[hai] dropped" in text
        assert text.endswith("last words")
        wait_until(lambda: any("logs.resumed" in line for line in kinds(live)), what="the event")
    finally:
        live.stop()
        for agent in [*live.agents(), *live.programs()]:
            agent.kill()
        subprocess.run(["umount", "-l", logs], check=True)


def test_an_attempt_keeps_no_more_than_its_quota(make_live: MakeLive) -> None:
    live = make_live(settings={"HAI_LOGS__ATTEMPT_BYTES": str(MIB)})
    task = submit(live, "wide", 5, nodes=2)
    wait_written(live, "wide", ranks=2)
    let_go(live, "wide")
    live.wait(task, "succeeded")
    assert size_of(live, task) <= MIB
    assert live.text(task, rank="0").endswith("last words"), "the newest is kept"
    assert live.text(task, rank="1").endswith("last words")


def test_a_user_keeps_no_more_than_the_quota(make_live: MakeLive) -> None:
    """Logs of tasks that have ended go first, the oldest of them; then who runs keeps less."""
    live = make_live(settings={"HAI_LOGS__USER_BYTES": str(3 * MIB)})
    live.add_user("alice")
    first, second = submit(live, "first", 1), submit(live, "second", 1)
    for name, task in (("first", first), ("second", second)):
        let_go(live, name)
        live.wait(task, "succeeded")
    third = submit(live, "third", 8)
    wait_written(live, "third")

    def is_within() -> bool:
        return sum(size_of(live, task) for task in (first, second, third)) <= 3 * MIB

    wait_until(lambda: "this log was removed" in live.text(first), 90, what="the oldest to go")
    wait_until(lambda: "task.logs_removed" in "\n".join(live.reasons(first)), what="its event")
    wait_until(lambda: any("logs.limited" in line for line in kinds(live)), 90, what="a limit")
    let_go(live, "third")
    live.wait(third, "succeeded")
    wait_until(is_within, 90, what="all within the quota")
