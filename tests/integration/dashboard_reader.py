"""Somebody who follows the dashboard's feed."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

from hai.core.identity import Role, User
from hai.core.types import UserName
from hai.service.dashboard import DashboardFeed
from hai.tui.model import Model
from tests.waiting import async_wait_until

ROOT = User(UserName("root"), Role.ADMIN, 0, created_at=0.0)


class Reader:
    """Follows the feed into the client's own model."""

    def __init__(self, served: DashboardFeed, cursor: str = "") -> None:
        self.model = Model()
        self.pieces: list[Any] = []
        self.cursor = cursor
        self._feed = served.follow(ROOT, cursor, asyncio.Event())
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async with aclosing(self._feed) as feed:  # type: ignore[type-var]
            async for piece in feed:
                self.pieces.append(piece)
                self.cursor = piece["cursor"] or self.cursor
                self.model.apply(json.loads(json.dumps(piece)), 0.0)

    async def until(self, condition: Any) -> None:
        await async_wait_until(lambda: self._task.done() or condition(self.model))
        if self._task.done():
            self._task.result()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
