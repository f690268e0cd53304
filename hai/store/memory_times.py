"""What the store in memory does with times, as PostgreSQL's queries do it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from hai.core.policy import DAY
from hai.core.replay import SNAPSHOT, Record
from hai.core.task import Attempt, Event, EventDraft, Task, Worker
from hai.ports import Timebase, Usage
from hai.store.memory_idle import MemoryIdle

if TYPE_CHECKING:
    from hai.core.types import TaskId

T = TypeVar("T", Task, Attempt, Worker)

_TASK = ("submitted_at", "started_at", "queued_at", "yielded_at", "not_before")
_ATTEMPT = (
    "created_at",
    "started_at",
    "ended_at",
    "suspend_at",
    "acked_at",
    "terminate_at",
    "saved_at",
)
_WORKER = ("started_at", "ended_at")


class MemoryTimes(MemoryIdle):
    """This part of hai.ports.Store."""

    def __init__(self) -> None:
        super().__init__()
        self._tasks: dict[TaskId, Task] = {}
        self._attempts: dict[TaskId, dict[int, Attempt]] = {}
        self._unfinished: set[TaskId] = set()
        self._events: list[Event] = []
        self._timebase: Timebase | None = None

    def _log(self, draft: EventDraft) -> None:
        self._events.append(Event(len(self._events) + 1, draft))

    async def timebase(self) -> Timebase | None:
        return self._timebase

    async def last_event_at(self) -> float | None:
        return self._events[-1].draft.at if self._events else None

    async def step(
        self,
        was: Timebase | None,
        base: Timebase,
        seconds: float,
        events: Sequence[EventDraft],
        then: Callable[[], None],
    ) -> bool:
        if self._timebase is not None and self._timebase != was:
            return False
        self._timebase = base
        for task_id in self._unfinished if seconds else ():
            moved = self._tasks[task_id] = times_moved(self._tasks[task_id], seconds)
            if moved.attempt is not None:
                self._attempts[task_id][moved.attempt.number] = moved.attempt
            self._move_idle_clock(task_id, seconds)
        for event in events:
            self._log(event)
        then()
        return True


def times_moved(task: Task, seconds: float) -> Task:
    """All times moved, those of the latest attempt and its workers too: a new version."""
    attempt = task.attempt
    if attempt is not None:
        workers = tuple(_moved(worker, _WORKER, seconds) for worker in attempt.workers)
        attempt = replace(_moved(attempt, _ATTEMPT, seconds), workers=workers)
    return replace(_moved(task, _TASK, seconds), attempt=attempt, version=task.version + 1)


def _moved(value: T, names: Sequence[str], seconds: float) -> T:
    known = {name: getattr(value, name) for name in names}
    return replace(value, **{name: at + seconds for name, at in known.items() if at is not None})


def last_needed(journal: Sequence[Record], keep_seconds: float) -> int:
    """The id of the last snapshot from which the records tell for so long; 0: of none."""
    told, later = 0.0, journal[-1].at if journal else 0.0
    for record in reversed(journal):
        if record.kind == SNAPSHOT:
            told += min(max(later - record.at, 0.0), DAY)
            later = record.at
            if told >= keep_seconds:
                return record.id
    return 0


def used(sofar: Usage, attempt: Attempt, now: float, half_life_seconds: float) -> Usage:
    """With one attempt more."""
    node_seconds = 0.0
    if attempt.ended_at is not None:
        ended, created = (
            2.0 ** (min(0.0, at - now) / half_life_seconds)
            for at in (attempt.ended_at, attempt.created_at)
        )
        node_seconds = len(attempt.nodes) * half_life_seconds / math.log(2.0) * (ended - created)
    starts = [] if attempt.backfill else [min(attempt.created_at, now)]
    if sofar.last_start is not None:
        starts.append(sofar.last_start)
    return replace(
        sofar,
        node_seconds=sofar.node_seconds + node_seconds,
        last_start=max(starts, default=None),
    )
