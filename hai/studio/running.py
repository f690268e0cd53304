"""Dashboards that run, those included that are about to leave, and requests that are worked on:
whoever opens one after the other does not run more of them than there are places."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Running:
    """`of_one`: of one user at once; `together`: of all."""

    def __init__(self, of_one: int, together: int) -> None:
        self._of_one = of_one
        self._together = asyncio.Semaphore(together)
        self._of: dict[str, tuple[asyncio.Semaphore, int]] = {}  # and who holds or waits for it

    @asynccontextmanager
    async def place(self, user: str) -> AsyncIterator[None]:
        """Waits for one, first come, first served; the user's own first, so that whoever waits
        holds nothing that others wait for."""
        own, count = self._of.get(user) or (asyncio.Semaphore(self._of_one), 0)
        self._of[user] = (own, count + 1)
        try:
            async with own, self._together:
                yield
        finally:
            own, count = self._of[user]
            if count > 1:
                self._of[user] = (own, count - 1)
            else:
                del self._of[user]
