"""A clock for tests: time moves only when a test says so."""

import asyncio
import heapq
from itertools import count

_SETTLING = 30  # passes of the event loop; more than any chain of awaits that needs no real time


class VirtualClock:
    """hai.ports.Clock by hand. `advance` wakes sleepers in order, each at its own time, and lets
    everything that became ready run before the next one."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self._now = 1000.0  # steady
        self._base = self._measured = now - self._now
        self.boot = "boot"
        self.steps = 0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._base + self._now

    def steady(self) -> float:
        return self._now

    @property
    def base(self) -> float:
        return self._base

    def measured(self) -> float:
        return self._measured

    def step_to(self, base: float) -> None:
        if base != self._base:
            self._base = base
            self.steps += 1

    def jump(self, seconds: float) -> None:
        """The machine's clock is set."""
        self._measured += seconds

    def reborn(self) -> "VirtualClock":
        """The clock of another process on the same machine, which goes by what it finds."""
        other = VirtualClock(self._measured + self._now)
        other._now = self._now
        other._base = other._measured = self._measured
        other.boot = self.boot
        return other

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        until = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            when, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, when)
            if not woken.done():
                woken.set_result(None)
                await settle()
        self._now = until
        await settle()


async def settle() -> None:
    """Let everything run that waits for no clock and no input."""
    for _ in range(_SETTLING):
        await asyncio.sleep(0)
