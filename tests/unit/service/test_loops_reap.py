"""The reap loop removes what no task wants, and only that."""

import asyncio
import json

from structlog.testing import capture_logs

from hai.core.types import WorkerState
from hai.ports import WorkerPhase
from tests.unit.service.loop_bench import LoopBench, key_of

PATIENCE_SECONDS = 10.0


async def test_what_is_wanted_stays(bench: LoopBench) -> None:
    task_id = await bench.running(nodes=2)
    starting = await bench.submit()
    await bench.begin(starting, first_node=1)
    bench.is_deaf = True
    bench.launching.launch_soon([await bench.task(starting)])
    for _ in range(5):
        await bench.run_once(bench.reap)
        await bench.clock.advance(PATIENCE_SECONDS)
    keys = {key_of(task_id, 0), key_of(task_id, 1), key_of(starting)}
    assert await bench.phases() == dict.fromkeys(keys, WorkerPhase.ALIVE)


async def test_an_orphan_has_a_moment_to_leave_and_is_killed_then(bench: LoopBench) -> None:
    task_id = await bench.running()
    bench.is_deaf = True
    await bench.stop(task_id)
    await bench.tell(task_id, 0, WorkerState.LOST)  # say, an admin's word
    await bench.run_once(bench.reap)
    await bench.clock.advance(PATIENCE_SECONDS - 1)
    await bench.run_once(bench.reap)
    assert await bench.phases() == {key_of(task_id): WorkerPhase.ALIVE}
    await bench.clock.advance(1.0)
    await bench.run_once(bench.reap)
    assert await bench.phases() == {key_of(task_id): WorkerPhase.LOST}
    await bench.run_once(bench.reap)
    assert await bench.phases() == {}


async def test_workers_of_an_unknown_task_are_orphans(bench: LoopBench) -> None:
    task_id = await bench.running()
    assert await bench.phases() == {key_of(task_id): WorkerPhase.ALIVE}
    bench.is_deaf = True
    bench.store.lose_all_tasks()
    for _ in range(4):
        await bench.run_once(bench.reap)
        await bench.clock.advance(PATIENCE_SECONDS)
    assert await bench.phases() == {}


async def test_recorded_ends_are_forgotten_at_once(bench: LoopBench) -> None:
    task_id = await bench.running(seconds=1)
    await bench.clock.advance(2.0)
    assert await bench.phases() == {key_of(task_id): WorkerPhase.EXITED}
    assert await bench.run_once(bench.reap) == 5.0
    assert await bench.phases() == {}
    assert bench.reap._unwanted_since.keys() <= {key_of(task_id)}
    await bench.run_once(bench.reap)
    assert not bench.reap._unwanted_since


async def test_an_end_that_is_not_recorded_yet_is_kept(bench: LoopBench) -> None:
    task_id = await bench.running(seconds=1)
    bench.is_deaf = True
    with capture_logs():
        await bench.clock.advance(5.0)
    await bench.run_once(bench.reap)
    assert await bench.phases() == {key_of(task_id): WorkerPhase.EXITED}


async def test_a_rank_that_is_done_goes_while_its_gang_runs_and_does_not_come_back(
    bench: LoopBench,
) -> None:
    task_id = await bench.running(nodes=2)
    old = await bench.task(task_id)
    await bench.tell(task_id, 0, WorkerState.EXITED, exit_code=0)
    bench.hollow.poke(task_id)
    await bench.clock.advance(0.1)
    await bench.run_once(bench.reap)
    assert set(await bench.phases()) == {key_of(task_id, 1)}
    await bench.launching.launch(old)  # by somebody who has not heard
    await bench.run_once(bench.reconcile)
    assert (await bench.phases())[key_of(task_id, 1)] is WorkerPhase.ALIVE
    assert len(await bench.phases()) == 1


async def test_one_that_can_not_be_removed_does_not_hold_up_the_others(bench: LoopBench) -> None:
    task_id = await bench.running(seconds=1)
    await bench.clock.advance(2.0)
    bench.break_local_kills()
    directory = bench.folder / "data" / "workers" / "99.1.0"
    directory.mkdir()
    (directory / "exit.json").write_text(json.dumps({"exit_code": 0}))
    with capture_logs() as logs:
        await bench.run_once(bench.reap)
    assert "remove_failed" in [line["event"] for line in logs]
    assert key_of(task_id) not in await bench.phases()
    (bench.folder / "data" / "agent").unlink()
    async with asyncio.timeout(60):  # on a busy machine one look's patience may not be enough
        while directory.exists():
            await bench.run_once(bench.reap)


async def test_a_follower_removes_nothing(bench: LoopBench) -> None:
    task_id = await bench.running(seconds=1)
    await bench.clock.advance(2.0)
    bench.store.leads = False
    await bench.run_once(bench.reap)
    assert set(await bench.phases()) == {key_of(task_id)}
