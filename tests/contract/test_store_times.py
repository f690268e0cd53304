"""The behaviour of every Store: its times follow the clock."""

import asyncio
from dataclasses import fields, replace
from typing import Any

from hai.core.replay import SNAPSHOT
from hai.core.task import Task, TaskChange
from hai.core.types import TaskState
from hai.ports import Store, TaskQuery, Timebase
from tests import factories as make
from tests.contract.journal import fill, record, times
from tests.contract.stored import add, put

HERE, THERE = Timebase("boot", 1e9), Timebase("boot", 1e9 + 7200)
NOW = make.NOW


async def step(store: Store, was: Timebase | None, to: Timebase, seconds: float) -> bool:
    called: list[bool] = []
    done = await store.step(
        was, to, seconds, [make.event("clock.jumped")], lambda: called.append(True)
    )
    assert called == ([True] if done else [])
    return done


def all_times(task: Task) -> list[float]:
    attempt = task.attempt
    values: list[Any] = [task, *([attempt, *attempt.workers] if attempt else [])]
    return [
        at
        for value in values
        for field in fields(value)
        if field.name.endswith("_at") or field.name == "not_before"
        if (at := getattr(value, field.name)) is not None
    ]


async def full(store: Store, name: str) -> Task:
    """A task with every time that there is."""
    (task,) = await add(store, make.task_draft(name=name))
    kinds = ("started_at", "ended_at", "suspend_at", "acked_at", "terminate_at", "saved_at")
    attempt = make.attempt("node-0", **dict.fromkeys(kinds, NOW + 5))
    workers = [replace(one, started_at=NOW + 1, ended_at=NOW + 9) for one in attempt.workers]
    attempt = replace(attempt, workers=tuple(workers))
    return await put(
        store,
        task,
        state=TaskState.RUNNING,
        attempts=1,
        attempt=attempt,
        started_at=NOW + 1,
        queued_at=NOW + 2,
        yielded_at=NOW + 3,
        not_before=NOW + 4,
    )


async def test_the_time_base_is_replaced_if_it_is_the_one_that_was_known(store: Store) -> None:
    assert await store.timebase() is None
    assert await step(store, None, HERE, 0.0)
    assert await store.timebase() == HERE
    assert not await step(store, None, THERE, 0.0)
    assert not await step(store, THERE, THERE, 0.0)
    assert await step(store, HERE, THERE, 0.0)
    assert await store.timebase() == THERE


async def test_every_time_of_an_unfinished_task_moves_and_gives_it_a_new_version(
    store: Store,
) -> None:
    before = await full(store, "a")
    (waits,) = await add(store, make.task_draft(name="b"))
    over = await put(store, await full(store, "c"), state=TaskState.SUCCEEDED, ended_at=NOW + 9)
    known = len(all_times(before))
    assert known == 14  # the test knows all times that there are
    for seconds in (7200.0, -400 * 86400.0):
        base = await store.timebase()
        assert await step(store, base, Timebase("boot", seconds), seconds)
        after = await store.task(before.id)
        assert after is not None
        assert after.version == before.version + 1
        expected = [at + seconds for at in all_times(before)]
        assert all(abs(a - b) < 1e-5 for a, b in zip(all_times(after), expected, strict=True))
        assert await store.save([TaskChange(before, ())]) == []  # what was read before is stale
        before = after
    moved = await store.task(waits.id)
    assert moved is not None
    assert moved.submitted_at != waits.submitted_at
    assert await store.task(over.id) == over


async def test_a_change_of_the_base_alone_moves_nothing(store: Store) -> None:
    task = await full(store, "a")
    assert await step(store, None, HERE, 0.0)
    assert await store.task(task.id) == task


async def test_nobody_reads_between_the_step_and_what_follows(store: Store) -> None:
    """Time and tasks are of one piece for whoever reads while the clock is set."""
    task = await full(store, "a")
    shown = 0.0

    def then() -> None:
        nonlocal shown
        shown = 7200.0

    async def read() -> None:
        for _ in range(20):
            page = await store.list_tasks(TaskQuery())
            assert page.tasks[0].submitted_at - task.submitted_at == shown

    stepping = store.step(None, HERE, 7200.0, (), then)
    await asyncio.gather(*(read() for _ in range(3)), stepping, *(read() for _ in range(3)))
    assert shown


async def test_the_last_line_of_the_ledger(store: Store) -> None:
    assert await store.last_event_at() is None
    await store.append([make.event(at=5000.5), make.event(at=17.0)])
    assert await store.last_event_at() == 17.0


async def test_usage_from_the_future_counts_as_of_now(store: Store) -> None:
    """It was written by a clock that was wrong: it must not outweigh everything for ever."""
    task = await full(store, "a")
    assert task.attempt is not None
    far = NOW + 400 * 86400.0
    attempt = replace(task.attempt, created_at=far, ended_at=far + 60)
    await put(store, task, state=TaskState.SUCCEEDED, attempt=attempt)
    (usage,) = await store.usage(NOW + 60, 86400.0)
    assert usage.node_seconds == 0.0
    assert usage.last_start == NOW + 60


async def test_the_journal_is_read_in_the_order_of_writing_whatever_the_clock(
    store: Store,
) -> None:
    jumped = [record(10.0, SNAPSHOT), record(11.0), record(7211.0), record(7212.0, SNAPSHOT)]
    await fill(store, *jumped, record(7213.0), record(14.0, SNAPSHOT), record(15.0))
    everything = [10.0, 11.0, 7211.0, 7212.0, 7213.0, 14.0, 15.0]
    assert times(await store.journal(0.0, 20.0)) == everything
    assert times(await store.journal(14.5, 20.0)) == [14.0, 15.0]


async def test_a_jump_of_the_clock_prunes_no_more_than_a_day(store: Store) -> None:
    day = 86400.0
    ages = [record(number * day, SNAPSHOT) for number in range(5)]
    await fill(store, *ages, record(400 * day, SNAPSHOT), record(400 * day + 5))
    assert await store.prune_journal(14 * day) == 0
    assert await store.prune_journal(4 * day) == 1
    await fill(store, record(5 * day, SNAPSHOT), record(6 * day))
    assert await store.prune_journal(14 * day) == 0
