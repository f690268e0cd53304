"""Processes of a deployed platform die while it works: no task is lost, none runs twice."""

import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from functools import partial

from tests.kubernetes.deployed import WITHIN_SECONDS, Deployed
from tests.waiting import wait_until

# Leaves a mark per start, so that a second start of the same attempt cannot hide.
WORK = """
import os, sys, time
key = "{}.{}".format(os.environ["HAI_TASK_ID"], os.environ["HAI_ATTEMPT"])
descriptor = os.open(os.path.join("marks", key), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
os.write(descriptor, b"start\\n")
time.sleep(float(sys.argv[1]))
os.write(descriptor, b"end\\n")
"""
COUNT = """
import sys, time
for number in range(int(sys.argv[1])):
    print("line", number, flush=True)
    time.sleep(0.1)
"""
LINES = 200


def work(platform: Deployed) -> None:
    marks = platform.folder / "marks"
    marks.mkdir()
    marks.chmod(0o777)
    (platform.folder / "work.py").write_text(WORK)
    (platform.folder / "count.py").write_text(COUNT)


def more(platform: Deployed, name: str, count: int) -> list[int]:
    seconds = (0.1, 2, 0.5)
    return [platform.submit(f"{name}-{n}", "work.py", str(seconds[n % 3])) for n in range(count)]


def check_all(platform: Deployed, tasks: list[int], *, may_be_lost: bool = False) -> None:
    """may_be_lost: a node was away, so that an attempt there may have been given up."""
    for task_id in tasks:
        detail = platform.wait(task_id, "succeeded", "failed", "stopped")
        assert detail["state"] == "succeeded", detail["why"]
        assert detail["attempts"] == 1 or may_be_lost, detail
        events = platform.told(f"tasks/{task_id}/events")["events"]
        ends = [one for one in events if one["kind"] in ("task.succeeded", "task.failed")]
        assert len(ends) == 1, "a task ends once"
    marks = list((platform.folder / "marks").iterdir())
    for mark in marks:
        assert mark.read_text().split().count("start") == 1, f"{mark.name} was started twice"
    assert {int(mark.name.split(".")[0]) for mark in marks} == set(tasks)


def faults_of_roles(platform: Deployed) -> None:
    """The leader, each api process below a reader of logs, the database, Redis."""
    work(platform)
    with platform.admin.start("hai-up", "logs", "-f", "-n", "1") as reading:
        lines: list[str] = []
        thread = threading.Thread(target=lambda: lines.extend(_lines(reading)))
        thread.start()
        _break_one_after_the_other(platform)
        reading.send_signal(signal.SIGINT)
        thread.join(WITHIN_SECONDS)
        assert reading.wait(60) == 130
    speakers = {line.partition(": ")[0] for line in lines}
    assert {pod["metadata"]["name"] for pod in platform.pods("hai-api")} <= speakers
    starts = [line for line in lines if '"event": "open"' in line]
    assert len(starts) >= 3, "the leader and two api processes are read on after they were killed"
    assert len(set(starts)) == len(starts), "no line twice"


def _lines(reading: subprocess.Popen[bytes]) -> Iterator[str]:
    assert reading.stdout is not None
    for line in reading.stdout:
        yield line.decode()


def _break_one_after_the_other(platform: Deployed) -> None:
    before = platform.ended()
    tasks = more(platform, "first", 4)
    leader = platform.leader()
    platform.kill(leader)
    tasks += more(platform, "leader-killed", 3)
    platform.kill(platform.pods("redis")[0])
    tasks += more(platform, "redis-killed", 3)
    logs_survive(platform)
    platform.kubectl("delete", "pod", "hai-postgres-0")
    tasks += more(platform, "database-deleted", 3)
    wait_until(
        lambda: platform.ended() >= before + len(tasks) + 1, WITHIN_SECONDS, what="all have ended"
    )
    check_all(platform, tasks)


def logs_survive(platform: Deployed) -> None:
    """Every api process is killed below `hai-cli logs -f`, which shows each line once."""
    task_id = platform.submit("count", "count.py", str(LINES))
    platform.wait(task_id, "running")
    seen: list[int] = []
    with platform.admin.start("hai-cli", "logs", "-f", str(task_id)) as reading:
        thread = threading.Thread(target=collect, args=(reading, seen))
        thread.start()
        for pod in platform.pods("hai-api"):
            enough = min(len(seen) + 20, LINES)
            wait_until(partial(_has, seen, enough), WITHIN_SECONDS, what=f"{enough} lines")
            platform.kill(pod)
        thread.join(WITHIN_SECONDS)
        assert not thread.is_alive(), f"it does not end: {len(seen)} lines"
        assert reading.wait(60) == 0
    assert seen == list(range(LINES)), "each line once, in order"
    platform.wait(task_id, "succeeded")


def _has(seen: list[int], count: int) -> bool:
    return len(seen) >= count


def collect(reading: subprocess.Popen[bytes], seen: list[int]) -> None:
    assert reading.stdout is not None
    for line in reading.stdout:
        found = re.search(rb"line (\d+)\s*$", line)
        if found:
            seen.append(int(found[1]))
