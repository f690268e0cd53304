"""A short-lived copy of the rows that admins write: each launch and each submit looks at them."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from hai.core.allowance import Allowance, allowed
from hai.core.identity import User
from hai.core.images import Image
from hai.core.rowset import RowSet
from hai.core.storage import Storage
from hai.core.task import EventDraft
from hai.ports import Bus, Clock, Identity, Rows
from hai.service.signals import EVENTS

_MAX_AGE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Written:
    """What is written now."""

    images: tuple[Image, ...]
    storage: tuple[Storage, ...]
    allowances: tuple[Allowance, ...]

    def amounts(self, user: User, now: float) -> dict[str, int]:
        """What the user may use besides nodes, by resource."""
        return allowed(self.allowances, user.name, user.owns_as, now)


class RowBookStore(Identity, Rows, Protocol):
    """What is needed of the store here."""


class RowBook:
    """Reads rows, at most two seconds old, and writes them with their event."""

    def __init__(self, store: RowBookStore, bus: Bus, clock: Clock) -> None:
        self.store = store
        self._bus = bus
        self._clock = clock
        self._written: Written | None = None
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    def now(self) -> float:
        return self._clock.now()

    async def fresh(self) -> Written:
        """As it is now: another process may have written, such as an import."""
        self._written = None
        return await self.written()

    async def written(self) -> Written:
        """At most two seconds old."""
        async with self._reading:  # one reads, the others wait for it
            now = self._clock.steady()
            if self._written is None or not 0 <= now - self._read_at < _MAX_AGE_SECONDS:
                self._written = Written(
                    tuple(await self.store.images()),
                    tuple(await self.store.storage()),
                    tuple(await self.store.allowances()),
                )
                self._read_at = now
            return self._written

    async def put(self, admin: User, kind: str, rows: RowSet, data: dict[str, object]) -> None:
        """Write rows with the event `kind`, which `data` says more about."""
        await self.store.put_rows(rows, self.event(admin, kind, data))
        await self.changed()

    def event(self, admin: User, kind: str, data: dict[str, object]) -> EventDraft:
        parts = (f"{key} {_shown(value)}" for key, value in data.items())
        return EventDraft(
            kind=kind, actor=admin.name, at=self._clock.now(), why=", ".join(parts), data=data
        )

    async def changed(self) -> None:
        """Forget the copy and tell who listens."""
        self._written = None
        await self._bus.publish(EVENTS)


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
