"""The behaviour of every Store: the clocks of idle dev containers."""

from dataclasses import replace

from hai.core.idle import IdleClock
from hai.core.task import Task
from hai.core.types import TaskId, TaskState
from hai.ports import ALL_EVENTS, Store, Timebase
from tests import factories as make
from tests.contract.stored import add, put

NOW = make.NOW


async def running(store: Store) -> Task:
    (task,) = await add(store, make.task_draft())
    attempt = make.attempt("node-0", started_at=NOW)
    return await put(store, task, state=TaskState.RUNNING, attempts=1, attempt=attempt)


async def kinds(store: Store, task: Task) -> list[str]:
    lines = await store.events(0, where=replace(ALL_EVENTS, task_id=task.id))
    return [line.draft.kind for line in lines]


async def test_both_times_are_kept_and_told_apart(store: Store) -> None:
    task = await running(store)
    assert await store.idle_clocks([task.id]) == {}
    await store.set_idle_stop(task, NOW + 600, make.event("task.idle", task_id=task.id))
    await store.set_idle_until(task, NOW + 7200, make.event("task.extended", task_id=task.id))
    kept = await store.idle_clocks([task.id, TaskId(10**9)])
    assert kept == {task.id: (1, IdleClock(NOW + 7200, NOW + 600))}
    await store.set_idle_stop(task, None, make.event("task.used", task_id=task.id))
    assert await store.idle_clocks([task.id]) == {task.id: (1, IdleClock(NOW + 7200, None))}
    assert (await kinds(store, task))[-3:] == ["task.idle", "task.extended", "task.used"]


async def test_another_attempt_begins_anew(store: Store) -> None:
    task = await running(store)
    await store.set_idle_until(task, NOW + 7200, make.event(task_id=task.id))
    await store.set_idle_stop(task, NOW + 600, make.event(task_id=task.id))
    later = replace(task, attempts=2)
    await store.set_idle_stop(later, NOW + 900, make.event(task_id=task.id))
    assert await store.idle_clocks([task.id]) == {task.id: (2, IdleClock(None, NOW + 900))}
    await store.set_idle_until(replace(task, attempts=3), NOW + 1, make.event(task_id=task.id))
    assert await store.idle_clocks([task.id]) == {task.id: (3, IdleClock(NOW + 1, None))}


async def test_they_follow_the_clock(store: Store) -> None:
    task = await running(store)
    await store.set_idle_until(task, NOW + 7200, make.event(task_id=task.id))
    await store.set_idle_stop(task, NOW + 600, make.event(task_id=task.id))
    moved = await store.step(None, Timebase("boot", 1e9), 3600.0, [make.event()], lambda: None)
    assert moved
    kept = await store.idle_clocks([task.id])
    assert kept == {task.id: (1, IdleClock(NOW + 10800, NOW + 4200))}
