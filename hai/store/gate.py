"""Lets many pass at a time, or one alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Whoever has passed is inside until its own task has gone on from there: what it does before
    its next await is done before anybody is alone."""

    def __init__(self) -> None:
        self._inside = 0
        self._one_alone = asyncio.Lock()
        self._open = asyncio.Event()
        self._open.set()
        self._empty = asyncio.Event()
        self._empty.set()

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        while not self._open.is_set():
            await self._open.wait()
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Waits until nobody is inside; meanwhile nobody passes."""
        async with self._one_alone:
            self._open.clear()
            try:
                while self._inside:
                    await self._empty.wait()
                yield
            finally:
                self._open.set()
