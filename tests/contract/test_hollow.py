"""Hollow workers behind the real rules of a gang: only the store is missing, a dictionary here."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from hai.core.lifecycle import transitions
from hai.core.plan import Start
from hai.core.task import WorkerKey
from hai.core.types import NodeName, Outcome, TaskId, TaskState
from hai.errors import PlatformError, Unavailable
from hai.launcher.hollow import BATCH_SECONDS, HEARTBEAT_SECONDS
from hai.ports import Launcher, Observation, WorkerPhase
from tests.contract.hollow_bench import TIMING, Bench, opened


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with opened(Bench()) as ready:
        yield ready


def test_it_is_a_launcher() -> None:
    launcher: Launcher = Bench().launcher
    assert launcher.name == "hollow"


async def test_a_task_runs_for_its_time(bench: Bench) -> None:
    bench.submit(seconds=10)
    await bench.start()
    await bench.clock.advance(1.0)
    assert bench.state() is TaskState.RUNNING
    await bench.clock.advance(8.9)
    assert bench.state() is TaskState.RUNNING
    await bench.clock.advance(0.3)
    assert bench.state() is TaskState.SUCCEEDED
    assert bench.door.tasks[TaskId(1)].exit_code == 0


async def test_one_second_is_the_default(bench: Bench) -> None:
    bench.submit()
    await bench.start()
    await bench.clock.advance(0.9)
    assert bench.state() is TaskState.RUNNING
    await bench.clock.advance(0.2)
    assert bench.state() is TaskState.SUCCEEDED


async def test_no_time_at_all(bench: Bench) -> None:
    bench.submit(seconds=0)
    await bench.start()
    await bench.clock.advance(3 * BATCH_SECONDS)
    assert bench.state() is TaskState.SUCCEEDED


async def test_an_exit_code_fails_the_task(bench: Bench) -> None:
    bench.submit(seconds=0, exit_code=7)
    await bench.start()
    await bench.clock.advance(1.0)
    assert bench.state() is TaskState.FAILED
    assert bench.door.tasks[TaskId(1)].exit_code == 7
    assert await bench.launcher.observe() == [
        Observation(WorkerKey(TaskId(1), 1, 0), WorkerPhase.EXITED, 7)
    ]


async def test_a_gang_waits_for_its_last_worker(bench: Bench) -> None:
    task = bench.submit(nodes=2, seconds=1)
    start = Start(task.id, (NodeName("h0"), NodeName("h1")), task.priority)
    bench.door.apply(transitions.begin(task, start, bench.clock.now()))
    await bench.launcher.launch(bench.launch_of(1, 0))
    await bench.clock.advance(3.0)
    assert bench.state() is TaskState.STARTING
    await bench.launcher.launch(bench.launch_of(1, 1))
    await bench.clock.advance(0.5)
    bench.launcher.poke(task.id)  # rank 0 hears at once what rank 1 brought about
    await bench.clock.advance(1.1)
    assert bench.state() is TaskState.SUCCEEDED


async def test_a_clean_suspension_keeps_the_rest_of_the_time(bench: Bench) -> None:
    bench.submit(nodes=2, seconds=10, save_seconds=2)
    await bench.start()
    await bench.clock.advance(4.0)
    bench.suspend()
    await bench.clock.advance(1.0)
    attempt = bench.door.tasks[TaskId(1)].attempt
    assert attempt is not None
    assert attempt.acked_at is not None
    assert bench.state() is TaskState.SUSPENDING
    await bench.clock.advance(1.5)
    bench.launcher.poke(TaskId(1))
    await bench.clock.advance(0.5)
    assert bench.outcome() is Outcome.SUSPENDED_CLEAN
    assert bench.state() is TaskState.SUSPENDED
    await bench.start()
    await bench.clock.advance(5.5)
    assert bench.state() is TaskState.RUNNING
    await bench.clock.advance(0.7)
    assert bench.state() is TaskState.SUCCEEDED


async def test_a_task_that_ignores_the_notice_loses_its_work(bench: Bench) -> None:
    bench.submit(seconds=10, ignore_suspend=True)
    await bench.start()
    await bench.clock.advance(4.0)
    bench.suspend()
    await bench.clock.advance(TIMING.notice_seconds - 0.2)
    assert bench.state() is TaskState.SUSPENDING
    await bench.clock.advance(0.2)
    bench.door.settle(1)
    bench.launcher.poke(TaskId(1))
    await bench.clock.advance(0.1)
    assert bench.outcome() is Outcome.SUSPENDED_DIRTY
    await bench.start()
    await bench.clock.advance(9.9)
    assert bench.state() is TaskState.RUNNING
    await bench.clock.advance(0.3)
    assert bench.state() is TaskState.SUCCEEDED


async def test_a_finished_task_leaves_no_rest_behind(bench: Bench) -> None:
    bench.submit(seconds=10)
    await bench.start()
    await bench.clock.advance(9.0)
    bench.suspend()
    await bench.clock.advance(1.0)
    await bench.start()
    await bench.clock.advance(2.0)
    assert bench.state() is TaskState.SUCCEEDED
    assert not bench.launcher._remaining


async def test_stop_is_heard_soon(bench: Bench) -> None:
    bench.submit(seconds=1000)
    await bench.start()
    await bench.clock.advance(1.0)
    bench.stop()
    await bench.clock.advance(3 * BATCH_SECONDS)
    assert bench.state() is TaskState.STOPPED
    (observed,) = await bench.launcher.observe()
    assert observed.exit_code == 143


async def test_an_order_is_heard_by_heartbeat_without_a_poke(bench: Bench) -> None:
    task = bench.submit(seconds=1000)
    await bench.start()
    await bench.clock.advance(1.0)
    now = bench.clock.now()
    running = bench.door.tasks[task.id]
    bench.door.apply(transitions.stop(running, actor="test", why="", now=now))
    await bench.clock.advance(HEARTBEAT_SECONDS + 0.1)
    assert bench.state() is TaskState.STOPPED


async def test_silence_between_heartbeats(bench: Bench) -> None:
    bench.submit(seconds=1000)
    await bench.start()
    await bench.clock.advance(1.0)
    before = bench.reports
    await bench.clock.advance(10 * HEARTBEAT_SECONDS)
    assert 9 <= bench.reports - before <= 10


async def test_what_is_over_says_nothing_more(bench: Bench) -> None:
    bench.submit(seconds=0)
    await bench.start()
    await bench.clock.advance(1.0)
    before = bench.reports
    bench.launcher.poke(TaskId(1))
    bench.launcher.poke(TaskId(99))
    await bench.clock.advance(10 * HEARTBEAT_SECONDS)
    assert bench.reports == before


async def test_a_task_that_the_server_does_not_know_ends(bench: Bench) -> None:
    bench.submit(seconds=1000)
    await bench.start()
    await bench.clock.advance(1.0)
    bench.door.tasks.clear()
    await bench.clock.advance(HEARTBEAT_SECONDS)
    (observed,) = await bench.launcher.observe()
    assert observed.phase is WorkerPhase.EXITED


async def test_launching_again_does_nothing(bench: Bench) -> None:
    bench.submit(seconds=2)
    await bench.start()
    await bench.clock.advance(1.0)
    await bench.launcher.launch(bench.launch_of(1, 0))
    await bench.clock.advance(1.2)
    assert bench.state() is TaskState.SUCCEEDED
    await bench.launcher.launch(bench.launch_of(1, 0))
    await bench.clock.advance(1.0)
    (observed,) = await bench.launcher.observe()
    assert observed.phase is WorkerPhase.EXITED


async def test_kill_ends_without_a_report(bench: Bench) -> None:
    bench.submit(seconds=1000)
    await bench.start()
    await bench.clock.advance(1.0)
    key = WorkerKey(TaskId(1), 1, 0)
    await bench.launcher.kill(key)
    before = bench.reports
    await bench.clock.advance(10 * HEARTBEAT_SECONDS)
    assert bench.reports == before
    assert await bench.launcher.observe() == [Observation(key, WorkerPhase.LOST, detail="killed")]
    await bench.launcher.kill(key)
    await bench.launcher.launch(bench.launch_of(1, 0))
    assert await bench.launcher.observe() == [Observation(key, WorkerPhase.LOST, detail="killed")]


async def test_a_key_that_was_killed_first_never_starts(bench: Bench) -> None:
    bench.submit()
    key = WorkerKey(TaskId(1), 1, 0)
    await bench.launcher.kill(key)
    await bench.start()
    await bench.clock.advance(1.0)
    assert await bench.launcher.observe() == []
    assert bench.reports == 0


async def test_forget_removes_all_traces(bench: Bench) -> None:
    bench.submit(seconds=0)
    await bench.start()
    await bench.clock.advance(1.0)
    key = WorkerKey(TaskId(1), 1, 0)
    await bench.launcher.forget(key)
    await bench.launcher.forget(key)
    assert await bench.launcher.observe() == []
    assert not bench.launcher._of_task


async def test_forgotten_while_its_report_travels(bench: Bench) -> None:
    bench.door.delay_seconds = 1.0
    bench.submit(seconds=1000)
    await bench.start()
    await bench.clock.advance(0.5)
    assert bench.door.in_flight == 1
    await bench.launcher.forget(WorkerKey(TaskId(1), 1, 0))
    await bench.clock.advance(10.0)
    assert await bench.launcher.observe() == []
    assert len(bench.door.batches) == 1


@pytest.mark.parametrize(
    "trouble", [Unavailable("the database is down"), KeyError("a bug")], ids=["planned", "not"]
)
async def test_reports_are_repeated_until_they_are_taken(bench: Bench, trouble: Exception) -> None:
    bench.door.broken = trouble
    bench.submit(seconds=1)
    with capture_logs() as logs:
        await bench.start()
        await bench.clock.advance(3.0)
        assert bench.state() is TaskState.STARTING
        bench.door.broken = None
        await bench.clock.advance(1.0)
    assert bench.state() is TaskState.RUNNING
    assert 1 <= len(logs) <= 7  # no storm
    await bench.clock.advance(1.0)
    assert bench.state() is TaskState.SUCCEEDED


async def test_batches_are_few(bench: Bench) -> None:
    for task_id in range(1, 201):
        bench.submit(task_id, seconds=1)
        await bench.start(task_id)
    await bench.clock.advance(2.0)
    assert all(task.state is TaskState.SUCCEEDED for task in bench.door.tasks.values())
    assert len(bench.door.batches) <= 12
    times = [at for at, _ in bench.door.batches]
    pauses = [after - before for before, after in pairwise(times)]
    assert min(pauses) >= BATCH_SECONDS * 0.999


@pytest.mark.parametrize(
    "simulate",
    [
        {"seconds": "soon"},
        {"seconds": -1},
        {"seconds": float("nan")},
        {"seconds": True},
        {"save_seconds": None},
        {"exit_code": 256},
        {"exit_code": "0"},
    ],
    ids=str,
)
async def test_what_can_not_be_simulated_is_refused(bench: Bench, simulate: Any) -> None:
    bench.submit(**simulate)
    with pytest.raises(PlatformError, match=r"options\.simulate"):
        await bench.start()
    assert await bench.launcher.observe() == []


@pytest.mark.parametrize("options", [{"simulate": 3}, {"simulate": []}], ids=str)
async def test_only_a_mapping_says_how_to_simulate(bench: Bench, options: dict[str, Any]) -> None:
    task = bench.submit()
    bench.door.tasks[task.id] = replace(task, spec={"options": options})
    with pytest.raises(PlatformError, match="must be a mapping"):
        await bench.start()


async def test_after_close_nothing_runs_and_nothing_is_known() -> None:
    bench = Bench()
    async with opened(bench):
        bench.submit(seconds=1000)
        await bench.start()
        await bench.clock.advance(1.0)
    before = bench.reports
    await bench.clock.advance(10 * HEARTBEAT_SECONDS)
    assert bench.reports == before
    assert await bench.launcher.observe() == []
    await bench.launcher.close()  # harmless
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "hollow-workers"]
    async with opened(bench):
        assert await bench.launcher.observe() == []
