"""What a platform does with programs below a shell, and with those that know SIGTERM alone."""

import pytest

from tests.acceptance.conftest import MakeLive
from tests.live import Live
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

FULL = 4  # nodes of the platform under test

TRAIN = """
import glob, os, signal, sys, time
from hai.client import go_suspend, receive_suspend_command
asked = []
signal.signal(signal.SIGUSR1, lambda *_: asked.append(1))
everybody = int(open("count").read())
print("up", flush=True)
while os.environ["HAI_ATTEMPT"] == "1":
    time.sleep(0.02)
    if asked and receive_suspend_command():
        with open(f"saved-{os.getpid()}", "w") as file:
            file.write("all")
        print("saved", flush=True)
        while len(glob.glob("saved-*")) < everybody:  # as ranks that save together do
            time.sleep(0.02)
        go_suspend()
"""
SPAWN = """
import subprocess, sys
workers = [subprocess.Popen([sys.executable, "-u", "train.py"]) for _ in range(2)]
sys.exit(max(worker.wait() for worker in workers))
"""
WRAPPERS = {
    "shell": ("wrap.sh", "python3 train.py\n", 1),
    "pipe": ("wrap.sh", "set -o pipefail\npython3 train.py | tee log.txt\n", 1),
    "spawned": ("wrap.py", SPAWN, 2),
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_the_suspend_signal_below_a_shell_saves_and_kills_nobody(live: Live, kind: str) -> None:
    name, text, count = WRAPPERS[kind]
    live.script("train.py", TRAIN)
    live.script(name, text)
    live.script("short.sh", "true\n")
    live.script("count", str(FULL * count))
    low = live.submit(name=name, nodes=FULL, priority="LOW", options={"suspend_signal": "SIGUSR1"})
    wait_until(lambda: live.text(low).count("up") == FULL * count, 60, what="the programs")
    high = live.submit(name="short.sh", nodes=FULL, priority="HIGH")
    live.wait(high, "succeeded")
    done = live.wait(low, "succeeded", timeout=120)
    first = done["attempt_list"][0]
    assert first["outcome"] == "suspended-clean"
    assert live.text(low).count("saved") == FULL * count
    assert len(list(live.work_dir.glob("saved-*"))) == FULL * count


SLOW = """
terms=0
trap 'terms=$((terms + 1))' TERM
echo up
while [ $terms = 0 ]; do sleep 0.05; done
sleep 3.5
echo "saved after $terms"
"""


@pytest.fixture
def patient(make_live: MakeLive) -> Live:
    """So much time from SIGTERM to SIGKILL that no machine is too busy for it."""
    return make_live(settings={"HAI_SUSPEND__TERM_SECONDS": "60"})


def test_a_stop_gives_what_is_below_a_shell_the_promised_time(patient: Live) -> None:
    live = patient
    live.script("slow.sh", SLOW)
    live.script("wrap.sh", "bash slow.sh\necho rest\n")
    task_id = live.submit(name="wrap.sh")
    wait_until(lambda: "up" in live.text(task_id), what="the program")
    with live.client() as client:
        client.post(f"/tasks/{task_id}/stop", json={"why": "enough"})
    live.wait(task_id, "stopped")
    text = live.text(task_id)
    assert "saved after 1" in text
    assert "stop: SIGTERM now, SIGKILL in 60 s for whatever still runs then" in text
    assert "still running after SIGTERM" not in text


def test_so_does_the_end_of_a_time_limit(patient: Live) -> None:
    live = patient
    live.script("slow.sh", SLOW)
    live.script("wrap.sh", "bash slow.sh\necho rest\n")
    task_id = live.submit(name="wrap.sh", options={"time_limit": "3s"})
    done = live.wait(task_id, "failed")
    assert done["exit_code"] == 124
    assert "saved after 1" in live.text(task_id)


TRAPS = """
echo "attempt $HAI_ATTEMPT"
[ "$HAI_ATTEMPT" = 1 ] || exit 0
mkdir -p ckpt
trap 'sleep 1; echo state > {path}; exit {code}' TERM
echo up
while true; do sleep 0.05; done
"""


@pytest.mark.parametrize(
    ("path", "code", "outcome"),
    [
        ("ckpt/step-9.pt", 0, "suspended-clean"),
        ("ckpt/step-9.pt", 1, "suspended-clean"),
        ("elsewhere", 0, "suspended-dirty"),
        ("elsewhere", 143, "suspended-dirty"),
    ],
)
def test_a_program_that_saves_on_sigterm_alone_is_suspended(
    live: Live, path: str, code: int, outcome: str
) -> None:
    live.script("trap.sh", TRAPS.format(path=path, code=code))
    task_id = live.submit(name="trap.sh", options={"checkpoint": "ckpt/*.pt"})
    wait_until(lambda: "up" in live.text(task_id), what="the program")
    with live.client() as client:
        assert client.post(f"/tasks/{task_id}/suspend", json={"why": "lunch"}).status_code == 200
        held = live.wait(task_id, "suspended")
        assert held["attempt_list"][0]["outcome"] == outcome
        assert (outcome == "suspended-clean") == ("saved after the notice" in live.text(task_id))
        client.post(f"/tasks/{task_id}/resume")
    done = live.wait(task_id, "succeeded")
    assert (done["attempts"], done["failures"]) == (2, 0)


def test_a_pattern_that_makes_no_sense_is_refused(live: Live) -> None:
    live.script("trap.sh", "true\n")
    with live.client() as client:
        for pattern in ("", 5, ["*.pt"], "a\nb", "x" * 1001):
            document = live.task(name="trap.sh", options={"checkpoint": pattern})
            reply = client.post("/tasks", json=document)
            assert reply.status_code == 422, reply.text
            assert "options.checkpoint" in reply.text
