"""The wall clock: the only place of the server that asks the machine for the time."""

import asyncio
import time


class SystemClock:
    """hai.ports.Clock on real time; with a `speed` other than 1, on a time that begins with the
    real one and runs that many times as fast: for clusters whose work is simulated."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._began = time.time()  # noqa: TID251 - this is the Clock

    def now(self) -> float:
        now = time.time()  # noqa: TID251 - this is the Clock
        return now if self._speed == 1.0 else self._began + (now - self._began) * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)
