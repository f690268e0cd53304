"""Processes that do not lead know what the leader would say, and do nothing to workers."""

from hai.core.policy import Policy
from hai.core.types import WaitCode
from hai.ports import WorkerPhase
from hai.service.last_tick import LastTick
from hai.service.loops.follow import Following, Planning
from hai.service.vacate import Vacating
from tests.unit.service.loop_bench import LoopBench, key_of


async def test_a_follower_gives_the_same_reasons_and_places(bench: LoopBench) -> None:
    for _ in range(4):
        await bench.submit(nodes=2)
    await bench.run_once(bench.schedule)
    waiting = [claim for claim in await bench.store.claims() if claim.state.is_waiting]
    assert waiting
    last_tick = LastTick()
    await Following(bench.store, bench.clock, Policy(), last_tick, 5.0).run_once()
    await bench.run_once(bench.schedule)
    for claim in waiting:
        task_id, phase = claim.task_id, claim.state
        told = last_tick.reason(task_id, held=False)
        assert told == bench.last_tick.reason(task_id, held=False)
        assert told.code is not WaitCode.NOT_PLANNED
        assert last_tick.queue_status(task_id, phase) == bench.last_tick.queue_status(
            task_id, phase
        )


async def test_one_process_decides_or_follows_as_the_lease_goes(bench: LoopBench) -> None:
    vacating = Vacating(bench.store, bench.bus, bench.clock, bench.last_tick)
    following = Following(bench.store, bench.clock, Policy(), bench.last_tick, 5.0)
    planning = Planning(bench.store, vacating, bench.schedule, following)
    bench.store.leads = False
    task_id = await bench.submit()
    await planning.run_once()
    assert not (await bench.state(task_id)).is_active
    assert bench.last_tick.state is not None
    assert task_id in bench.last_tick.state.claims
    bench.store.leads = True
    await planning.run_once()
    assert (await bench.state(task_id)).is_active


async def test_who_may_not_lead_any_more_touches_no_worker(bench: LoopBench) -> None:
    """As a process that was stopped in the middle of a run, and goes on."""
    running = await bench.running()
    task = await bench.store.task(running)
    assert task is not None
    key, node = key_of(running), task.attempt.workers[0].node if task.attempt else None
    assert node is not None
    bench.store.leads = False
    assert not await bench.launching.kill(key, node)
    assert not await bench.launching.kill_orphan(bench.hollow, key)
    assert not await bench.launching.remove(bench.hollow, key)
    waiting = await bench.submit()
    bench.store.leads = True
    await bench.schedule.run_once()
    bench.store.leads = False  # between the decision and the launch
    await bench.launching.close()
    assert await bench.phases() == {key: WorkerPhase.ALIVE}
    bench.store.leads = True
    await bench.launching.close()
    assert (await bench.state(waiting)).is_active
