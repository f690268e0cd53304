"""Idle dev containers in PostgreSQL."""

from collections.abc import Collection, Mapping

from hai.core.idle import AttemptClock, IdleClock
from hai.core.task import EventDraft, Task
from hai.core.types import TaskId
from hai.store import rows
from hai.store.database import PostgresDatabase


class PostgresIdle:
    """hai.ports.idle.IdleClocks."""

    _database: PostgresDatabase

    async def idle_clocks(self, ids: Collection[TaskId]) -> Mapping[TaskId, AttemptClock]:
        found = await self._database.read("idle_clocks", {"ids": list(ids)}) if ids else []
        return {
            task_id: AttemptClock(
                attempt, IdleClock(rows.seconds_of(until), rows.seconds_of(stop_at))
            )
            for task_id, attempt, until, stop_at in found
        }

    async def set_idle_until(self, task: Task, until: float, event: EventDraft) -> None:
        await self._set("set_idle_until", task, until, event)

    async def set_idle_stop(self, task: Task, stop_at: float | None, event: EventDraft) -> None:
        await self._set("set_idle_stop", task, stop_at, event)

    async def _set(self, query: str, task: Task, at: float | None, event: EventDraft) -> None:
        parameters = {
            "task_id": task.id,
            "attempt": task.attempts,
            "at": rows.timestamp(at),
            "events": rows.events_json([event]),
        }
        await self._database.write(query, parameters)
