"""The behaviour of every Store: what time sharing asks of it."""

import math
from dataclasses import replace

import pytest

from hai.core.node import NodeHealth
from hai.core.plan import Claim
from hai.core.task import Attempt, Task, TaskChange, TaskDraft
from hai.core.types import NodeName, Outcome, Priority, TaskId, TaskState, UserName
from hai.errors import Conflict, NameInUse
from hai.ports import Store, TaskQuery, Usage
from tests import factories as make
from tests.contract.stored import add, kinds, put

ALICE, BOB = UserName("alice"), UserName("bob")
NOW = make.NOW
HOUR = 3600.0


async def test_what_time_sharing_knows_survives_a_save(store: Store) -> None:
    draft = make.task_draft(
        time_limit_seconds=7200.5, waits_ok=(TaskId(90), TaskId(91)), waits_any=(TaskId(92),)
    )
    (task,) = await add(store, draft)
    assert (task.time_limit_seconds, task.waits_for) == (7200.5, (90, 91, 92))
    attempt = make.attempt(backfill=True, for_task=TaskId(5), saved_at=NOW + 3.25)
    saved = await put(
        store,
        task,
        ran_seconds=12.5,
        queued_at=NOW + 1,
        yielded_at=NOW + 0.5,
        first=True,
        not_before=NOW + 2.5,
        failures=3,
        waits_ok=(TaskId(91),),
        waits_any=(),
        attempts=1,
        attempt=attempt,
    )
    assert await store.task(task.id) == saved
    assert await store.attempts(task.id) == [attempt]


async def test_claims_tell_of_lines_tries_and_attempts(store: Store) -> None:
    waiting, running, over = await add(store, *(make.task_draft() for _ in range(3)))
    past = make.attempt(
        "a", suspend_at=NOW + 5, saved_at=NOW + 4, for_task=TaskId(77), backfill=True
    )
    await put(
        store,
        waiting,
        state=TaskState.SUSPENDED,
        attempts=1,
        attempt=past,
        queued_at=NOW + 6,
        yielded_at=NOW + 5,
        ran_seconds=5.5,
        first=True,
        not_before=NOW + 60,
        waits_ok=(TaskId(8),),
        waits_any=(TaskId(9),),
    )
    now = make.attempt(
        "b", started_at=NOW + 1, saved_at=NOW + 2, backfill=True, priority=Priority.HIGH
    )
    await put(store, running, state=TaskState.RUNNING, attempts=1, attempt=now)
    await put(store, over, state=TaskState.STOPPED)
    first = Claim(
        task_id=waiting.id,
        user=ALICE,
        group=waiting.group,
        nodes=1,
        priority=Priority.NORMAL,
        state=TaskState.SUSPENDED,
        submitted_at=NOW,
        knows=(NodeName("a"),),
        queued_at=NOW + 6,
        suspended_at=NOW + 5,
        ran_seconds=5.5,
        for_task=TaskId(77),
        first=True,
        not_before=NOW + 60,
        waits_for=(TaskId(8), TaskId(9)),
    )
    second = replace(
        first,
        task_id=running.id,
        state=TaskState.RUNNING,
        knows=(),
        holds=(NodeName("b"),),
        charged=Priority.HIGH,
        since=NOW,
        running_since=NOW + 1,
        saved_at=NOW + 2,
        backfill=True,
        queued_at=None,
        suspended_at=None,
        ran_seconds=0.0,
        for_task=None,
        first=False,
        not_before=None,
        waits_for=(),
    )
    assert await store.claims() == [first, second]
    assert await store.claims([running.id, over.id, TaskId(10**9)]) == [second]
    assert await store.claims([]) == []


async def ran(store: Store, task: Task, *attempts: Attempt) -> None:
    for attempt in attempts:
        task = await put(store, task, attempts=attempt.number, attempt=attempt)


def lasting(number: int, start: float, end: float | None, *nodes: str, **more: object) -> Attempt:
    return make.attempt(*nodes, number=number, created_at=start, ended_at=end, **more)


async def test_usage_decays_and_remembers_the_last_turn(store: Store) -> None:
    drafts = [make.task_draft(user=user) for user in (ALICE, ALICE, BOB)]
    one, two, bobs = await add(store, *drafts)
    now = NOW + 100 * HOUR
    await ran(
        store,
        one,
        lasting(1, now - 2 * HOUR, now - HOUR, "a", "b"),
        lasting(2, now - HOUR, now, "a", backfill=True),
        lasting(3, now - 90 * HOUR, now - 89 * HOUR, "a"),  # too long ago
    )
    await ran(store, two, lasting(1, now - 3 * HOUR, None, "a"))  # runs: the planner counts it
    await ran(store, bobs, lasting(1, now - 99 * HOUR, now - HOUR, backfill=True))
    scale = HOUR / math.log(2)
    used = {usage.user: usage for usage in await store.usage(now, HOUR)}
    group = make.task_draft().group
    assert used[ALICE] == Usage(
        ALICE,
        group,
        pytest.approx(scale * (2 * (0.5 - 0.25) + (1 - 0.5))),  # type: ignore[arg-type]
        now - 2 * HOUR,
    )
    expected = scale * (0.5 - 2.0**-99)
    assert used[BOB] == Usage(BOB, group, pytest.approx(expected), None)  # type: ignore[arg-type]
    assert list(used) == [ALICE, BOB]
    assert await store.usage(now + 10_000 * HOUR, HOUR) == [
        Usage(ALICE, group, 0.0, now - 3 * HOUR)
    ]


async def test_an_old_attempt_that_ended_lately_counts_whole(store: Store) -> None:
    (task,) = await add(store, make.task_draft())
    await ran(store, task, lasting(1, NOW - 10**8, NOW))
    (used,) = await store.usage(NOW, 60.0)
    assert used.node_seconds == pytest.approx(60 / math.log(2))


async def test_who_waits_for_a_task_that_has_ended_is_found(store: Store) -> None:
    first, second = await add(store, make.task_draft(), make.task_draft())
    on_first = make.task_draft(waits_ok=(first.id, second.id))
    on_second = make.task_draft(waits_any=(second.id,))
    on_nobody = make.task_draft(waits_any=(TaskId(10**6),))
    one, two, _ = await add(store, on_first, on_second, on_nobody)
    assert await store.released() == []
    first = await put(store, first, state=TaskState.FAILED)
    assert await store.released() == [one]
    await put(store, second, state=TaskState.SUCCEEDED)
    assert await store.released() == [one, two]
    await put(store, one, waits_ok=())
    await put(store, two, state=TaskState.STOPPED)
    assert await store.released() == []


def members(count: int, **changes: object) -> list[TaskDraft]:
    return [
        make.task_draft(
            array="key",
            array_index=10 * index,
            array_limit=2,
            name=f"sweep_[{index}]",
            request_id=f"r[{index}]",
            **changes,
        )
        for index in range(count)
    ]


async def test_an_array_is_named_by_its_first_member(store: Store) -> None:
    before, *array, after = await add(
        store, make.task_draft(), *members(3), make.task_draft(user=BOB)
    )
    assert [task.array_id for task in array] == [array[0].id] * 3
    assert [task.array_index for task in array] == [0, 10, 20]
    assert [task.array_limit for task in array] == [2, 2, 2]
    assert (before.array_id, after.array_id) == (None, None)
    assert await store.tasks([task.id for task in array]) == array
    page = await store.list_tasks(TaskQuery(array=array[0].id))
    assert list(page.tasks) == array[::-1]
    some = TaskQuery(array=array[0].id, indices=frozenset({20, 0, 5}))
    assert list((await store.list_tasks(some)).tasks) == [array[2], array[0]]
    assert [(c.array, c.array_limit) for c in await store.claims([array[1].id])] == [
        (array[0].id, 2)
    ]


async def test_an_array_that_is_submitted_twice_is_the_same(store: Store) -> None:
    array = await add(store, *members(3))
    assert await store.add_tasks(members(3), NOW + 5) == array
    assert await kinds(store) == ["task.submitted"] * 3


async def test_an_array_comes_whole_or_not_at_all(store: Store) -> None:
    (holder,) = await add(store, make.task_draft(name="sweep_[1]"))
    alone = make.task_draft(name="alone")
    *refused, fine = await store.add_tasks([*members(3), alone], NOW)
    assert [type(one) for one in refused] == [Conflict, NameInUse, Conflict]
    assert isinstance(fine, Task)
    await put(store, holder, state=TaskState.STOPPED)
    assert len({task.array_id for task in await add(store, *members(3))}) == 1


async def test_health_is_changed_only_from_what_was_seen(store: Store) -> None:
    await store.put_nodes([make.node("a")])
    name, ready, suspect = NodeName("a"), NodeHealth.READY, NodeHealth.SUSPECT
    event = make.event("node.suspect")
    assert not await store.set_node_health(name, suspect, "w", event, was=NodeHealth.DRAINED)
    assert await store.set_node_health(name, suspect, "w", event, was=ready)
    assert [node.health for node in await store.nodes()] == [suspect]
    assert (await kinds(store)).count("node.suspect") == 1


async def test_every_change_of_nodes_and_groups_is_in_the_ledger(store: Store) -> None:
    await store.put_group(make.group("training"), NOW)
    await store.put_group(make.group("training"), NOW)
    await store.put_nodes([make.node("a")], NOW + 1)
    await store.put_nodes([make.node("a")], NOW + 2)
    await store.remove_nodes([NodeName("b")], NOW + 3)
    await store.remove_nodes([NodeName("a"), NodeName("b")], NOW + 4)
    events = [event.draft for event in await store.events(0)]
    assert [(e.kind, e.actor, e.at) for e in events] == [
        ("nodes.changed", "platform", NOW + after) for after in (0, 1, 4)
    ]


async def test_outcomes_of_tries_are_kept_with_their_attempts(store: Store) -> None:
    (task,) = await add(store, make.task_draft())
    failed = make.attempt(outcome=Outcome.FAILED, exit_code=75, ended_at=NOW + 1)
    task = await put(store, task, attempts=1, attempt=failed)
    again = make.attempt(number=2, created_at=NOW + 2)
    saved = await store.save([TaskChange(replace(task, attempts=2, attempt=again), ())])
    assert len(saved) == 1
    assert await store.attempts(task.id) == [failed, again]
