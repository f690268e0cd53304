"""Cheap questions about many tasks, and documents that tasks share."""

from dataclasses import replace

from hai.core.task import Task, TaskChange
from hai.core.types import GroupName, Priority, TaskId, TaskState, UserName
from hai.ports import Store, TaskQuery, UnfinishedTasks
from hai.store.rows import json_of
from tests import factories as make

ALICE, BOB = UserName("alice"), UserName("bob")


async def put(store: Store, task: Task, **changes: object) -> Task:
    (saved,) = await store.save([TaskChange(replace(task, **changes), ())])  # type: ignore[arg-type]
    return saved


async def test_versions_of_tasks_that_exist(store: Store) -> None:
    one, two = await store.add_tasks(
        [make.task_draft(name="one"), make.task_draft(name="two")], make.NOW
    )
    assert isinstance(one, Task)
    assert isinstance(two, Task)
    await put(store, two, why="changed")
    asked = [one.id, two.id, TaskId(999_999)]
    assert await store.task_versions(asked) == {one.id: one.version, two.id: two.version + 1}


async def test_nodes_that_are_held_now(store: Store) -> None:
    drafts = [make.task_draft(name=f"n{i}", nodes=2) for i in range(3)]
    first, second, _ = await store.add_tasks(drafts, make.NOW)
    assert isinstance(first, Task)
    assert isinstance(second, Task)
    level = Priority.HIGH
    for task in (first, second):
        held = make.attempt("a", "b", priority=level)
        await put(store, task, state=TaskState.RUNNING, attempts=1, attempt=held)
    assert dict(await store.held_nodes()) == {(first.user, GroupName(first.group), level): 4}


async def test_what_a_user_has_that_is_unfinished(store: Store) -> None:
    """The document of an array counts once; who has nothing is not told of."""
    spec = make.run_spec(options={"blob": "x" * 1000})
    members = [
        make.task_draft(name=f"m[{i}]", spec=spec, array="k", array_index=i) for i in range(3)
    ]
    *_, over = await store.add_tasks(
        [*members, make.task_draft(name="s"), make.task_draft(name="over")], make.NOW
    )
    assert isinstance(over, Task)
    await put(store, over, state=TaskState.STOPPED)
    size = len(json_of(spec)) + len(json_of(make.task_draft().spec))
    assert await store.waiting_of([ALICE, BOB]) == {ALICE: UnfinishedTasks(4, size)}


async def test_whose_tasks_are_and_when_they_ended(store: Store) -> None:
    one, two = await store.add_tasks(
        [make.task_draft(name="one"), make.task_draft(name="two", user=BOB)], make.NOW
    )
    assert isinstance(one, Task)
    assert isinstance(two, Task)
    await put(store, one, state=TaskState.SUCCEEDED, ended_at=make.NOW + 5)
    assert await store.owners([one.id, two.id, TaskId(999_999)]) == {
        one.id: (ALICE, make.NOW + 5),
        two.id: (BOB, None),
    }


async def test_members_of_an_array_share_their_document(store: Store) -> None:
    """In the answers too: one object for all of them."""
    spec = make.run_spec(options={"blob": "x" * 1000})
    drafts = [
        make.task_draft(name=f"m[{i}]", spec=spec, array="k", array_index=i) for i in range(5)
    ]
    await store.add_tasks([*drafts, make.task_draft(name="alone")], make.NOW)
    page = await store.list_tasks(TaskQuery(page_size=10))
    members = [task for task in page.tasks if task.array_id is not None]
    assert len(members) == 5
    assert all(task.spec is members[0].spec for task in members)
    assert members[0].spec == spec
    (alone,) = [task for task in page.tasks if task.array_id is None]
    assert alone.spec == make.task_draft().spec
