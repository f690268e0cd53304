"""Idle dev containers in the store in memory."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from hai.core.idle import AttemptClock, IdleClock
from hai.core.task import EventDraft, Task
from hai.core.types import TaskId


class MemoryIdle:
    """hai.ports.idle.IdleClocks."""

    _log: Callable[[EventDraft], None]

    def __init__(self) -> None:
        self._idle_clocks: dict[TaskId, AttemptClock] = {}

    async def idle_clocks(self, ids: Collection[TaskId]) -> Mapping[TaskId, AttemptClock]:
        return {one: self._idle_clocks[one] for one in ids if one in self._idle_clocks}

    async def set_idle_until(self, task: Task, until: float, event: EventDraft) -> None:
        self._put(task, replace(self._clock_of(task), until=until), event)

    async def set_idle_stop(self, task: Task, stop_at: float | None, event: EventDraft) -> None:
        self._put(task, replace(self._clock_of(task), stop_at=stop_at), event)

    def _clock_of(self, task: Task) -> IdleClock:
        attempt, clock = self._idle_clocks.get(task.id, AttemptClock(0, IdleClock()))
        return clock if attempt == task.attempts else IdleClock()

    def _put(self, task: Task, clock: IdleClock, event: EventDraft) -> None:
        self._idle_clocks[task.id] = AttemptClock(task.attempts, clock)
        self._log(event)

    def _move_idle_clock(self, task_id: TaskId, seconds: float) -> None:
        if task_id in self._idle_clocks:
            attempt, clock = self._idle_clocks[task_id]
            until, stop_at = (
                None if at is None else at + seconds for at in (clock.until, clock.stop_at)
            )
            self._idle_clocks[task_id] = AttemptClock(attempt, IdleClock(until, stop_at))
