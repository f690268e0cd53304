"""While the platform goes down nothing starts; whoever takes it down has to stay with it."""

from hai.core.identity import Role, User
from hai.core.reasons.codec import evidence
from hai.core.types import TaskState, UserName, WaitCode
from hai.service.last_tick import LastTick
from hai.service.vacate import PAUSE_SECONDS, Vacating
from tests.unit.service.loop_bench import LoopBench

ADMIN = User(UserName("root"), Role.ADMIN)


def vacating(bench: LoopBench) -> Vacating:
    return Vacating(bench.store, bench.bus, bench.clock, bench.last_tick)


async def kinds(bench: LoopBench) -> list[str]:
    events = await bench.store.events(0, limit=1000)
    return [e.draft.kind for e in events if e.draft.kind.startswith("platform.")]


async def test_a_pause_lasts_while_it_is_renewed_and_seconds_longer(bench: LoopBench) -> None:
    going = vacating(bench)
    task_id = await bench.submit()
    for _ in range(5):
        await going.vacate(ADMIN)
        await bench.run_once(bench.schedule)
        await bench.clock.advance(PAUSE_SECONDS - 1)
    assert await bench.state(task_id) is TaskState.QUEUED
    reason = bench.last_tick.reason(task_id, held=False)
    assert (reason.code, evidence(reason)) == (WaitCode.PAUSED, {"seconds": 1})
    await bench.clock.advance(1)
    assert not bench.last_tick.paused
    await bench.run_once(bench.schedule)
    assert (await bench.state(task_id)).is_active
    assert await kinds(bench) == ["platform.paused"]


async def test_a_pause_can_be_ended(bench: LoopBench) -> None:
    going = vacating(bench)
    await going.vacate(ADMIN)
    bench.clock.jump(-7200)  # counts for nothing
    await bench.run_once(bench.timekeeping)
    assert bench.last_tick.pause_left() == PAUSE_SECONDS
    assert await going.go_on(ADMIN)
    assert not bench.last_tick.paused
    assert not await going.go_on(ADMIN)
    assert await kinds(bench) == ["platform.paused", "platform.resumed"]


async def test_a_pause_is_one_of_all_processes(bench: LoopBench) -> None:
    """An api replica is asked, and the one that leads starts nothing."""
    here, last_tick = vacating(bench), LastTick()
    there = Vacating(bench.store, bench.bus, bench.clock, last_tick)
    there.see(await bench.store.pause())
    await here.vacate(ADMIN)
    for _ in range(3):  # renewed, by whichever replica
        there.see(await bench.store.pause())
        assert last_tick.pause_left() == PAUSE_SECONDS
        await bench.clock.advance(PAUSE_SECONDS - 1)
        there.see(await bench.store.pause())
        assert last_tick.pause_left() == 1, "seeing it again renews nothing"
        await here.vacate(ADMIN)
    there.see(await bench.store.pause())
    await here.go_on(ADMIN)
    there.see(await bench.store.pause())
    assert not last_tick.paused


async def test_a_pause_of_somebody_who_is_gone_is_none_for_who_begins(bench: LoopBench) -> None:
    await vacating(bench).vacate(ADMIN)
    last_tick = LastTick()
    next_one = Vacating(bench.store, bench.bus, bench.clock, last_tick)
    next_one.see(await bench.store.pause())
    assert not last_tick.paused


async def test_all_tasks_are_stopped_whatever_their_number(bench: LoopBench) -> None:
    going = vacating(bench)
    running = await bench.running()
    for _ in range(5_001):
        await bench.submit()
    assert await going.stop_all(ADMIN) == (1, 1)
    await bench.clock.advance(5)
    for loop in (bench.reconcile, bench.schedule):
        await bench.run_once(loop)
    assert await bench.state(running) is TaskState.STOPPED
    assert await going.stop_all(ADMIN) == (0, 0)
    assert set(await bench.store.count_tasks()) == {TaskState.STOPPED}
