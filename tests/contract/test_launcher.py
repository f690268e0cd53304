"""What every Launcher promises, whatever it starts workers with.

A new launcher joins by adding its harness to HARNESSES. Where promises differ, the harness says so
by a capability, and each side of it has its own tests.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol, Self

import pytest

from hai.core.node import Node
from hai.core.task import WorkerKey
from hai.core.types import GroupName, NodeName, Priority, TaskId, UserName
from hai.errors import Unavailable
from hai.launcher.hollow import HollowLauncher
from hai.ports import Launcher, Observation, WorkerLaunch, WorkerPhase
from hai.schema.agent import AgentOrder, AgentReport
from hai.service.clock import SystemClock
from tests.integration.agent_peer import Site, site
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


class LocalHarness:
    outlives_server: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        self._site = site(folder)

    async def __aenter__(self) -> Self:
        self._here: Site = await self._site.__aenter__()
        self.launcher: Launcher = self._here.launcher
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._site.__aexit__(None, None, None)

    def worker(self, key: WorkerKey, exit_code: int | None) -> WorkerLaunch:
        name = str(key).replace(".", "_")
        end = "time.sleep(600)" if exit_code is None else f"raise SystemExit({exit_code})"
        mark = f"print('start', file=open('{name}.starts', 'a'))"
        self._here.script(f"{name}.py", f"import time\n{mark}\n{end}\n")
        self._here.peer.order(str(key), go=True)
        self._here.launched.append(key)
        return self._here.worker(f"{name}.py", key=key)

    async def settle(self, key: WorkerKey) -> None:
        deadline = time.monotonic() + WITHIN_SECONDS
        while not self.starts(key):
            assert time.monotonic() < deadline, f"{key} does not start"
            await asyncio.sleep(0.01)

    async def successor(self) -> Launcher:
        launcher = self._here.new_launcher()
        await launcher.open()
        return launcher

    def starts(self, key: WorkerKey) -> int:
        marks = self._here.work_dir / f"{str(key).replace('.', '_')}.starts"
        return len(marks.read_text().splitlines()) if marks.exists() else 0


class HollowHarness:
    """Real time; the door lets every worker go at once, so that none waits for a gang."""

    outlives_server: ClassVar[bool] = False

    def __init__(self, _folder: Path) -> None:
        self._starts: Counter[str] = Counter()
        self._open: list[Launcher] = []

    async def __aenter__(self) -> Self:
        self.launcher: Launcher = await self.successor()
        return self

    async def __aexit__(self, *error: object) -> None:
        for launcher in self._open:
            await launcher.close()

    def worker(self, key: WorkerKey, exit_code: int | None) -> WorkerLaunch:
        simulate = {"seconds": 600} if exit_code is None else {"seconds": 0, "exit_code": exit_code}
        return WorkerLaunch(
            key=key,
            node=Node(NodeName(f"h{key.rank}"), GroupName("training"), "hollow"),
            user=UserName("ada"),
            uid=None,
            task_name="t",
            chain_id="c",
            group="training",
            priority=Priority.NORMAL,
            world_size=1,
            spec={"options": {"simulate": simulate}},
            whole_life_state=0,
            log_dir="",
            server_url="",
            token="",
        )

    async def settle(self, key: WorkerKey) -> None:
        await async_wait_until(lambda: self.starts(key), WITHIN_SECONDS, what=f"start of {key}")

    async def successor(self) -> Launcher:
        launcher = HollowLauncher(SystemClock(), self._report)
        self._open.append(launcher)
        await launcher.open()
        return launcher

    def starts(self, key: WorkerKey) -> int:
        return self._starts[str(key)]

    async def _report(self, reports: Sequence[AgentReport]) -> Mapping[str, AgentOrder]:
        self._starts.update(report["key"] for report in reports if report["phase"] == "ready")
        return {report["key"]: self._order(report) for report in reports}

    @staticmethod
    def _order(report: AgentReport) -> AgentOrder:
        return {
            "go": True,
            "master_addr": "",
            "master_port": 0,
            "suspend": False,
            "grace_seconds": 60.0,
            "stop": False,
            "term_seconds": 5.0,
            "over": report["phase"] == "exited",
        }


HARNESSES: dict[str, type[LocalHarness] | type[HollowHarness]] = {
    "hollow": HollowHarness,
    "local": LocalHarness,
}


def those_that(outlive: bool) -> pytest.MarkDecorator:
    names = [n for n, kind in HARNESSES.items() if kind.outlives_server is outlive]
    return pytest.mark.parametrize("harness", names, indirect=True)


outliving, ending = those_that(outlive=True), those_that(outlive=False)


@pytest.fixture(params=sorted(HARNESSES))
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    async with HARNESSES[request.param](tmp_path) as made:
        yield made


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
    deadline = time.monotonic() + WITHIN_SECONDS
    while True:
        found = await seen(launcher, key)
        if found is not None and found.phase is phase:
            return found
        assert time.monotonic() < deadline, f"{key} is {found}, not {phase}"
        await asyncio.sleep(0.01)


async def test_launched_worker_is_alive_at_once_and_then_exits(harness: Harness) -> None:
    await harness.launcher.launch(harness.worker(key_of(1), exit_code=3))
    first = await seen(harness.launcher, key_of(1))
    assert first is not None
    assert first.phase in (WorkerPhase.ALIVE, WorkerPhase.EXITED)
    end = await until(harness.launcher, key_of(1), WorkerPhase.EXITED)
    assert end.exit_code == 3
    assert await seen(harness.launcher, key_of(1)) == end  # until it is forgotten


async def test_second_launch_of_a_live_worker_does_nothing(harness: Harness) -> None:
    worker = harness.worker(key_of(1), exit_code=None)
    await asyncio.gather(*(harness.launcher.launch(worker) for _ in range(3)))
    await harness.settle(key_of(1))
    await harness.launcher.launch(worker)
    assert [o.phase for o in await harness.launcher.observe()] == [WorkerPhase.ALIVE]
    assert harness.starts(key_of(1)) == 1


async def test_launch_of_an_ended_worker_does_nothing(harness: Harness) -> None:
    worker = harness.worker(key_of(1), exit_code=0)
    await harness.launcher.launch(worker)
    end = await until(harness.launcher, key_of(1), WorkerPhase.EXITED)
    await harness.launcher.launch(worker)
    assert await seen(harness.launcher, key_of(1)) == end
    assert harness.starts(key_of(1)) == 1


async def test_killed_worker_is_not_alive_and_stays_dead(harness: Harness) -> None:
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


async def test_killed_before_its_launch_never_starts(harness: Harness) -> None:
    worker = harness.worker(key_of(1), exit_code=0)
    await kill(harness.launcher, key_of(1))
    await harness.launcher.launch(worker)
    after = await seen(harness.launcher, key_of(1))
    assert after is None or after.phase is WorkerPhase.LOST
    assert harness.starts(key_of(1)) == 0


async def test_killed_while_it_comes_up(harness: Harness) -> None:
    await harness.launcher.launch(harness.worker(key_of(1), exit_code=None))
    await kill(harness.launcher, key_of(1))
    after = await seen(harness.launcher, key_of(1))
    assert after is None or after.phase in (WorkerPhase.LOST, WorkerPhase.EXITED)


async def test_forgotten_worker_is_not_observed(harness: Harness) -> None:
    await harness.launcher.launch(harness.worker(key_of(1), exit_code=0))
    await harness.launcher.launch(harness.worker(key_of(2), exit_code=None))
    await until(harness.launcher, key_of(1), WorkerPhase.EXITED)
    await harness.launcher.forget(key_of(1))
    assert [o.key for o in await harness.launcher.observe()] == [key_of(2)]
    await harness.launcher.forget(key_of(1))  # again: harmless


async def test_unknown_keys_are_harmless(harness: Harness) -> None:
    await harness.launcher.forget(key_of(99))
    assert await harness.launcher.observe() == []


async def test_workers_of_a_gang_are_apart(harness: Harness) -> None:
    for rank in range(3):
        await harness.launcher.launch(harness.worker(key_of(1, rank), exit_code=None))
    for rank in range(3):
        await harness.settle(key_of(1, rank))
    await kill(harness.launcher, key_of(1, 1))
    alive = {o.key.rank for o in await harness.launcher.observe() if o.phase is WorkerPhase.ALIVE}
    assert alive == {0, 2}


@outliving
async def test_workers_outlive_the_server(harness: Harness) -> None:
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


@ending
async def test_workers_end_with_their_server(harness: Harness) -> None:
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


@outliving
async def test_two_servers_race_to_launch(harness: Harness) -> None:
    other = await harness.successor()
    for task_id in range(1, 6):
        worker = harness.worker(key_of(task_id), exit_code=None)
        await asyncio.gather(harness.launcher.launch(worker), other.launch(worker))
    for task_id in range(1, 6):
        await harness.settle(key_of(task_id))
        assert (await until(other, key_of(task_id), WorkerPhase.ALIVE)).key == key_of(task_id)
    assert [harness.starts(key_of(task_id)) for task_id in range(1, 6)] == [1] * 5


async def test_opening_twice_and_closing_are_harmless(harness: Harness) -> None:
    await harness.launcher.launch(harness.worker(key_of(1), exit_code=None))
    await harness.launcher.open()
    assert [o.phase for o in await harness.launcher.observe()] == [WorkerPhase.ALIVE]
    await harness.launcher.close()
    await harness.launcher.close()
    assert harness.launcher.name
    left = [WorkerPhase.ALIVE] if harness.outlives_server else []
    assert [o.phase for o in await harness.launcher.observe()] == left
