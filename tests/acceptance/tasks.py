"""Tasks that run until they are stopped."""

from contextlib import suppress

import psutil

from tests.live import Live
from tests.waiting import wait_until

SLEEPER = "echo up\nexec sleep 600\n"


def running(
    live: Live, name: str, *, user: str = "root", nodes: int = 1, text: str = SLEEPER
) -> int:
    """A task whose every rank has said that it is up."""
    live.script(name, text)
    task = live.submit(user, name=name, nodes=nodes)
    wait_until(lambda: live.text(task).count("up") == nodes, 60, what=f"{name} is up")
    live.wait(task, "running")
    return task


def stopped(live: Live, task: int) -> None:
    """Stopped, and over."""
    with live.client() as client:
        client.post(f"/tasks/{task}/stop", json={})
    live.wait(task, "stopped")


def left_of(live: Live, task: int) -> list[str]:
    """Names of what still runs of a task's first attempt, sessions of ssh and shells included."""
    found = []
    for process in live.programs():
        with suppress(psutil.NoSuchProcess):  # it ended just now
            if f"/{task}.1." in process.environ().get("HAI_CONTROL_DIR", ""):
                found.append(process.name())
    return found
