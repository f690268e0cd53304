"""The machine's clock is set under a live server: tasks end when they should, and it is told."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.live import REPOSITORY, Live
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.acceptance

HOUR = 3600.0
WORK = """
import time
while True:
    time.sleep(0.1)
"""


class Clock:
    """The server's time of day."""

    def __init__(self, live: Live, path: Path) -> None:
        self.live = live
        self.path = path
        self.ahead = 0.0

    def jump(self, seconds: float) -> None:
        self.ahead += seconds
        draft = self.path.with_suffix(".new")
        draft.write_text(str(self.ahead))
        draft.replace(self.path)

    def jumps(self) -> list[dict[str, Any]]:
        with self.live.client() as client:
            events = client.get("/events", params={"limit": 1000}).text
        lines = [json.loads(line[6:]) for line in events.splitlines() if line.startswith("data: ")]
        return [line for line in lines if line.get("kind") == "clock.jumped"]

    def noticed(self, count: int) -> None:
        wait_until(lambda: len(self.jumps()) == count, what=f"jump {count}")


@pytest.fixture
def clock(public_dir: Path, postgres_url: str) -> Iterator[Clock]:
    path = public_dir / "ahead"
    path.touch()
    folder = Path(__file__).parent / "wrong_clock"
    settings = {
        "PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY)]),
        "WRONG_CLOCK": str(path),
        "HAI_SUSPEND__NOTICE_SECONDS": "1",
        "HAI_SUSPEND__TERM_SECONDS": "1",
        "HAI_SCHEDULER__TICK_SECONDS": "1",
    }
    live = Live(public_dir, postgres_url, nodes=1, settings=settings)
    live.bootstrap()
    live.start()
    live.script("train.py", WORK)
    yield Clock(live, path)
    live.close()


@pytest.mark.parametrize("jump", [2 * HOUR, -2 * HOUR, 400 * 24 * HOUR])
def test_a_jump_there_and_back(clock: Clock, jump: float) -> None:
    live = clock.live
    low = live.submit(
        name="low", priority="LOW", entrypoint="train.py", options={"time_limit": HOUR}
    )
    live.wait(low, "running")
    clock.jump(jump)
    clock.noticed(1)
    assert live.detail(low)["state"] == "running"  # its time limit is not over
    with live.client() as client:
        told = client.get("/platform").json()["clock_jump"]
        why = client.get(f"/tasks/{low}/why").json()
    assert told["seconds"] == pytest.approx(jump, abs=1)
    assert any("clock jumped" in line for line in why["lines"])

    high = live.submit(name="high", priority="HIGH", entrypoint="train.py")
    live.wait(high, "running")  # preemption goes on while the clock is wrong
    assert live.detail(low)["state"] in ("suspended", "queued")
    clock.jump(-jump)
    clock.noticed(2)
    with live.client() as client:
        reply = client.post(f"/tasks/{high}/suspend", json={"why": "a test"})
    assert reply.status_code == 200, reply.text
    live.wait(high, "suspended")  # and what began then ends after the jump back
    live.wait(low, "running")
    events = live.events(low)
    assert "failed" not in events
    assert [round(float(one["data"]["seconds"])) for one in clock.jumps()] == [
        pytest.approx(jump, abs=1),
        pytest.approx(-jump, abs=1),
    ]


def test_a_server_that_is_killed_and_starts_while_the_clock_is_wrong(clock: Clock) -> None:
    live = clock.live
    task = live.submit(name="t", entrypoint="train.py", options={"time_limit": HOUR})
    live.wait(task, "running")
    live.kill()
    clock.jump(2 * HOUR)
    live.start()
    clock.noticed(1)
    assert live.detail(task)["state"] == "running"
    live.kill()
    clock.jump(-2 * HOUR)
    live.start()
    clock.noticed(2)
    assert live.detail(task)["state"] == "running"
    with live.client() as client:
        assert client.post(f"/tasks/{task}/suspend", json={}).status_code == 200
    live.wait(task, "suspended")
    assert httpx2.get(f"{live.url}/ready", timeout=PATIENCE_SECONDS).status_code == 200
