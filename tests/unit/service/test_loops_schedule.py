"""The schedule loop applies what still holds, and only that."""

from hai.core.lifecycle import transitions
from hai.core.types import Outcome, Priority, TaskId, TaskState
from hai.launcher.hollow import HollowLauncher
from hai.ports import EventFilter
from tests import factories
from tests.unit.service.loop_bench import LoopBench, key_of


async def test_a_tick_starts_what_fits_and_launches_it(bench: LoopBench) -> None:
    first, second = await bench.submit(nodes=2, seconds=1), await bench.submit(nodes=2)
    assert await bench.run_once(bench.schedule) == 5.0
    assert set(await bench.phases()) == {key_of(first, 0), key_of(first, 1)}
    assert await bench.state(second) is TaskState.QUEUED
    assert bench.last_tick.ticks == 1
    await bench.clock.advance(0.1)
    bench.hollow.poke(first)
    await bench.clock.advance(2.0)
    assert await bench.outcome(first) is Outcome.SUCCEEDED
    await bench.run_once(bench.schedule)
    assert (await bench.state(second)).is_active


async def test_a_paused_board_starts_nothing_and_nobody_leaves_for_it(bench: LoopBench) -> None:
    await bench.running(first_node=0)
    victim = await bench.running(first_node=1)
    heir = await bench.submit(nodes=2, priority=30)
    bench.last_tick.pause_left = lambda: 5.0
    await bench.run_once(bench.schedule)
    assert await bench.state(heir) is TaskState.QUEUED
    assert await bench.state(victim) is TaskState.RUNNING
    bench.last_tick.pause_left = lambda: 0.0
    await bench.run_once(bench.schedule)
    assert await bench.state(victim) is TaskState.SUSPENDING


async def stop(bench: LoopBench, task_id: TaskId) -> None:
    bench.store.meanwhile = lambda: bench.stop(task_id)


async def hold(bench: LoopBench, task_id: TaskId) -> None:
    async def meanwhile() -> None:
        task, now = await bench.task(task_id), bench.clock.now()
        await bench.save(transitions.suspend(task, actor="ada", why="", hold=True, now=now))

    bench.store.meanwhile = meanwhile


async def test_a_task_that_was_stopped_meanwhile_does_not_start(bench: LoopBench) -> None:
    task_id, other = await bench.submit(), await bench.submit()
    await stop(bench, task_id)
    await bench.run_once(bench.schedule)
    assert await bench.state(task_id) is TaskState.STOPPED
    assert set(await bench.phases()) == {key_of(other)}


async def test_a_task_that_was_held_meanwhile_does_not_start(bench: LoopBench) -> None:
    task_id = await bench.submit()
    await hold(bench, task_id)
    await bench.run_once(bench.schedule)
    task = await bench.task(task_id)
    assert (task.state, task.held) == (TaskState.SUSPENDED, True)
    assert await bench.phases() == {}


async def test_nobody_leaves_for_a_task_that_was_stopped_meanwhile(bench: LoopBench) -> None:
    victim = await bench.running(nodes=2)
    heir = await bench.submit(nodes=2, priority=30)
    await stop(bench, heir)
    await bench.run_once(bench.schedule)
    assert await bench.state(victim) is TaskState.RUNNING


async def test_nobody_leaves_for_a_task_that_was_held_meanwhile(bench: LoopBench) -> None:
    victim = await bench.running(nodes=2)
    heir = await bench.submit(nodes=2, priority=30)
    await hold(bench, heir)
    await bench.run_once(bench.schedule)
    assert await bench.state(victim) is TaskState.RUNNING


async def test_a_victim_that_ended_meanwhile_keeps_its_end(bench: LoopBench) -> None:
    victim = await bench.running(nodes=2)
    heir = await bench.submit(nodes=2, priority=30)
    await stop(bench, victim)
    await bench.run_once(bench.schedule)
    await bench.clock.advance(0.1)
    bench.hollow.poke(victim)
    await bench.clock.advance(0.1)
    assert await bench.state(victim) is TaskState.STOPPED
    await bench.run_once(bench.schedule)
    assert (await bench.state(heir)).is_active


async def test_victims_leave_first_and_then_their_heir_starts(bench: LoopBench) -> None:
    victim = await bench.running(nodes=2)
    heir = await bench.submit(nodes=2, priority=30)
    await bench.run_once(bench.schedule)
    assert await bench.state(victim) is TaskState.SUSPENDING
    assert f"needed by task {heir}" in (await bench.task(victim)).why
    for _ in range(3):
        bench.hollow.poke(victim)
        await bench.clock.advance(0.1)
    assert await bench.outcome(victim) is Outcome.SUSPENDED_CLEAN
    await bench.run_once(bench.schedule)
    assert (await bench.state(heir)).is_active
    assert await bench.state(victim) is TaskState.SUSPENDED


async def test_who_falls_and_leaves_in_one_tick_does_both(bench: LoopBench) -> None:
    """It goes back in the line as the NORMAL task that it is now."""
    victim = await bench.running(nodes=2, priority=Priority.ABOVE_NORMAL, seconds=1e6)
    await bench.clock.advance(1800.0)
    heir = await bench.submit(nodes=2, priority=Priority.HIGH)
    await bench.run_once(bench.schedule)
    task = await bench.task(victim)
    assert (task.state, task.priority) == (TaskState.SUSPENDING, Priority.NORMAL)
    assert f"needed by task {heir}" in task.why
    events = [
        event.draft.kind for event in await bench.store.events(0, where=EventFilter(task_id=victim))
    ]
    assert events[-2:] == ["task.demoted", "task.suspending"]


async def test_a_launch_sees_what_an_admin_changed_at_the_node(bench: LoopBench) -> None:
    await bench.submit(seconds=0)
    await bench.run_once(bench.schedule)
    other = HollowLauncher(bench.clock, bench.workers.report)
    del bench.launchers["hollow"]
    bench.launchers["other"] = other
    await bench.store.put_nodes([factories.node(f"node-{n}", launcher="other") for n in (0, 1)])
    task_id = await bench.submit()
    await bench.run_once(bench.schedule)
    assert set((await bench.launching.look()).workers) == {key_of(task_id)}


async def test_a_follower_plans_nothing(bench: LoopBench) -> None:
    task_id = await bench.submit()
    bench.store.leads = False
    await bench.run_once(bench.schedule)
    assert await bench.state(task_id) is TaskState.QUEUED
    assert bench.last_tick.ticks == 0
