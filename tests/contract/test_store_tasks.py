"""The behaviour of every Store: tasks, attempts, workers."""

import asyncio
from dataclasses import replace

from hai.core.plan import Claim
from hai.core.task import Task, TaskChange
from hai.core.types import (
    GroupName,
    NodeName,
    Outcome,
    Priority,
    TaskId,
    TaskState,
    UserName,
    WorkerState,
)
from hai.errors import NameInUse
from hai.ports import Store, TaskQuery
from tests import factories as make
from tests.contract.stored import add, kinds, put

ALICE, BOB = UserName("alice"), UserName("bob")
NOW = make.NOW


async def test_a_new_task_is_queued(store: Store) -> None:
    spec = make.run_spec(options={"deep": [1, 2.5, None, "ü"]})
    draft = make.task_draft(spec=spec, nodes=3, priority=Priority.AUTO, whole_life_state=5)
    now = NOW + 0.654321
    (task,) = await store.add_tasks([draft], now)
    assert isinstance(task, Task)
    assert task == make.task(
        id=task.id,
        chain_id=draft.chain_id,
        name=draft.name,
        nodes=3,
        priority=Priority.AUTO,
        spec=spec,
        submitted_at=now,
        whole_life_state=5,
    )
    assert await store.task(task.id) == task
    (event,) = await store.events(0)
    assert event.draft == make.event(
        "task.submitted",
        actor="alice",
        at=now,
        task_id=task.id,
        user=ALICE,
        data={"name": draft.name, "nodes": 3, "group": "training", "priority": "AUTO"},
    )


async def test_ids_grow_in_the_order_of_the_batch(store: Store) -> None:
    tasks = await add(store, *(make.task_draft() for _ in range(20)))
    assert [task.id for task in tasks] == sorted(task.id for task in tasks)
    events = await store.events(0)
    assert [event.draft.task_id for event in events] == [task.id for task in tasks]


async def test_an_empty_batch(store: Store) -> None:
    assert await store.add_tasks([], NOW) == []
    assert await store.save([]) == []
    assert await store.tasks([]) == []


async def test_an_unfinished_name_is_refused_and_the_others_go_on(store: Store) -> None:
    (first,) = await add(store, make.task_draft(name="a"))
    results = await store.add_tasks(
        [
            make.task_draft(name="b"),
            make.task_draft(name="a"),
            make.task_draft(name="a", user=BOB),
            make.task_draft(name="c"),
            make.task_draft(name="c"),
        ],
        NOW,
    )
    b, refused, other, c, twin = results
    assert isinstance(b, Task)
    assert isinstance(other, Task)
    assert isinstance(c, Task)
    assert isinstance(refused, NameInUse)
    assert refused.message == f"task 'a' of alice is still running (id {first.id})"
    assert f"hai-cli stop {first.id}" in refused.hint
    assert isinstance(twin, NameInUse)
    assert f"(id {c.id})" in twin.message
    assert len(await kinds(store)) == 4


async def test_the_name_of_a_finished_task_is_free(store: Store) -> None:
    (first,) = await add(store, make.task_draft(name="a"))
    await put(store, first, state=TaskState.STOPPED)
    (second,) = await add(store, make.task_draft(name="a"))
    assert second.id != first.id
    assert await store.task_named(ALICE, "a") == second
    assert await store.task_named(BOB, "a") is None


async def test_a_repeated_request_returns_the_first_task(store: Store) -> None:
    draft = make.task_draft(name="a", request_id="r1")
    first, twin = await add(store, draft, draft)
    assert twin == first
    moved = await put(store, first, state=TaskState.FAILED, exit_code=3)
    results = await store.add_tasks(
        [draft, make.task_draft(name="b"), make.task_draft(request_id="r1", user=BOB)], NOW + 1
    )
    assert results[0] == moved
    assert isinstance(results[1], Task)
    assert isinstance(results[2], Task)
    assert results[2].user == BOB
    assert len(await kinds(store)) == 3


async def test_a_request_of_another_name_does_not_take_the_name(store: Store) -> None:
    await add(store, make.task_draft(name="a", request_id="r1"))
    again, fresh = await add(
        store, make.task_draft(name="b", request_id="r1"), make.task_draft(name="b")
    )
    assert again.name == "a"
    assert fresh.name == "b"


async def test_concurrent_submissions_of_one_name(store: Store) -> None:
    batches = await asyncio.gather(
        *(store.add_tasks([make.task_draft(name="same")], NOW) for _ in range(12))
    )
    results = [result for batch in batches for result in batch]
    (winner,) = [result for result in results if isinstance(result, Task)]
    refused = [result for result in results if isinstance(result, NameInUse)]
    assert len(refused) == 11
    assert all(f"(id {winner.id})" in refusal.message for refusal in refused)


async def test_long_and_foreign_names(store: Store) -> None:
    name = "名" * 511
    (task,) = await add(store, make.task_draft(name=name, request_id="r" * 64))
    assert await store.task_named(ALICE, name) == task


async def test_a_change_is_written_whole(store: Store) -> None:
    (task,) = await add(store, make.task_draft(nodes=2))
    attempt = make.attempt("n1", "n2", created_at=NOW + 0.25)
    first = replace(
        attempt.workers[0],
        state=WorkerState.EXITED,
        exit_code=137,
        detail="watchdog",
        acked=True,
        saved=True,
        address="10.0.0.1",
        port=29500,
        started_at=NOW + 1.000001,
        ended_at=NOW + 2.999999,
        usage={"cpu": 1.5, "memory_bytes": 2.0**33},
    )
    attempt = replace(
        attempt,
        priority=Priority.HIGH,
        workers=(first, attempt.workers[1]),
        started_at=NOW + 1,
        ended_at=NOW + 9,
        suspend_at=NOW + 3.1,
        acked_at=NOW + 3.2,
        terminate_at=NOW + 3.3,
        verdict=Outcome.SUSPENDED_DIRTY,
        outcome=Outcome.SUSPENDED_DIRTY,
        exit_code=137,
        why="HIGH task 9",
    )
    changed = replace(
        task,
        priority=Priority.LOW,
        state=TaskState.SUSPENDED,
        held=True,
        custom_rank=-1.5,
        whole_life_state=2**40,
        attempts=1,
        suspend_count=1,
        exit_code=1,
        why="preempted",
        started_at=NOW + 1,
        ended_at=NOW + 10,
        attempt=attempt,
    )
    events = (make.event("one", task_id=task.id), make.event("two", task_id=task.id))
    (saved,) = await store.save([TaskChange(changed, events)])
    assert saved == replace(changed, version=task.version + 1)
    assert await store.task(task.id) == saved
    assert await store.attempts(task.id) == [attempt]
    assert await kinds(store) == ["task.submitted", "one", "two"]


async def test_workers_and_attempts_are_updated_in_place(store: Store) -> None:
    (task,) = await add(store, make.task_draft(nodes=2))
    attempt = make.attempt("n1", "n2")
    task = await put(store, task, state=TaskState.STARTING, attempts=1, attempt=attempt)
    ready = replace(attempt.workers[1], state=WorkerState.READY, port=1)
    attempt = replace(attempt, started_at=NOW + 1, workers=(attempt.workers[0], ready))
    task = await put(store, task, state=TaskState.RUNNING, attempt=attempt)
    second = make.attempt("n3", "n4", number=2)
    task = await put(store, task, attempts=2, attempt=second)
    assert await store.task(task.id) == task
    assert await store.attempts(task.id) == [attempt, second]
    assert await store.attempts(TaskId(10**12)) == []


async def test_a_stale_change_leaves_no_trace(store: Store) -> None:
    one, two = await add(store, make.task_draft(), make.task_draft())
    newer = await put(store, one, whole_life_state=1)
    stale = replace(one, state=TaskState.STARTING, attempts=1, attempt=make.attempt())
    fresh = replace(two, whole_life_state=2)
    unknown = make.task(id=TaskId(10**9))
    saved = await store.save(
        [
            TaskChange(stale, (make.event("stale"),)),
            TaskChange(fresh, (make.event("fresh"),)),
            TaskChange(unknown, (make.event("unknown"),)),
        ]
    )
    assert saved == [replace(fresh, version=1)]
    assert await store.task(one.id) == newer
    assert await store.attempts(one.id) == []
    assert (await kinds(store))[2:] == ["fresh"]


async def test_the_second_change_of_a_task_in_a_batch_is_stale(store: Store) -> None:
    (task,) = await add(store, make.task_draft())
    first = TaskChange(replace(task, why="first"), (make.event("first"),))
    second = TaskChange(replace(task, why="second", version=1), (make.event("second"),))
    (saved,) = await store.save([first, second])
    assert saved.why == "first"
    assert (await kinds(store))[1:] == ["first"]


async def test_concurrent_writers_of_one_task(store: Store) -> None:
    (task,) = await add(store, make.task_draft())
    changes = [
        TaskChange(replace(task, whole_life_state=n), (make.event("won"),)) for n in range(8)
    ]
    saved = [
        won for batch in await asyncio.gather(*(store.save([c]) for c in changes)) for won in batch
    ]
    assert len(saved) == 1
    assert await store.task(task.id) == saved[0]
    assert (await kinds(store)).count("won") == 1


async def test_concurrent_batches_do_not_deadlock(store: Store) -> None:
    tasks = await add(store, *(make.task_draft() for _ in range(10)))
    forth = [TaskChange(replace(task, why="forth"), (make.event(),)) for task in tasks]
    back = [TaskChange(replace(task, why="back"), (make.event(),)) for task in reversed(tasks)]
    saved = await asyncio.gather(*(store.save(batch) for batch in (forth, back, forth, back)))
    assert sum(len(batch) for batch in saved) == 10


async def test_saved_tasks_come_back_in_the_order_of_the_changes(store: Store) -> None:
    tasks = await add(store, *(make.task_draft() for _ in range(5)))
    saved = await store.save([TaskChange(task, ()) for task in reversed(tasks)])
    assert [task.id for task in saved] == [task.id for task in reversed(tasks)]


async def test_tasks_by_id(store: Store) -> None:
    one, two = await add(store, make.task_draft(), make.task_draft())
    assert await store.tasks([two.id, TaskId(10**30), one.id, two.id]) == [one, two]
    assert await store.task(TaskId(10**30)) is None
    assert await store.task(TaskId(-1)) is None


async def test_active_tasks_hold_nodes(store: Store) -> None:
    tasks = await add(store, *(make.task_draft() for _ in TaskState))
    for task, state in zip(tasks, TaskState, strict=True):
        await put(store, task, state=state)
    active = [task.state for task in await store.active_tasks()]
    assert active == [state for state in TaskState if state.is_active]
    claimed = [claim.state for claim in await store.claims()]
    assert claimed == [state for state in TaskState if not state.is_final]
    assert await store.count_tasks() == dict.fromkeys(TaskState, 1)


async def test_claims_are_what_the_planner_sees(store: Store) -> None:
    new, active, resting = await add(
        store,
        make.task_draft(nodes=2, priority=Priority.AUTO, user=BOB),
        make.task_draft(),
        make.task_draft(group=GroupName("cpu")),
    )
    attempt = make.attempt("n2", "n1", created_at=NOW + 0.5, priority=Priority.HIGH)
    running = {"attempts": 1, "attempt": attempt}
    await put(store, active, state=TaskState.RUNNING, **running)
    await put(store, resting, state=TaskState.SUSPENDED, held=True, custom_rank=2.5, **running)
    nodes = (NodeName("n2"), NodeName("n1"))
    assert await store.claims() == [
        Claim(
            task_id=new.id,
            user=BOB,
            group=new.group,
            nodes=2,
            priority=Priority.AUTO,
            state=TaskState.QUEUED,
            submitted_at=NOW,
        ),
        make.claim(
            task_id=active.id,
            state=TaskState.RUNNING,
            holds=nodes,
            charged=Priority.HIGH,
            since=NOW + 0.5,
        ),
        make.claim(
            task_id=resting.id,
            group=GroupName("cpu"),
            state=TaskState.SUSPENDED,
            held=True,
            custom_rank=2.5,
            knows=nodes,
        ),
    ]


async def test_listing_is_paged_newest_first(store: Store) -> None:
    tasks = await add(store, *(make.task_draft() for _ in range(5)))
    pages = [await store.list_tasks(TaskQuery(page=n, page_size=2)) for n in (1, 2, 3, 4)]
    listed = [task for page in pages for task in page.tasks]
    assert listed == tasks[::-1]
    assert [page.total for page in pages] == [5, 5, 5, 5]
    assert pages[3].tasks == ()


async def test_listing_is_filtered(store: Store) -> None:
    a, b, c = await add(
        store,
        make.task_draft(name="100%_a.py"),
        make.task_draft(name="b.py", group=GroupName("cpu")),
        make.task_draft(name="c.py", user=BOB),
    )
    b = await put(store, b, state=TaskState.FAILED, attempts=1, attempt=make.attempt())

    async def found(query: TaskQuery) -> list[Task]:
        page = await store.list_tasks(query)
        assert page.total == len(page.tasks)
        return list(page.tasks)

    assert await found(TaskQuery()) == [c, b, a]
    assert await found(TaskQuery(user=ALICE)) == [b, a]
    assert await found(TaskQuery(states=frozenset({TaskState.FAILED}))) == [b]
    assert await found(TaskQuery(group="training")) == [c, a]
    assert await found(TaskQuery(name_contains="%_")) == [a]
    assert await found(TaskQuery(name_contains="py", user=BOB)) == [c]
    assert await found(TaskQuery(task_type="training")) == [c, b, a]
    lab = (await add(store, make.task_draft(spec={"task_type": "jupyter"})))[0]
    assert lab.task_type == "jupyter"
    assert await found(TaskQuery(task_type="jupyter")) == [lab]
    assert lab not in await found(TaskQuery(task_type="training"))
    assert await found(TaskQuery(user=UserName("nobody"))) == []


async def test_reading_on_behind_an_id_shifts_nothing(store: Store) -> None:
    tasks = await add(store, *(make.task_draft() for _ in range(5)))
    first = await store.list_tasks(TaskQuery(page_size=2))
    later = await add(store, *(make.task_draft() for _ in range(2)))
    found, before = list(first.tasks), first.tasks[-1].id
    while page := (await store.list_tasks(TaskQuery(page_size=2, before=before))).tasks:
        found += page
        before = page[-1].id
    assert found == tasks[::-1]
    behind = await store.list_tasks(TaskQuery(page_size=2, before=tasks[2].id))
    assert behind.total is None
    assert (await store.list_tasks(TaskQuery(page_size=1))).tasks == (later[-1],)
