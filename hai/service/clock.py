"""The clock: the only place of the server that asks the machine for the time."""

import asyncio
import secrets
import time
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from hai.core.lifecycle.attempt_protocol import Timing
from hai.ports import Clock

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MOST_TOLD = 50_000  # workers


class SystemClock:
    """hai.ports.Clock on real time; with a `speed` other than 1, on a time that begins with the
    real one and runs that many times as fast: for clusters whose work is simulated."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._base = time.time() - self.steady()  # noqa: TID251 - this is the Clock
        self._boot = _boot_id() if speed == 1.0 else secrets.token_hex(8)
        self.steps = 0

    def now(self) -> float:
        return self._base + self.steady()

    def steady(self) -> float:
        return time.monotonic() * self._speed

    @property
    def boot(self) -> str:
        return self._boot

    @property
    def base(self) -> float:
        return self._base

    def measured(self) -> float:
        if self._speed != 1.0:  # time is made here: nobody else can set it
            return self._base
        return time.time() - self.steady()  # noqa: TID251 - this is the Clock

    def step_to(self, base: float) -> None:
        if base != self._base:
            self._base = base
            self.steps += 1

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return secrets.token_hex(8)  # nobody else's, so that nothing is compared


class SteadyTiming:
    """A Timing whose `up_since` follows the clock's steps."""

    def __init__(self, timing: Timing, clock: Clock) -> None:
        self._timing = timing
        self._clock = clock
        self._up_steady = timing.up_since - clock.base

    def now(self) -> Timing:
        """By the clock of now."""
        return replace(self._timing, up_since=self._up_steady + self._clock.base)


class _ToldTime(NamedTuple):
    """`at` by the clock of who told it, and when that was by ours."""

    at: float
    steady: float


class ToldTimes:
    """Times that agents tell by their own clocks, as ours, and not ahead of now. What is told again
    is the same moment, whatever clock was set meanwhile."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[str, _ToldTime] = OrderedDict()

    def of(self, key: str, at: float) -> float:
        """`key` names who tells it; of each the last time is known."""
        known = self._known.get(key)
        if known is None or known.at != at:
            steady = min(at, self._clock.now()) - self._clock.base
            known = self._known[key] = _ToldTime(at, steady)
            while len(self._known) > _MOST_TOLD:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return known.steady + self._clock.base
