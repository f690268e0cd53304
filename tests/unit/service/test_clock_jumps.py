"""The machine's clock is set, ahead or back: nothing begins or ends earlier or later for it."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hai.core.lifecycle import transitions
from hai.core.replay import replay
from hai.core.task import Task, TaskChange, WorkerKey
from hai.core.types import Outcome, TaskId, TaskState
from hai.schema.agent import AgentReport
from hai.service.timekeeping import Timekeeping
from tests import factories
from tests.unit.service.loop_bench import LoopBench, key_of

HOUR, DAY = 3600.0, 86400.0
JUMPS = (2 * HOUR, -2 * HOUR, 400 * DAY, -400 * DAY, 90.0, -3.0)
both_ways = pytest.mark.parametrize("jump", JUMPS)


async def pass_time(bench: LoopBench, seconds: float, step: float = 1.0) -> None:
    """As the supervisor would run the loops."""
    for _ in range(round(seconds / step)):
        await bench.clock.advance(step)
        for loop in (bench.timekeeping, bench.reconcile, bench.schedule):
            await bench.run_once(loop)


def agent_report(key: WorkerKey, at: float) -> AgentReport:
    return {
        "key": str(key),
        "phase": "running",
        "exit_code": None,
        "detail": "",
        "acked": False,
        "saved": False,
        "address": "",
        "port": 0,
        "usage": {},
        "checkpoint": {"at": at, "step": 1, "path": ""},
        "requests": [],
        "seen": "",
        "wait_seconds": 0.0,
    }


async def saved_at(bench: LoopBench, task_id: TaskId) -> float:
    attempt = (await bench.task(task_id)).attempt
    assert attempt is not None
    assert attempt.saved_at is not None
    return attempt.saved_at


async def jumps(bench: LoopBench) -> list[float]:
    events = await bench.store.events(0, limit=10_000)
    return [float(str(e.draft.data["seconds"])) for e in events if e.draft.kind == "clock.jumped"]


@both_ways
async def test_a_time_limit_counts_what_has_passed(bench: LoopBench, jump: float) -> None:
    task_id = await bench.submit(seconds=1000)
    task = await bench.task(task_id)
    await bench.store.save([TaskChange(replace(task, time_limit_seconds=60.0), ())])
    await pass_time(bench, 10)
    bench.clock.jump(jump)
    await pass_time(bench, 45)
    assert await bench.state(task_id) is TaskState.RUNNING
    await pass_time(bench, 10)
    assert await bench.outcome(task_id) is Outcome.FAILED
    assert "time limit" in (await bench.task(task_id)).why


@both_ways
async def test_a_suspend_ends_when_its_time_is_over(bench: LoopBench, jump: float) -> None:
    task_id = await bench.submit(seconds=1000, ignore_suspend=True)
    await pass_time(bench, 3)
    await bench.suspend(task_id)
    await pass_time(bench, 2)
    bench.clock.jump(jump)
    await pass_time(bench, 2)
    assert (await bench.task(task_id)).state is TaskState.SUSPENDING
    await pass_time(bench, 6)
    attempt = (await bench.store.attempts(task_id))[0]  # it runs again meanwhile
    assert attempt.outcome is Outcome.SUSPENDED_DIRTY


@both_ways
async def test_a_slice_ends_when_its_time_is_over(bench: LoopBench, jump: float) -> None:
    """What started while the clock was wrong is not safe for longer, nor for less long."""
    bench.clock.jump(jump)
    await pass_time(bench, 2)
    running = await bench.submit(nodes=2, seconds=100_000)
    await pass_time(bench, 5)
    assert await bench.state(running) is TaskState.RUNNING
    bench.clock.jump(-jump)
    draft = factories.task_draft(
        user="bob", nodes=2, spec=factories.run_spec(options={"simulate": {"seconds": 10}})
    )
    (other,) = await bench.store.add_tasks([draft], bench.clock.now())
    assert isinstance(other, Task)
    await pass_time(bench, 1700, step=50)
    assert await bench.state(running) is TaskState.RUNNING
    await pass_time(bench, 200, step=10)
    assert (await bench.task(other.id)).started_at is not None


@both_ways
async def test_times_are_told_by_the_clock_of_now(bench: LoopBench, jump: float) -> None:
    task_id = await bench.running()
    before = await bench.task(task_id)
    await bench.run_once(bench.timekeeping)
    bench.clock.jump(jump)
    await pass_time(bench, 5)
    after = await bench.task(task_id)
    assert after.submitted_at == pytest.approx(before.submitted_at + jump)
    assert after.ran(bench.clock.now()) == pytest.approx(5.1, abs=0.2)
    assert await jumps(bench) == [jump]
    assert bench.last_tick.jump is not None
    assert bench.last_tick.jump.seconds == jump
    await pass_time(bench, 5)
    assert await jumps(bench) == [jump]


@both_ways
async def test_a_server_that_starts_while_the_clock_is_wrong(bench: LoopBench, jump: float) -> None:
    """It knows nothing but the store, and the machine has not been started anew."""
    task_id = await bench.running()
    await bench.run_once(bench.timekeeping)
    age = bench.clock.now() - (await bench.task(task_id)).submitted_at
    bench.clock.jump(jump)  # nobody looks before the server is gone
    for step in (jump, -jump):
        bench.clock = bench.clock.reborn()
        await Timekeeping(bench.store, bench.bus, bench.clock, bench.last_tick).run_once()
        now = (await bench.task(task_id)).submitted_at
        assert bench.clock.now() - now == pytest.approx(age)
        bench.clock.jump(-step)
    assert await jumps(bench) == [jump, -jump]


async def test_a_machine_that_starts_with_a_clock_that_is_behind(bench: LoopBench) -> None:
    """As without a battery: nothing may seem to lie in the future."""
    task_id = await bench.submit()
    await bench.run_once(bench.timekeeping)
    bench.clock.jump(-5 * 365 * DAY)
    bench.clock = bench.clock.reborn()
    bench.clock.boot = "another"
    await Timekeeping(bench.store, bench.bus, bench.clock, bench.last_tick).run_once()
    assert (await bench.task(task_id)).submitted_at <= bench.clock.now()
    ahead = bench.clock.reborn()  # what is ahead of the last line may well be right
    ahead.boot = "a third"
    ahead.jump(DAY)
    await Timekeeping(bench.store, bench.bus, ahead.reborn(), bench.last_tick).run_once()
    assert len(await jumps(bench)) == 1


async def test_a_server_that_does_not_lead_goes_by_the_store(bench: LoopBench) -> None:
    await bench.run_once(bench.timekeeping)
    bench.clock.jump(HOUR)
    bench.store.leads = False
    await bench.run_once(bench.timekeeping)
    assert bench.clock.steps == 0
    bench.store.leads = True
    await bench.run_once(bench.timekeeping)
    assert bench.clock.steps == 1


@both_ways
async def test_a_checkpoint_that_is_told_again_is_no_new_one(bench: LoopBench, jump: float) -> None:
    """Agents repeat what they know, by the clock of then."""
    task_id = await bench.running()
    await bench.run_once(bench.timekeeping)
    report = agent_report(key_of(task_id), at=bench.clock.now())
    await bench.workers.report([report])
    before = await saved_at(bench, task_id)
    bench.clock.jump(jump)
    for _ in range(5):
        await pass_time(bench, 70, step=10)
        await bench.workers.report([report])
    assert await saved_at(bench, task_id) == pytest.approx(before + jump)
    kinds = [e.draft.kind for e in await bench.store.events(0, limit=1000)]
    assert kinds.count("task.checkpoint") == 1
    new = agent_report(key_of(task_id), at=bench.clock.now() + 1e9)  # its machine is elsewhere
    await bench.workers.report([new])
    assert await saved_at(bench, task_id) == pytest.approx(bench.clock.now())


async def test_less_than_a_second_is_left_alone(bench: LoopBench) -> None:
    await bench.run_once(bench.timekeeping)
    bench.clock.jump(0.9)
    await pass_time(bench, 3)
    assert await jumps(bench) == []


Course = list[tuple[str, Any]]
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 40)),
    st.tuples(st.just("submit"), st.tuples(st.integers(1, 2), st.sampled_from([0, 10, 20, 30]))),
    st.tuples(st.just("limit"), st.integers(5, 60)),
    st.tuples(st.just("suspend"), st.integers(0, 5)),
    st.tuples(st.just("resume"), st.integers(0, 5)),
    st.tuples(st.just("jump"), st.sampled_from([*JUMPS, 10 * DAY, -HOUR])),
)


async def play(folder: Path, course: Course, *, with_jumps: bool) -> list[tuple[float, str, Any]]:
    """What is told of every task, and when, by a watch."""
    bench = LoopBench(folder)
    await bench.open()
    began = bench.clock.steady()
    told: list[tuple[float, str, Any]] = []
    seen = await bench.store.last_event_id()
    tasks: list[TaskId] = []
    try:
        for what, value in [*course, ("wait", 120)]:
            if what == "jump" and with_jumps:
                bench.clock.jump(value)
            elif what == "submit":
                nodes, priority = value
                tasks.append(await bench.submit(nodes=nodes, priority=priority, seconds=50))
            elif what == "limit":
                tasks.append(await bench.submit(seconds=1000))
                limited = replace(await bench.task(tasks[-1]), time_limit_seconds=float(value))
                await bench.store.save([TaskChange(limited, ())])
            elif what in ("suspend", "resume") and value < len(tasks):
                await _ask(bench, what, tasks[value])
            for _ in range(value if what == "wait" else 1):
                await pass_time(bench, 1)
                for event in await bench.store.events(seen, limit=10_000):
                    seen = event.id
                    if event.draft.task_id is not None:
                        at = bench.clock.steady() - began
                        told.append((at, event.draft.kind, event.draft.task_id))
        records = await bench.store.journal(0.0, 1e12, limit=100_000)
        ticks = list(replay(records))
        assert all(tick.is_intact and not tick.differences for tick in ticks)
    finally:
        await bench.launching.close()
        await bench.hollow.close()
    return told


async def _ask(bench: LoopBench, what: str, task_id: TaskId) -> None:
    task, now = await bench.task(task_id), bench.clock.now()
    if task.state.is_final or task.state is TaskState.STOPPING:
        return
    if what == "suspend":
        change = transitions.suspend(task, actor="a", why="", hold=True, now=now)
    else:
        change = transitions.resume(task, actor="a", why="", now=now)
    if change is not None:
        await bench.save(change)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(course=st.lists(STEPS, min_size=2, max_size=14))
def test_whatever_the_clock_does_the_same_happens_at_the_same_time(
    tmp_path_factory: pytest.TempPathFactory, course: Course
) -> None:
    async def both() -> None:
        steady = await play(tmp_path_factory.mktemp("a"), course, with_jumps=False)
        jumpy = await play(tmp_path_factory.mktemp("b"), course, with_jumps=True)
        assert jumpy == steady

    asyncio.run(both())
