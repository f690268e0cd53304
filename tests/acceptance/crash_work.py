"""Tasks that leave marks, and what must be true of them whatever died."""

from pathlib import Path

from tests.live import Live
from tests.waiting import wait_until

# Leaves a mark per start, so that a second start of the same attempt cannot hide.
WORK = """
import os, sys, time
key = "{}.{}.{}".format(os.environ["HAI_TASK_ID"], os.environ["HAI_ATTEMPT"], os.environ["RANK"])
descriptor = os.open(os.path.join("marks", key), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
os.write(descriptor, b"start\\n")
time.sleep(float(sys.argv[1]))
os.write(descriptor, b"end\\n")
sys.exit(int(sys.argv[2]))
"""


def work(live: Live) -> Path:
    marks = live.work_dir / "marks"
    marks.mkdir()
    marks.chmod(0o777)
    live.script("work.py", WORK)
    return marks


def submit_all(live: Live, count: int) -> dict[int, int]:
    """Tasks of one or two nodes, some failing; the expected exit code by id."""
    expected = {}
    for index in range(count):
        exit_code = index % 5 if index % 7 == 0 else 0
        task_id = live.submit(
            name=f"work-{index}",
            entrypoint="work.py",
            nodes=1 + index % 2,
            parameters=f"{0.05 * (index % 6)} {exit_code}",
        )
        expected[task_id] = exit_code
    return expected


def have_ended(live: Live, least: int) -> bool:
    with live.client() as client:
        found = client.get("/tasks?user=all&page_size=1&state=succeeded&state=failed").json()
    return int(found["total"]) >= least


def check_all(live: Live, marks: Path, expected: dict[int, int]) -> None:
    for task_id, exit_code in expected.items():
        done = live.wait(task_id, "succeeded", "failed", "stopped", timeout=120)
        state = "failed" if exit_code else "succeeded"
        assert (done["state"], done["exit_code"]) == (state, exit_code), done["why"]
        ends = [kind for kind in live.events(task_id) if kind in ("succeeded", "failed", "stopped")]
        assert ends == [state], "a task ends once"
        told = live.reasons(task_id)
        made_room = sum("task.suspended: its nodes are needed" in line for line in told)
        assert done["attempts"] == 1 + made_room, told  # backfill leaves when a gang fits
    for mark in marks.iterdir():
        starts = mark.read_text().split().count("start")
        assert starts == 1, f"{mark.name} was started {starts} times"
    assert len({mark.name.split(".")[0] for mark in marks.iterdir()}) == len(expected)
    wait_until(lambda: not live.programs(), what="no program left over")
    wait_until(lambda: not live.agents(), what="no agent left over")
