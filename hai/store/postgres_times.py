"""By which clock the times in PostgreSQL count, and how they are moved to another one."""

from collections.abc import Callable, Sequence

from hai.core.task import EventDraft
from hai.errors import Unavailable
from hai.ports import Timebase
from hai.store import rows
from hai.store.database import PostgresDatabase


class PostgresTimes:
    """This part of hai.ports.Store."""

    _database: PostgresDatabase

    async def timebase(self) -> Timebase | None:
        found = await self._database.read("timebase")
        return Timebase(*found[0]) if found else None

    async def last_event_at(self) -> float | None:
        found = await self._database.read("last_event_at")
        return found[0][0] if found else None

    async def step(
        self,
        was: Timebase | None,
        base: Timebase,
        seconds: float,
        events: Sequence[EventDraft],
        then: Callable[[], None],
    ) -> bool:
        parameters = {
            "was_boot": was.boot if was else None,
            "was_base": was.base if was else None,
            "boot": base.boot,
            "base": base.base,
            "seconds": seconds,
            "events": rows.events_json(events),
        }
        async with self._database.alone() as run:
            try:
                is_done = bool(await run("step", parameters))
            except Unavailable:  # it may have been written although the answer was lost
                is_done = [tuple(row) for row in await run("timebase", {})] == [
                    (base.boot, base.base)
                ]
                if not is_done:
                    raise
            if is_done:
                then()
        return is_done
