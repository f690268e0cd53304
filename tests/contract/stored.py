"""Tasks in a store, and what it says of them: for the tests of every part that has one."""

from dataclasses import replace

from hai.core.task import Task, TaskChange, TaskDraft
from hai.ports import Store
from tests import factories as make


async def add(store: Store, *drafts: TaskDraft) -> list[Task]:
    results = await store.add_tasks(drafts, make.NOW)
    tasks = [result for result in results if isinstance(result, Task)]
    assert len(tasks) == len(drafts), results
    return tasks


async def put(store: Store, task: Task, **changes: object) -> Task:
    """Save the task with these fields changed."""
    changed = replace(task, **changes)  # type: ignore[arg-type]
    (saved,) = await store.save([TaskChange(changed, ())])
    return saved


async def kinds(store: Store) -> list[str]:
    return [event.draft.kind for event in await store.events(0)]
