"""What a store keeps of idle dev containers; part of hai.ports.Store."""

from collections.abc import Collection, Mapping
from typing import Protocol

from hai.core.idle import AttemptClock
from hai.core.task import EventDraft, Task
from hai.core.types import TaskId


class IdleClocks(Protocol):
    """Of each task the clock of one attempt; writing that of another one begins anew."""

    async def idle_clocks(self, ids: Collection[TaskId]) -> Mapping[TaskId, AttemptClock]:
        """Of those that have any."""

    async def set_idle_until(self, task: Task, until: float, event: EventDraft) -> None:
        """Of the task's latest attempt; `stop_at` stays as it is."""

    async def set_idle_stop(self, task: Task, stop_at: float | None, event: EventDraft) -> None:
        """Of the task's latest attempt; `until` stays as it is."""
