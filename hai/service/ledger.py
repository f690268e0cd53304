"""Reads the event ledger as a stream."""

import asyncio
from collections.abc import AsyncIterator

from hai.core.task import Event
from hai.ports import Bus, EventFilter, Store
from hai.service.signals import EVENTS, heard

_PAGE = 500
_LOOK_SECONDS = 2.0  # without a hint; hints may be lost


async def follow_events(
    store: Store,
    bus: Bus,
    closing: asyncio.Event,
    *,
    after: int,
    follow: bool,
    where: EventFilter,
) -> AsyncIterator[Event | None]:
    """Ledger lines with id > after, oldest first; with `follow` also those to come, without it
    None behind the last one: a platform that closes ends the lines without it."""
    async with bus.subscribe(EVENTS) as messages:
        while not closing.is_set():
            page = await store.events(after, limit=_PAGE, where=where)
            for event in page:
                after = event.id
                yield event
            if len(page) == _PAGE:
                continue
            if not follow:
                yield None
                return
            await heard(messages, _LOOK_SECONDS)
