"""Reads the event ledger as a stream."""

import asyncio
from collections.abc import AsyncIterator

from hai.core.task import Event
from hai.core.types import TaskId, UserName
from hai.ports import Bus, Store
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
    task_id: TaskId | None,
    user: UserName | None,
) -> AsyncIterator[Event]:
    """Ledger lines with id > after, oldest first; with `follow` also those to come."""
    async with bus.subscribe(EVENTS) as messages:
        while not closing.is_set():
            page = await store.events(after, limit=_PAGE, task_id=task_id, user=user)
            for event in page:
                after = event.id
                yield event
            if len(page) == _PAGE:
                continue
            if not follow:
                return
            await heard(messages, _LOOK_SECONDS)
