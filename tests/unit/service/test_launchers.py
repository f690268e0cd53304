"""Launchers are asked together; a silent one is unknown, and unknown is never lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from hai.core.lifecycle.attempt_protocol import Timing
from hai.core.node import NodeHealth
from hai.core.types import NodeName, Outcome, TaskState, WorkerState
from hai.errors import HaiError, Unavailable
from hai.ports import Observation, WorkerPhase
from hai.service.launchers import Launchers
from tests import factories
from tests.unit.service.health_bench import checking, health_of
from tests.unit.service.loop_bench import LATE_SECONDS, TIMING, LoopBench, key_of
from tests.unit.service.moody import Moody

PATIENCE_SECONDS = 0.05


@pytest.fixture
async def moody() -> AsyncIterator[Moody]:
    launcher = Moody()
    yield launcher
    launcher.answer.set()
    await asyncio.sleep(0)


async def add(bench: LoopBench, moody: Moody) -> None:
    """One node of it, beside the hollow ones; the first to be asked."""
    others = {**bench.launchers}
    bench.launchers.clear()
    bench.launchers.update({"moody": moody, **others})
    await bench.store.put_nodes([factories.node("node-0", launcher="moody")])


async def test_a_hung_launcher_costs_the_others_nothing(moody: Moody, bench: LoopBench) -> None:
    await add(bench, moody)
    task_id = await bench.running(first_node=1, seconds=5, exit_code=7)
    bench.is_deaf = True
    with capture_logs():
        await bench.clock.advance(10.0)
        await bench.run_once(bench.reconcile)
    assert (await bench.task(task_id)).exit_code == 7


async def test_a_hung_launcher_is_not_asked_again_until_it_answers(moody: Moody) -> None:
    launchers = Launchers({"moody": moody}, PATIENCE_SECONDS)
    with capture_logs():
        for _ in range(5):
            sight = await launchers.look()
            assert "has not answered" in sight.silent["moody"]
            assert sight.workers == {}
    assert moody.asked == 1
    moody.workers = [Observation(key_of(factories.task().id), WorkerPhase.ALIVE)]
    moody.answer.set()
    sight = await launchers.look()
    assert (moody.asked, sight.silent, len(sight.workers)) == (2, {}, 1), "the old answer is old"


@pytest.mark.parametrize("trouble", [Unavailable("the API server is away"), OSError("broken")])
async def test_trouble_of_one_launcher_stays_its_own(
    moody: Moody, bench: LoopBench, trouble: Exception
) -> None:
    await add(bench, moody)
    moody.trouble = trouble
    moody.answer.set()
    with capture_logs():
        sight = await bench.launching.look()
    assert set(sight.silent) == {"moody"}
    assert sight.unknown_nodes == {"node-0"}


@pytest.mark.parametrize("state", [WorkerState.READY, WorkerState.RUNNING])
async def test_unknown_is_never_lost(moody: Moody, bench: LoopBench, state: WorkerState) -> None:
    await add(bench, moody)
    task_id = await bench.submit()
    await bench.begin(task_id)
    await bench.tell(task_id, 0, state)
    before = await bench.task(task_id)
    with capture_logs():
        for _ in range(3):
            await bench.clock.advance(3600.0)
            await bench.run_once(bench.reconcile)
            await bench.run_once(bench.reap)
    after = await bench.task(task_id)
    assert after.attempt is not None
    assert before.attempt is not None
    [worker], [was] = after.attempt.workers, before.attempt.workers
    assert worker.detail == "its launcher does not answer"
    assert (after.state, replace(worker, detail="")) == (before.state, was)
    moody.answer.set()  # it is back, and does not know the worker
    await bench.run_once(bench.reconcile)
    assert await bench.outcome(task_id) is Outcome.NODE_LOST


async def test_one_unknown_worker_is_never_lost(moody: Moody, bench: LoopBench) -> None:
    await add(bench, moody)
    task_id = await bench.submit()
    await bench.begin(task_id)
    await bench.tell(task_id, 0, WorkerState.RUNNING)
    moody.answer.set()
    unknown = Observation(key_of(task_id), WorkerPhase.UNKNOWN, detail="node-0 is not ready")
    moody.workers = [unknown]
    await bench.clock.advance(3600.0)
    await bench.run_once(bench.reconcile)
    assert await bench.state(task_id) is TaskState.RUNNING


async def test_what_keeps_a_worker_waiting_is_told_and_costs_the_task_nothing(
    moody: Moody, bench: LoopBench
) -> None:
    await add(bench, moody)
    task_id = await bench.submit()
    await bench.begin(task_id)
    moody.answer.set()
    moody.workers = [Observation(key_of(task_id), WorkerPhase.PENDING, detail="pulls image x")]
    await bench.run_once(bench.reconcile)
    timing = Timing()
    await bench.clock.advance(timing.start_timeout_seconds + 10)
    await bench.run_once(bench.reconcile)
    task = await bench.task(task_id)
    assert task.state is TaskState.STARTING
    assert task.attempt is not None
    assert task.attempt.workers[0].detail == "pulls image x"
    await bench.clock.advance(timing.pending_timeout_seconds)
    await bench.run_once(bench.reconcile)
    task = await bench.task(task_id)
    assert task.attempt is not None
    assert task.attempt.verdict is Outcome.NODE_LOST
    assert "did not come up in 30m: pulls image x" in task.attempt.why


async def test_a_silent_launcher_gets_no_new_work(moody: Moody, bench: LoopBench) -> None:
    await add(bench, moody)
    loop = checking(bench)
    with capture_logs():
        await loop.run_once()
    health, why = (await health_of(bench))["node-0"]
    assert health is NodeHealth.SUSPECT
    assert why.startswith("silent: the launcher moody has not answered")
    assert (await health_of(bench))["node-1"] == (NodeHealth.READY, "")
    moody.answer.set()
    with capture_logs():
        await loop.run_once()
    assert (await health_of(bench))["node-0"] == (NodeHealth.READY, "")


async def test_a_kill_that_hangs_is_asked_for_once(moody: Moody, bench: LoopBench) -> None:
    await add(bench, moody)
    key = key_of(factories.task().id)
    with capture_logs():
        for _ in range(3):
            assert not await bench.launching.kill(key, NodeName("node-0"))
        assert moody.killed == [key]
        moody.trouble = HaiError("no")
        moody.answer.set()
        await asyncio.sleep(0)
        assert not await bench.launching.kill(key, NodeName("node-0"))
        moody.trouble = None
        assert await bench.launching.kill(key, NodeName("node-0"))
    assert moody.killed == [key, key]


async def test_a_launch_that_is_refused_for_now_is_put_off_and_fails_nothing(
    bench: LoopBench,
) -> None:
    """As by a full disk: it holds its nodes no longer than a start may take, and comes back."""
    task_id = await bench.submit()
    moody = Moody()
    moody.answer.set()
    moody.trouble = Unavailable("/data cannot be used: No space left on device")
    bench.launchers["hollow"] = moody
    await bench.begin(task_id)
    await bench.launching.launch(await bench.task(task_id))
    [worker] = (await bench.task(task_id)).attempt.workers  # type: ignore[union-attr]
    assert worker.detail == "not started: /data cannot be used: No space left on device"
    moody.trouble = None
    await bench.clock.advance(TIMING.start_timeout_seconds + 1)
    await bench.run_once(bench.reconcile)
    await bench.clock.advance(LATE_SECONDS)
    await bench.run_once(bench.reconcile)
    task = await bench.task(task_id)
    assert (task.state, task.failures) == (TaskState.SUSPENDED, 0)
    assert await bench.outcome(task_id) is Outcome.NODE_LOST
    assert task.not_before is not None
    assert "did not come up" in task.why
    assert "No space left on device" in task.why
