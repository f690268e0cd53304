"""Suspend and resume for real: two ranks, two users, a checkpoint, and programs that ignore it."""

import shutil
import sys
from datetime import datetime

import numpy as np
import pytest

from tests.live import REPOSITORY, Live
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

EXAMPLES = REPOSITORY / "docs" / "examples"
FULL = 4  # nodes of the platform under test


def digits(live: Live, name: str, *, step_seconds: float = 0.0) -> int:
    """Submit the example on two nodes, with a checkpoint and a result of its own. It rests
    `step_seconds` after each step of its first attempt."""
    for file in ("digits.py", "digits.csv.gz"):
        shutil.copy(EXAMPLES / file, live.work_dir / file)
        (live.work_dir / file).chmod(0o644)
    rest = f"[ $HAI_ATTEMPT = 1 ] && rest={step_seconds} || rest=0\n"
    words = f"--epochs 12 --checkpoint {name}.npz --out {name}.npy --step-seconds $rest"
    live.script(f"{name}.sh", f"{rest}exec {sys.executable} -u digits.py {words}\n")
    return live.submit(name=name, entrypoint=f"{name}.sh", nodes=2)


def weights(live: Live, name: str) -> np.ndarray:
    result: np.ndarray = np.load(live.work_dir / f"{name}.npy")
    return result


def test_digits_suspended_by_another_user_ends_with_the_same_weights(live: Live) -> None:
    live.add_user("bob")
    live.script("short.sh", "echo bob was here")  # bash: bob's account may not reach our Python
    calm = digits(live, "calm")
    live.wait(calm, "succeeded")

    task_id = digits(live, "disturbed", step_seconds=0.05)  # still at it when bob comes
    wait_until(lambda: "epoch   2" in live.text(task_id), 60, what="the second epoch")
    high = live.submit(user="bob", name="short.sh", nodes=FULL, priority="HIGH", environments={})
    live.wait(high, "succeeded")
    done = live.wait(task_id, "succeeded", timeout=120)

    first, second = done["attempt_list"]
    assert first["outcome"] == "suspended-clean"
    assert f"task {high}" in first["why"]
    assert second["outcome"] == "succeeded"
    assert done["suspend_count"] == 1
    assert done["whole_life_state"] == 12
    text = live.text(task_id)
    assert "suspended at epoch" in text
    assert "resumed from disturbed.npz" in text
    accuracy = float(text.rpartition("final accuracy ")[2].partition("%")[0])
    assert accuracy >= 95
    assert weights(live, "disturbed").tobytes() == weights(live, "calm").tobytes()
    steps = [kind for kind in live.events(task_id) if kind != "checkpoint"]
    assert steps == [
        "submitted",
        *("starting", "running", "suspending", "suspended"),
        *("starting", "running", "succeeded"),
    ]


def seconds_between(first: str, second: str) -> float:
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()


def test_a_program_that_ignores_everything_is_out_in_time_and_resumes(live: Live) -> None:
    live.script(
        "deaf.py",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True)\ntime.sleep(300)\n",
    )
    live.script("short.py", "")
    task_id = live.submit(name="deaf.py", nodes=2)
    wait_until(lambda: live.text(task_id).count("up") == 2, what="both ranks")
    took: list[float] = []
    while len(took) < 5 and min(took, default=99.0) > 12:  # tests share the machine
        high = live.submit(name=f"short-{len(took)}", entrypoint="short.py", nodes=FULL,
                           priority="HIGH")  # fmt: skip
        live.wait(high, "succeeded")
        live.wait(task_id, "running")
        last = live.detail(task_id)["attempt_list"][-2]
        assert last["outcome"] == "suspended-dirty"
        with live.client() as client:
            events = client.get(f"/tasks/{task_id}/events").json()["events"]
        at = {event["kind"]: event["at"] for event in events}  # the last of each kind
        took.append(seconds_between(at["task.suspending"], at["task.suspended"]))
    assert min(took) <= 12, took


SHELL = """
echo "attempt $HAI_ATTEMPT"
[ "$HAI_ATTEMPT" = 1 ] || exit 0
while [ ! -e "$HAI_SUSPEND_FILE" ]; do sleep 0.05; done
touch "$HAI_CONTROL_DIR/ack"
echo saved > state.txt
touch "$HAI_CONTROL_DIR/saved"
sleep 300
"""


def test_any_language_can_answer_by_files(live: Live) -> None:
    live.script("loop.sh", SHELL)
    task_id = live.submit(name="loop.sh")
    wait_until(lambda: "attempt 1" in live.text(task_id), what="the loop")
    with live.client() as client:
        assert client.post(f"/tasks/{task_id}/suspend", json={"why": "lunch"}).status_code == 200
        held = live.wait(task_id, "suspended")
        assert held["held"]
        assert held["attempt_list"][0]["outcome"] == "suspended-clean"
        assert (live.work_dir / "state.txt").read_text() == "saved\n"
        assert client.post(f"/tasks/{task_id}/resume").status_code == 200
    done = live.wait(task_id, "succeeded")
    assert done["attempts"] == 2


SIGNALLED = """
import os, signal, time
from hai.client import go_suspend, receive_suspend_command
asked = []
signal.signal(signal.SIGUSR1, lambda *_: asked.append(1))
print("up", flush=True)
while os.environ["HAI_ATTEMPT"] == "1":
    signal.pause()
    if asked and receive_suspend_command():
        go_suspend()
"""


def test_a_program_may_ask_for_a_signal(live: Live) -> None:
    live.script("signalled.py", SIGNALLED)
    task_id = live.submit(name="signalled.py", options={"suspend_signal": "SIGUSR1"})
    wait_until(lambda: "up" in live.text(task_id), what="the program")
    with live.client() as client:
        client.post(f"/tasks/{task_id}/suspend")
        assert live.wait(task_id, "suspended")["attempt_list"][0]["outcome"] == "suspended-clean"
        client.post(f"/tasks/{task_id}/resume")
    live.wait(task_id, "succeeded")


SAVES_LATE = """
import os, time
from hai.client import get_whole_life_state, go_suspend, receive_suspend_command
from hai.client import set_priority, set_whole_life_state
print("life", get_whole_life_state(), flush=True)
if get_whole_life_state() == 41:
    set_whole_life_state(0)
    raise SystemExit(0)
assert set_priority(10)
while not receive_suspend_command():
    time.sleep(0.05)
time.sleep(7)  # longer than the notice: the acknowledgement gives the task its grace
set_whole_life_state(41)
go_suspend()
"""


def test_an_acknowledged_save_may_take_longer_than_the_notice(live: Live) -> None:
    live.script("late.py", SAVES_LATE)
    task_id = live.submit(name="late.py", priority="LOW")
    wait_until(lambda: live.detail(task_id)["priority"] == "NORMAL", what="set_priority")
    with live.client() as client:
        client.post(f"/tasks/{task_id}/suspend")
        held = live.wait(task_id, "suspended")
        assert held["attempt_list"][0]["outcome"] == "suspended-clean"
        assert held["whole_life_state"] == 41
        client.post(f"/tasks/{task_id}/resume")
    done = live.wait(task_id, "succeeded")
    assert done["whole_life_state"] == 0
    said = [line for line in live.text(task_id).splitlines() if not line.startswith("[hai] ")]
    assert said == ["life 0", "life 41"]


def test_stopping_a_running_task_ends_its_whole_tree(live: Live) -> None:
    live.script("tree.sh", "setsid sleep 300 &\nsleep 300 &\nnohup sleep 300 &\necho up\nwait\n")
    task_id = live.submit(name="tree.sh")
    wait_until(lambda: "up" in live.text(task_id), what="the tree")
    with live.client() as client:
        client.post(f"/tasks/{task_id}/stop", json={"why": "enough"})
    done = live.wait(task_id, "stopped")
    assert (done["why"], done["exit_code"]) == ("enough", None)
    wait_until(lambda: not live.programs(), what="no program left over")


def test_the_watchdog_ends_a_silent_task(live: Live) -> None:
    live.script("silent.py", "import time\nprint('up', flush=True)\ntime.sleep(300)\n")
    task_id = live.submit(name="silent.py", options={"watchdog_time": 1})
    done = live.wait(task_id, "failed")
    assert "watchdog" in done["why"]
