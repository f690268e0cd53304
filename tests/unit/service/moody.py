"""A launcher of moods."""

import asyncio

from hai.core.task import WorkerKey
from hai.ports import Observation, WorkerLaunch


class Moody:
    """A launcher that hangs, refuses or answers, as the test says."""

    name = "moody"
    takes_images = False
    runs_programs = False

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.trouble: Exception | None = None
        self.workers: list[Observation] = []
        self.asked = 0
        self.killed: list[WorkerKey] = []

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def launch(self, worker: WorkerLaunch) -> None:
        await self._think()

    async def kill(self, key: WorkerKey) -> None:
        self.killed.append(key)
        await self._think()

    async def forget(self, key: WorkerKey) -> None:
        await self._think()

    async def observe(self) -> list[Observation]:
        self.asked += 1
        known = list(self.workers)
        await self._think()
        return known

    async def _think(self) -> None:
        await self.answer.wait()
        if self.trouble is not None:
            raise self.trouble
