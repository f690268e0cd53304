"""Cheap questions about many tasks, to PostgreSQL."""

from collections.abc import Collection, Mapping

from hai.core.types import TaskId
from hai.store.database import Database


class PostgresWatch:
    """This part of hai.ports.Store."""

    _database: Database

    async def task_versions(self, ids: Collection[TaskId]) -> Mapping[TaskId, int]:
        found = await self._database.read("task_versions", {"ids": list(ids)})
        return {TaskId(task_id): version for task_id, version in found}
