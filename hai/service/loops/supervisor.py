"""Spawns and names every loop of the server; a loop that breaks is logged, counted and restarted.

This is the one place where any exception may be swallowed: one loop's trouble must not end the
others, and the next run repairs what this one left half done.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from hai.errors import Unavailable
from hai.ports import Bus, Clock, Message
from hai.service.signals import heard

log = structlog.get_logger("hai.loops")

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_LONGEST_REST_SECONDS = 5.0
_NO_TIME = 1e-6
_ENDLESS = 1e9


@dataclass(slots=True)
class LoopFigures:
    """How one loop fares; shown under /metrics and /ready."""

    runs: int = 0
    failures: int = 0
    last_error: str = ""
    last_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Loop:
    """`run_once` does one run and returns the seconds until the next one is due at the latest;
    a message of `topics`, when given, wakes it earlier. Runs are at least `min_seconds` apart and
    take at most `busy_fraction` of the time, as far as a rest of 5 seconds goes: a run that waited
    for something slow, or that the machine slept through, must not cost hours."""

    name: str
    run_once: Callable[[], Awaitable[float]]
    topics: tuple[str, ...] = ()
    min_seconds: float = 0.0
    busy_fraction: float = 1.0
    longest_pause_seconds: float = _LONGEST_PAUSE_SECONDS  # after a run that failed


class Supervisor:
    """Runs loops until `close`."""

    def __init__(self, clock: Clock, bus: Bus) -> None:
        self._clock = clock
        self._bus = bus
        self._tasks: list[asyncio.Task[None]] = []
        self.figures: dict[str, LoopFigures] = {}

    def spawn(self, loop: Loop) -> None:
        """Start a loop under its name."""
        self.figures[loop.name] = LoopFigures()
        task = asyncio.create_task(self._run(loop), name=f"loop-{loop.name}")
        self._tasks.append(task)

    async def close(self) -> None:
        """Stop all loops at their next await and wait for them."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self, loop: Loop) -> None:
        async with self._bus.subscribe(*loop.topics) as messages:
            pause = _FIRST_PAUSE_SECONDS
            while True:
                began = self._clock.steady()
                due_seconds = await self._run_once(loop)
                took = self._clock.steady() - began
                if due_seconds is None:
                    await self._clock.sleep(pause)
                    pause = min(pause * 2, loop.longest_pause_seconds)
                    continue
                pause = _FIRST_PAUSE_SECONDS
                await _rest(self._clock, loop, took)
                await _wait(self._clock, messages, due_seconds)

    async def _run_once(self, loop: Loop) -> float | None:
        """Seconds until the next run, or None when this one failed."""
        figures = self.figures[loop.name]
        began = self._clock.steady()
        try:
            due_seconds = await loop.run_once()
        except Unavailable as error:
            figures.failures += 1
            figures.last_error = error.message
            log.warning("loop_waits", loop=loop.name, error=error.message)
            return None
        except Exception as error:  # see the module's prose
            figures.failures += 1
            figures.last_error = repr(error)
            log.exception("loop_failed", loop=loop.name)
            return None
        figures.runs += 1
        figures.last_seconds = self._clock.steady() - began
        return due_seconds


async def _rest(clock: Clock, loop: Loop, took_seconds: float) -> None:
    """Leave the rest of the time to others after a run that took long."""
    fair = took_seconds * (1.0 / loop.busy_fraction - 1.0)
    rest = max(loop.min_seconds - took_seconds, fair, 0.0)
    await clock.sleep(min(rest, _LONGEST_REST_SECONDS))  # even 0 lets others run


async def _wait(clock: Clock, messages: AsyncIterator[Message], seconds: float) -> None:
    """Until a message or `seconds` of the clock have passed; what else is waiting is the same
    news."""
    nap = asyncio.create_task(clock.sleep(seconds))
    word = asyncio.create_task(heard(messages, _ENDLESS))
    try:
        await asyncio.wait({nap, word}, return_when=asyncio.FIRST_COMPLETED)
        is_news = word.done() and word.result()
    finally:
        for one in (nap, word):
            one.cancel()
        await asyncio.gather(nap, word, return_exceptions=True)
    if is_news:
        while await heard(messages, _NO_TIME):
            pass
