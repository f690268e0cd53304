"""The leader's lease: an advisory lock on a connection of its own.

PostgreSQL frees it with the connection, so at once when the holder's process dies, however.
"""

import asyncio
from typing import Any

import psycopg
from psycopg import AsyncConnection

from hai.store.database import Connection, translated
from hai.store.queries import load_queries


class LeaderLease:
    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = {**settings, "application_name": "hai-leader"}
        self._queries = load_queries()
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def hold(self) -> bool:
        """Take or keep the lease; False while another holds it. Unavailable: nobody can know."""
        async with self._turn, translated():
            if self._connection is not None and await self._still_connected():
                return True
            return await self._take()

    async def _still_connected(self) -> bool:
        assert self._connection is not None  # noqa: S101 (for the type checker)
        try:
            await self._connection.execute(self._queries["ping"])
        except psycopg.Error:
            await self._drop()
            return False
        return True

    async def _take(self) -> bool:
        connection = await AsyncConnection.connect(**self._settings)
        try:
            cursor = await connection.execute(self._queries["take_lease"])
            row = await cursor.fetchone()
            if row is not None and row[0]:
                self._connection = connection
                return True
        finally:
            if self._connection is not connection:
                await connection.close()
        return False

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def release(self) -> None:
        """Let another one lead."""
        async with self._turn:
            await self._drop()
