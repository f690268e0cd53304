"""Tasks that run until they are stopped."""

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
