"""The wall clock: the only place of the server that asks the machine for the time."""

import asyncio
import time


class SystemClock:
    """hai.ports.Clock on real time."""

    def now(self) -> float:
        return time.time()  # noqa: TID251 - this is the Clock

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
