"""Hints from the event log, for what the bus did not bring from other processes.

While the bus is connected, nothing is to be done. While it is not, and once when it is back, the
ledger says which tasks have changed: what waits for a hint then waits a second and not for its own
next look.
"""

from collections.abc import Iterable

from hai.core.task import Event
from hai.ports import Bus, EventLog
from hai.service.signals import EVENTS, RECONCILE, SCHEDULE, TASKS, task_topic

CONNECTED_SECONDS = 1.0  # between two looks at the bus
ALONE_SECONDS = 0.5  # between two looks at the event log
_PAGE = 1000


class Relay:
    """One run brings the hints of what has been written since the last one."""

    def __init__(self, store: EventLog, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._cursor = -1
        self._connected_since: float | None = None

    async def run_once(self) -> float:
        """Seconds until the next run."""
        connected_since = self._bus.connected_since
        is_whole = connected_since is not None and connected_since == self._connected_since
        self._connected_since = connected_since
        if self._cursor < 0 or is_whole:
            self._cursor = await self._store.last_event_id()
            return CONNECTED_SECONDS
        while page := await self._store.events(self._cursor, limit=_PAGE):
            await self._pass_on(page)
            self._cursor = page[-1].id
            if len(page) < _PAGE:
                break
        return ALONE_SECONDS if connected_since is None else CONNECTED_SECONDS

    async def _pass_on(self, page: Iterable[Event]) -> None:
        ids = {event.draft.task_id for event in page if event.draft.task_id is not None}
        for task_id in sorted(ids):
            await self._bus.hint(task_topic(task_id))
        await self._bus.hint(TASKS, {"ids": sorted(ids)})
        for topic in (SCHEDULE, RECONCILE, EVENTS):
            await self._bus.hint(topic)
