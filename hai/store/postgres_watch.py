"""Cheap questions about many tasks, to PostgreSQL."""

from collections.abc import Collection, Mapping

from hai.core.task import Task
from hai.core.types import GroupName, Priority, TaskId, UserName
from hai.ports import UnfinishedTasks
from hai.store import database, rows
from hai.store.documents import Documents


class PostgresWatch:
    """This part of hai.ports.Store."""

    _database: database.PostgresDatabase
    _documents: Documents

    async def _read_tasks(
        self, name: str, parameters: Mapping[str, object] | None = None
    ) -> list[Task]:
        """Rows of tasks_with_attempt with their documents."""
        return await self._database.read_then(name, parameters, self._tasks_of)

    async def _tasks_of(self, found: database.Rows, read: database.Read) -> list[Task]:
        documents = await self._documents.of(read, (row[6] for row in found))
        return [rows.task_of(row, documents) for row in found]

    async def owners(
        self, ids: Collection[TaskId]
    ) -> Mapping[TaskId, tuple[UserName, float | None]]:
        found = await self._database.read("owners", {"ids": list(ids)})
        return {TaskId(one): (UserName(user), ended_at) for one, user, ended_at in found}

    async def waiting_of(self, users: Collection[UserName]) -> Mapping[UserName, UnfinishedTasks]:
        found = await self._database.read("waiting_of", {"users": list(users)})
        return {UserName(user): UnfinishedTasks(count, size) for user, count, size in found}

    async def task_versions(self, ids: Collection[TaskId]) -> Mapping[TaskId, int]:
        found = await self._database.read("task_versions", {"ids": list(ids)})
        return {TaskId(task_id): version for task_id, version in found}

    async def held_nodes(self) -> Mapping[tuple[UserName, GroupName, Priority], int]:
        found = await self._database.read("held_nodes")
        return {
            (UserName(user), GroupName(group), Priority(level)): count
            for user, group, level, count in found
        }
