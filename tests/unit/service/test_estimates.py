"""When forecasts are made, and when not."""

from dataclasses import replace

import pytest

from hai.core.plan import Claim
from hai.core.planner import plan
from hai.core.types import TaskId
from hai.core.whatif import NEW
from hai.service.estimates import Estimates
from hai.service.last_tick import LastTick
from hai.store.memory import MemoryStore
from tests.clocks import VirtualClock
from tests.unit.core.clusters import active, nodes, state_of, waiting

NOW = 5000.0


class Scene:
    """Two nodes, one free, and a task that waits for both."""

    def __init__(self) -> None:
        self.clock = VirtualClock(NOW)
        self.last_tick = LastTick()
        self.store = MemoryStore()
        self.estimates = Estimates(self.store, self.clock, self.last_tick, leave_seconds=65.0)
        self.claim = waiting(2, 2)
        self.post(active(1, ["n0"], running_since=4000.0, since=4000.0), self.claim)

    def post(self, *claims: Claim) -> None:
        state = state_of(nodes(2), claims, now=self.clock.now())
        self.last_tick.post(state, plan(state, state.now), now=state.now, seconds=0.0)


async def test_a_forecast_is_good_for_ten_seconds() -> None:
    scene = Scene()
    first = await scene.estimates.of(scene.claim)
    assert first is not None
    assert (first.earliest, first.latest) == (5000.0, 5865.0)
    scene.post(scene.claim)  # the holder is gone
    assert await scene.estimates.of(scene.claim) is first
    await scene.clock.advance(11)
    scene.post(scene.claim)
    later = await scene.estimates.of(scene.claim)
    assert later is not None
    assert (later.earliest, later.latest) == (5011.0, 5011.0)
    await scene.estimates.close()


async def test_another_claim_is_another_forecast() -> None:
    scene = Scene()
    wide = await scene.estimates.of(scene.claim)
    narrow = await scene.estimates.of(replace(scene.claim, task_id=NEW, nodes=1))
    assert wide is not None
    assert narrow is not None
    assert wide.latest is not None
    assert narrow.latest == NOW < wide.latest


@pytest.mark.parametrize(
    "claim",
    [waiting(2, 2, held=True), waiting(2, 2, waits_for=(TaskId(1),)), waiting(77, 2)],
    ids=["held", "waits for others", "newer than the state"],
)
async def test_nothing_is_said_of_what_the_scheduler_does_not_decide(claim: Claim) -> None:
    assert await Scene().estimates.of(claim) is None


async def test_without_a_plan_nothing_is_said() -> None:
    estimates = Estimates(MemoryStore(), VirtualClock(NOW), LastTick())
    assert await estimates.of(waiting(2)) is None
