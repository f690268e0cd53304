"""The event log: who did what, when and why; part of hai.ports.Store."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hai.core.task import Event, EventDraft
from hai.core.types import TaskId, UserName


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Filters of the event log: from `since` on and before `until` (Unix seconds). A kind that ends
    with ".*" means all that begin so. An empty set means: any."""

    task_id: TaskId | None = None
    user: UserName | None = None
    since: float | None = None
    until: float | None = None
    kinds: frozenset[str] = frozenset()

    def has_kind(self, kind: str) -> bool:
        return not self.kinds or any(
            kind == one or (one.endswith(".*") and kind.startswith(one[:-1])) for one in self.kinds
        )


ALL_EVENTS = EventFilter()


@dataclass(frozen=True, slots=True)
class EventCount:
    """How many lines match, and the id behind which the wanted last of them begin."""

    total: int
    after: int


class EventLog(Protocol):
    """It only grows; ids grow in the order in which lines can be read."""

    async def append(self, events: Sequence[EventDraft]) -> None: ...

    async def events(
        self, after: int, *, limit: int = 1000, where: EventFilter = ALL_EVENTS
    ) -> list[Event]:
        """Events with id > after, oldest first."""

    async def count_events(self, where: EventFilter, last: int) -> EventCount:
        """All lines that match, and where the last `last` of them begin."""

    async def last_event_id(self) -> int:
        """0 for an empty event log."""

    async def last_event_at(self) -> float | None:
        """The time of the newest event."""
