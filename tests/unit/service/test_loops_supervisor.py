"""The supervisor keeps every loop running, at its pace, whatever one run does."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from hai.bus.local import LocalBus
from hai.errors import Unavailable
from hai.service.loops.supervisor import Loop, Supervisor
from tests.clocks import VirtualClock, settle
from tests.waiting import async_wait_until

HOUR = 3600.0


class Runs:
    """A loop that notes when it ran, takes `took_seconds`, and fails on demand."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.at: list[float] = []
        self.took_seconds = 0.0
        self.step_seconds = 0.0  # of the clock, during the run
        self.due_seconds = HOUR
        self.trouble: Exception | None = None

    async def run_once(self) -> float:
        self.at.append(self._clock.now())
        if self.took_seconds:
            await self._clock.sleep(self.took_seconds)
        self._clock._now += self.step_seconds
        if self.trouble is not None:
            raise self.trouble
        return self.due_seconds

    @property
    def pauses(self) -> list[float]:
        return [round(b - a, 6) for a, b in zip(self.at, self.at[1:], strict=False)]


class Scene:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.bus = LocalBus(self.clock)
        self.supervisor = Supervisor(self.clock, self.bus)
        self.runs = Runs(self.clock)

    async def spawn(self, *, min_seconds: float = 0.0, busy_fraction: float = 1.0) -> None:
        loop = Loop("it", self.runs.run_once, ("news",), min_seconds, busy_fraction)
        self.supervisor.spawn(loop)
        await settle()

    async def wake(self) -> None:
        """A message, and the run that it causes begun."""
        before = len(self.runs.at)
        await self.bus.publish("news")
        await async_wait_until(lambda: len(self.runs.at) > before, what="the run")


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.supervisor.close()


@pytest.mark.parametrize("trouble", [Unavailable("no database"), KeyError("a bug")], ids=str)
async def test_a_failing_loop_goes_on_with_growing_pauses(scene: Scene, trouble: Exception) -> None:
    scene.runs.trouble = trouble
    with capture_logs() as logs:
        await scene.spawn()
        await scene.clock.advance(40.0)
    assert scene.runs.pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    figures = scene.supervisor.figures["it"]
    assert (figures.runs, figures.failures) == (0, 9)
    assert figures.last_error
    assert {line["loop"] for line in logs} == {"it"}


async def test_news_do_not_shorten_the_pause_of_a_failing_loop(scene: Scene) -> None:
    scene.runs.trouble = Unavailable("no database")
    with capture_logs():
        await scene.spawn()
        await scene.bus.publish("news")
        await scene.clock.advance(0.1)
    assert len(scene.runs.at) == 1


async def test_after_a_good_run_pauses_are_short_again(scene: Scene) -> None:
    scene.runs.trouble = Unavailable("no database")
    with capture_logs():
        await scene.spawn()
        await scene.clock.advance(2.0)
        scene.runs.trouble = None
        await scene.clock.advance(2.0)
        scene.runs.trouble = Unavailable("no database")
        await scene.wake()
        await scene.clock.advance(0.25)
    assert scene.runs.pauses[-1] == 0.2
    assert scene.supervisor.figures["it"].runs == 1


async def test_one_loop_does_not_care_for_another_that_fails(scene: Scene) -> None:
    scene.runs.trouble = KeyError("a bug")
    other = Runs(scene.clock)
    with capture_logs():
        await scene.spawn()
        scene.supervisor.spawn(Loop("other", other.run_once, ("news",)))
        await settle()
        await scene.bus.publish("news")
        await async_wait_until(lambda: len(other.at) == 2, what="the other's run")


async def test_a_message_wakes_it_and_many_wake_it_once(scene: Scene) -> None:
    await scene.spawn()
    assert len(scene.runs.at) == 1
    for _ in range(50):
        await scene.bus.publish("news")
    await async_wait_until(lambda: len(scene.runs.at) == 2, what="the run")
    await scene.bus.publish("other news")
    await settle()
    assert len(scene.runs.at) == 2


async def test_it_comes_back_in_time_without_a_message(scene: Scene) -> None:
    scene.runs.due_seconds = 10.0
    await scene.spawn()
    await scene.clock.advance(9.0)
    assert len(scene.runs.at) == 1
    await scene.clock.advance(11.0)
    assert len(scene.runs.at) == 3


async def test_a_run_that_is_due_at_once_lets_others_run(scene: Scene) -> None:
    scene.runs.due_seconds = 0.0
    await scene.spawn()
    await asyncio.wait_for(settle(), 60.0)
    assert len(scene.runs.at) > 1


async def test_turns_keep_their_distance(scene: Scene) -> None:
    await scene.spawn(min_seconds=0.5)
    await scene.bus.publish("news")
    await scene.clock.advance(0.4)
    assert len(scene.runs.at) == 1
    await scene.clock.advance(0.1)
    await async_wait_until(lambda: len(scene.runs.at) == 2, what="the run")


async def test_long_turns_leave_time_to_others(scene: Scene) -> None:
    scene.runs.took_seconds = 1.0
    await scene.spawn(busy_fraction=0.25)
    await scene.clock.advance(1.0)
    await scene.bus.publish("news")
    await scene.clock.advance(2.9)
    assert len(scene.runs.at) == 1
    await scene.clock.advance(0.1)
    await async_wait_until(lambda: len(scene.runs.at) == 2, what="the run")
    assert scene.runs.pauses == [4.0]


@pytest.mark.parametrize("step_seconds", [HOUR, -HOUR])
async def test_a_clock_that_jumps_during_a_run_costs_seconds_and_not_hours(
    scene: Scene, step_seconds: float
) -> None:
    scene.runs.step_seconds = step_seconds  # the machine slept, or its clock was set
    await scene.spawn(busy_fraction=0.1, min_seconds=0.1)
    await scene.bus.publish("news")
    await scene.clock.advance(5.1)
    await async_wait_until(lambda: len(scene.runs.at) == 2, what="the run")


async def test_close_ends_all_loops(scene: Scene) -> None:
    scene.runs.took_seconds = HOUR
    await scene.spawn()
    await scene.supervisor.close()
    await scene.supervisor.close()  # harmless
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("loop-")]
