"""What the store in memory is asked about many tasks at once."""

from collections import Counter
from collections.abc import Collection, Mapping

from hai.core.task import Task, used_nodes
from hai.core.types import GroupName, Priority, TaskId, UserName
from hai.ports import TaskQuery, UnfinishedTasks
from hai.store.rows import json_of


class MemoryWatch:
    """This part of hai.ports.Store."""

    _tasks: dict[TaskId, Task]
    _unfinished: set[TaskId]

    async def task_versions(self, ids: Collection[TaskId]) -> Mapping[TaskId, int]:
        return {one: self._tasks[one].version for one in ids if one in self._tasks}

    async def held_nodes(self) -> Mapping[tuple[UserName, GroupName, Priority], int]:
        active = (self._tasks[one] for one in self._unfinished if self._tasks[one].state.is_active)
        return used_nodes(active)

    async def owners(
        self, ids: Collection[TaskId]
    ) -> Mapping[TaskId, tuple[UserName, float | None]]:
        found = (self._tasks[one] for one in ids if one in self._tasks)
        return {task.id: (task.user, task.ended_at) for task in found}

    async def waiting_of(self, users: Collection[UserName]) -> Mapping[UserName, UnfinishedTasks]:
        found: dict[UserName, dict[TaskId, int]] = {user: {} for user in users}
        counts: Counter[UserName] = Counter()
        for task in (self._tasks[one] for one in self._unfinished):
            if task.user in found:
                counts[task.user] += 1
                found[task.user][task.array_id or task.id] = len(json_of(task.spec))
        return {
            user: UnfinishedTasks(counts[user], sum(of.values()))
            for user, of in found.items()
            if of
        }


def matches(task: Task, query: TaskQuery) -> bool:
    """Whether a listing with these filters has this task."""
    return (
        query.user in (None, task.user)
        and (not query.states or task.state in query.states)
        and query.group in (None, task.group)
        and query.array in (None, task.array_id)
        and (not query.indices or task.array_index in query.indices)
        and (query.before is None or task.id < query.before)
        and query.name_contains in task.name
        and query.task_type in (None, task.task_type)
    )
