"""Reads the event log, in pages and as a stream."""

import asyncio
from collections.abc import AsyncIterator

from hai.core.task import Event
from hai.ports import Bus, EventCount, EventFilter, EventLog
from hai.service.signals import EVENTS, heard

_PAGE = 500
_LOOK_SECONDS = 2.0  # without a hint; hints may be lost


class EventReader:
    """The event log for those who ask for it; `closing` ends all streams."""

    def __init__(self, log: EventLog, bus: Bus, closing: asyncio.Event) -> None:
        self._log = log
        self._bus = bus
        self._closing = closing

    async def page(self, after: int, limit: int, where: EventFilter) -> list[Event]:
        """Lines with id > after, oldest first."""
        return await self._log.events(after, limit=limit, where=where)

    async def count(self, where: EventFilter, last: int) -> EventCount:
        """All lines that match, and where the last `last` of them begin."""
        return await self._log.count_events(where, last)

    async def stream(
        self, *, after: int, follow: bool, where: EventFilter
    ) -> AsyncIterator[Event | None]:
        """Lines with id > after, oldest first; with `follow` also those to come, without it None
        behind the last one: a platform that closes ends the lines without it."""
        async with self._bus.subscribe(EVENTS) as messages:
            while not self._closing.is_set():
                page = await self.page(after, _PAGE, where)
                for event in page:
                    after = event.id
                    yield event
                if len(page) == _PAGE:
                    continue
                if not follow:
                    yield None
                    return
                await heard(messages, _LOOK_SECONDS)
