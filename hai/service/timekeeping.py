"""Notices that the machine's clock was set, and moves the platform's time along.

`Clock.now` runs evenly, so a jump ends no deadline and makes none endless. The leader compares it
with the machine's clock every second. After a jump it moves the stored times of all unfinished
tasks in one transaction, and its own time with them: how long ago each thing was stays as it is,
and all is told by the clock of now. docs/decisions/0012-clock-jumps.md says why.
"""

from typing import Protocol

import structlog

from hai.core.task import EventDraft
from hai.ports import Bus, Clock, EventLog, Leading, StoredTimes, Timebase
from hai.service.last_tick import Jump, LastTick
from hai.service.signals import CLOCK, EVENTS, RECONCILE, SCHEDULE
from hai.wording import phrases

log = structlog.get_logger("hai.clock")

LEAST_JUMP_SECONDS = 1.0  # less is left alone: nothing that people read is so exact
_RUN_SECONDS = 1.0


class TimekeepingStore(StoredTimes, EventLog, Leading, Protocol):
    """What is needed of the store here."""


class Timekeeping:
    """One run before the other loops begin makes a server's time that of the store."""

    def __init__(
        self, store: TimekeepingStore, bus: Bus, clock: Clock, last_tick: LastTick
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._last_tick = last_tick

    async def run_once(self) -> float:
        """Look at the machine's clock once; seconds until the next time."""
        leads = await self._store.lead()
        known = await self._store.timebase()
        measured = self._clock.measured()
        if known is not None and known.boot == self._clock.boot:
            if abs(measured - known.base) < LEAST_JUMP_SECONDS or not leads:
                self._clock.step_to(known.base)
            else:
                await self._step(known, measured, measured - known.base)
        elif not leads:
            if abs(measured - self._clock.base) >= LEAST_JUMP_SECONDS:
                self._clock.step_to(measured)
        else:
            await self._begin(known, measured)
        return _RUN_SECONDS

    async def _begin(self, known: Timebase | None, measured: float) -> None:
        """The first time after the machine's start: all that can be seen is a clock that is behind
        what was written already."""
        last = await self._store.last_event_at()
        behind = 0.0 if last is None else last - (measured + self._clock.steady())
        await self._step(known, measured, -behind if behind >= LEAST_JUMP_SECONDS else 0.0)

    async def _step(self, known: Timebase | None, base: float, seconds: float) -> None:
        jump = Jump(base + self._clock.steady(), seconds)
        events = (_event(jump),) if seconds else ()

        def then() -> None:
            self._clock.step_to(base)
            if seconds:
                self._last_tick.jump = jump

        to = Timebase(self._clock.boot, base)
        if not await self._store.step(known, to, seconds, events, then) or not seconds:
            return
        log.warning("clock_jumped", seconds=seconds)
        for topic in (CLOCK, EVENTS, SCHEDULE, RECONCILE):
            await self._bus.publish(topic)


def _event(jump: Jump) -> EventDraft:
    return EventDraft(
        kind="clock.jumped",
        actor="platform",
        at=jump.at,
        why=f"the server's clock {phrases.jump(jump.seconds)}: deadlines and the times of "
        "unfinished tasks were moved along",
        data={"seconds": round(jump.seconds, 3)},
    )
