"""Programs below a shell in a pod: the suspend signal and SIGTERM reach them, and what they save
counts."""

import pytest

from tests.kubernetes.platform import PodPlatform

pytestmark = pytest.mark.acceptance

_LONG = 180
SIGNALLED = """
import os, signal, time
asked = []
signal.signal(signal.SIGUSR1, lambda *_: asked.append(1))
print("up", flush=True)
from hai.client import go_suspend, receive_suspend_command
while os.environ["HAI_ATTEMPT"] == "1":
    time.sleep(0.02)
    if asked and receive_suspend_command():
        print("saved", flush=True)
        go_suspend()
print("resumed", flush=True)
"""
TERMINATED = """
import os, signal, sys, time
def save(*_):
    os.makedirs("ckpt", exist_ok=True)
    with open("ckpt/step-9.pt", "w") as file:
        file.write("all")
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("up", flush=True)
while os.environ["HAI_ATTEMPT"] == "1":
    time.sleep(0.02)
print("resumed", os.path.getsize("ckpt/step-9.pt"), flush=True)
"""


@pytest.mark.parametrize(
    ("program", "options", "proof"),
    [
        pytest.param(SIGNALLED, {"suspend_signal": "SIGUSR1"}, "saved", id="suspend_signal"),
        pytest.param(TERMINATED, {"checkpoint": "ckpt/*.pt"}, "saved after the notice", id="term"),
    ],
)
def test_a_wrapped_program_is_suspended_clean_and_goes_on(
    platform: PodPlatform, program: str, options: dict[str, str], proof: str
) -> None:
    platform.script("train.py", program)
    platform.script("wrap.sh", "echo wrapped\npython3 train.py\n")
    task = platform.submit("bob", name="wrap.sh", options=options)
    platform.wait_text(task, "up")
    with platform.client() as admin:
        admin.post(f"/tasks/{task}/suspend", json={"why": "lunch"}).raise_for_status()
        held = platform.wait(task, "suspended", timeout=_LONG)
        assert held["attempt_list"][0]["outcome"] == "suspended-clean"
        assert proof in platform.text(task)
        admin.post(f"/tasks/{task}/resume").raise_for_status()
    done = platform.wait(task, "succeeded", timeout=_LONG)
    assert (done["attempts"], done["failures"]) == (2, 0)
    assert "resumed" in platform.text(task)
    platform.wait_clean()
