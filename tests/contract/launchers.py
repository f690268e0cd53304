"""What every Launcher promises, whatever it starts workers with.

Tests of a launcher inherit one of the suites and have a fixture `harness`.
"""

import asyncio
import time
from typing import ClassVar, Protocol

from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.errors import Unavailable
from hai.ports import Launcher, Observation, WorkerLaunch, WorkerPhase
from tests.waiting import PATIENCE_SECONDS, async_wait_until

WITHIN_SECONDS = PATIENCE_SECONDS


class Harness(Protocol):
    """One launcher with whatever it needs around it; ends all that it started.

    `outlives_server`: workers are processes of their own, so they run on without the server and
    the next one finds them. Otherwise they are part of the server and end with it; the next one
    knows nothing and starts anew whatever its tasks want.
    """

    outlives_server: ClassVar[bool]
    launcher: Launcher

    def worker(self, key: WorkerKey, exit_code: int | None) -> WorkerLaunch:
        """A worker that ends at once with `exit_code`, or runs on (None)."""

    async def settle(self, key: WorkerKey) -> None:
        """Return once the worker that was launched under `key` runs (or has run)."""

    async def successor(self) -> Launcher:
        """The launcher of a server that was started after the first one was killed."""

    def starts(self, key: WorkerKey) -> int:
        """How often the program of this worker was started."""


def key_of(task_id: int, rank: int = 0) -> WorkerKey:
    return WorkerKey(TaskId(task_id), 1, rank)


async def kill(launcher: Launcher, key: WorkerKey) -> None:
    """As the server does: again, where a busy machine has not ended it in time."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while True:
        try:
            return await launcher.kill(key)
        except Unavailable:
            if time.monotonic() >= deadline:
                raise


async def seen(launcher: Launcher, key: WorkerKey) -> Observation | None:
    return next((o for o in await launcher.observe() if o.key == key), None)


async def until(launcher: Launcher, key: WorkerKey, phase: WorkerPhase) -> Observation:
    last: Observation | None = None

    async def is_there() -> Observation | None:
        nonlocal last
        last = await seen(launcher, key)
        return last if last and last.phase is phase else None

    found = await async_wait_until(is_there, WITHIN_SECONDS, what=lambda: f"{key} {last}: {phase}")
    assert found is not None
    return found


async def as_long_as_a_start_takes(harness: Harness) -> None:
    """By another worker: what was launched before it would run now."""
    await harness.launcher.launch(harness.worker(key_of(9), exit_code=None))
    await harness.settle(key_of(9))


class LauncherContract:
    """The promises of all of them."""

    async def test_launched_worker_is_alive_at_once_and_then_exits(self, harness: Harness) -> None:
        await harness.launcher.launch(harness.worker(key_of(1), exit_code=3))
        first = await seen(harness.launcher, key_of(1))
        assert first is not None
        assert first.phase in (WorkerPhase.ALIVE, WorkerPhase.EXITED)
        end = await until(harness.launcher, key_of(1), WorkerPhase.EXITED)
        assert end.exit_code == 3
        assert await seen(harness.launcher, key_of(1)) == end  # until it is forgotten

    async def test_second_launch_of_a_live_worker_does_nothing(self, harness: Harness) -> None:
        worker = harness.worker(key_of(1), exit_code=None)
        await asyncio.gather(*(harness.launcher.launch(worker) for _ in range(3)))
        await harness.settle(key_of(1))
        await harness.launcher.launch(worker)
        assert [o.phase for o in await harness.launcher.observe()] == [WorkerPhase.ALIVE]
        assert harness.starts(key_of(1)) == 1

    async def test_launch_of_an_ended_worker_does_nothing(self, harness: Harness) -> None:
        worker = harness.worker(key_of(1), exit_code=0)
        await harness.launcher.launch(worker)
        end = await until(harness.launcher, key_of(1), WorkerPhase.EXITED)
        await harness.launcher.launch(worker)
        await as_long_as_a_start_takes(harness)
        assert await seen(harness.launcher, key_of(1)) == end
        assert harness.starts(key_of(1)) == 1

    async def test_killed_worker_is_not_alive_and_stays_dead(self, harness: Harness) -> None:
        worker = harness.worker(key_of(1), exit_code=None)
        await harness.launcher.launch(worker)
        await harness.settle(key_of(1))
        await kill(harness.launcher, key_of(1))
        for _ in range(2):
            after = await seen(harness.launcher, key_of(1))
            assert after is None or after.phase in (WorkerPhase.LOST, WorkerPhase.EXITED)
            await harness.launcher.launch(worker)
            await kill(harness.launcher, key_of(1))
        assert harness.starts(key_of(1)) == 1

    async def test_killed_before_its_launch_never_starts(self, harness: Harness) -> None:
        worker = harness.worker(key_of(1), exit_code=0)
        await kill(harness.launcher, key_of(1))
        await harness.launcher.launch(worker)
        await as_long_as_a_start_takes(harness)
        after = await seen(harness.launcher, key_of(1))
        assert after is None or after.phase is WorkerPhase.LOST
        assert harness.starts(key_of(1)) == 0

    async def test_killed_while_it_comes_up(self, harness: Harness) -> None:
        await harness.launcher.launch(harness.worker(key_of(1), exit_code=None))
        await kill(harness.launcher, key_of(1))
        after = await seen(harness.launcher, key_of(1))
        assert after is None or after.phase in (WorkerPhase.LOST, WorkerPhase.EXITED)

    async def test_forgotten_worker_is_not_observed(self, harness: Harness) -> None:
        await harness.launcher.launch(harness.worker(key_of(1), exit_code=0))
        await harness.launcher.launch(harness.worker(key_of(2), exit_code=None))
        await until(harness.launcher, key_of(1), WorkerPhase.EXITED)
        await harness.launcher.forget(key_of(1))
        assert [o.key for o in await harness.launcher.observe()] == [key_of(2)]
        await harness.launcher.forget(key_of(1))  # again: harmless

    async def test_unknown_keys_are_harmless(self, harness: Harness) -> None:
        await harness.launcher.forget(key_of(99))
        assert await harness.launcher.observe() == []

    async def test_workers_of_a_gang_are_apart(self, harness: Harness) -> None:
        for rank in range(3):
            await harness.launcher.launch(harness.worker(key_of(1, rank), exit_code=None))
        for rank in range(3):
            await harness.settle(key_of(1, rank))
        await kill(harness.launcher, key_of(1, 1))
        found = await harness.launcher.observe()
        assert {o.key.rank for o in found if o.phase is WorkerPhase.ALIVE} == {0, 2}

    async def test_opening_twice_and_closing_are_harmless(self, harness: Harness) -> None:
        await harness.launcher.launch(harness.worker(key_of(1), exit_code=None))
        await harness.launcher.open()
        assert [o.phase for o in await harness.launcher.observe()] == [WorkerPhase.ALIVE]
        await harness.launcher.close()
        await harness.launcher.close()
        assert harness.launcher.name
        left = [WorkerPhase.ALIVE] if harness.outlives_server else []
        assert [o.phase for o in await harness.launcher.observe()] == left


class OutlivingContract(LauncherContract):
    """Of those whose workers are processes of their own."""

    async def test_workers_outlive_the_server(self, harness: Harness) -> None:
        worker = harness.worker(key_of(1), exit_code=None)
        await harness.launcher.launch(worker)
        await harness.settle(key_of(1))
        await harness.launcher.close()
        after = await harness.successor()
        assert [o.phase for o in await after.observe()] == [WorkerPhase.ALIVE]
        await after.launch(worker)
        assert harness.starts(key_of(1)) == 1
        await kill(after, key_of(1))
        assert (await until(after, key_of(1), WorkerPhase.LOST)).exit_code is None
        await after.close()

    async def test_two_servers_race_to_launch(self, harness: Harness) -> None:
        other = await harness.successor()
        for task_id in range(1, 6):
            worker = harness.worker(key_of(task_id), exit_code=None)
            await asyncio.gather(harness.launcher.launch(worker), other.launch(worker))
        for task_id in range(1, 6):
            await harness.settle(key_of(task_id))
            assert (await until(other, key_of(task_id), WorkerPhase.ALIVE)).key == key_of(task_id)
        assert [harness.starts(key_of(task_id)) for task_id in range(1, 6)] == [1] * 5


class EndingContract(LauncherContract):
    """Of those whose workers are part of the server."""

    async def test_workers_end_with_their_server(self, harness: Harness) -> None:
        worker = harness.worker(key_of(1), exit_code=None)
        await harness.launcher.launch(worker)
        await harness.settle(key_of(1))
        await harness.launcher.close()
        assert await harness.launcher.observe() == []
        after = await harness.successor()
        assert await after.observe() == []
        await kill(after, key_of(1))  # of a worker that it never saw
        await after.launch(worker)
        await after.launch(harness.worker(key_of(2), exit_code=0))
        assert (await until(after, key_of(2), WorkerPhase.EXITED)).exit_code == 0
        assert harness.starts(key_of(1)) == 1
