"""The leader's lease: an advisory lock on a connection of its own.

PostgreSQL frees it with the connection, so at once when the holder's process dies, however. A
holder that is stopped or cut off keeps its connection: so it gives signs of life, and who waits for
the lease cuts its connection when there are none for a while. No clock is compared: who waits
counts its own steady seconds, and only those in which it looked itself.

Each holder has a term, a number that grows; the database refuses what is written under an earlier
one (see fence() in the migrations). So a holder that wakes up late does no harm.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import AsyncConnection

from hai.errors import Unavailable
from hai.store.database import Connection, translated
from hai.store.queries import load_queries

LEASE_SECONDS = 5.0  # without a sign of life: then another one takes over
SURE_SECONDS = 4.0  # after its last sign of life the holder does not trust its lease any more
_BEAT_SECONDS = 1.0
_LOOK_SECONDS = 0.25  # between two looks at somebody else's lease, at least
_MOST_SECONDS = 1.5  # between two looks, that count as silence: more, and we slept ourselves
_ANSWER_SECONDS = 3.0


class LeaderLease:
    """`may_lead=False` never takes it: for processes that only serve."""

    def __init__(
        self,
        settings: dict[str, Any],
        *,
        may_lead: bool = True,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = {**settings, "application_name": "hai-leader"}
        self._queries = load_queries()
        self._may_lead = may_lead
        self._steady = steady
        self._connection: Connection | None = None
        self._using = asyncio.Lock()
        self._term = 0  # 0: somebody else's
        self._beat_at = self._confirmed_at = self._looked_at = float("-inf")
        self._seen_beats = -1
        self._silent_seconds = 0.0

    @property
    def is_sure(self) -> bool:
        """Whether this process has made sure just now that it leads."""
        return self._term > 0 and self._steady() - self._confirmed_at < SURE_SECONDS

    async def hold(self) -> int:
        """Take or keep the lease: the term; 0 while another holds it. Unavailable: nobody can
        know."""
        if not self._may_lead:
            return 0
        async with self._using, translated():
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    return await self._hold()
            except TimeoutError:
                await self._drop()
                raise Unavailable("the database does not answer in time") from None

    async def _hold(self) -> int:
        if not self._term and self._steady() - self._looked_at < _LOOK_SECONDS:
            return 0
        if self._connection is not None:
            try:
                return await self._ask(self._connection)
            except psycopg.Error:
                await self._drop()
        self._connection = await AsyncConnection.connect(**self._settings)
        try:
            return await self._ask(self._connection)
        except psycopg.Error:
            await self._drop()
            raise

    async def _ask(self, connection: Connection) -> int:
        if not self._term:
            return await self._take(connection)
        began = self._steady()
        if began - self._beat_at < _BEAT_SECONDS:
            await connection.execute(self._queries["ping"])
        else:
            if not await _one(connection, self._queries["beat"], {"term": self._term}):
                await self._drop()  # somebody has taken over
                return 0
            self._beat_at = began
        self._confirmed_at = began
        return self._term

    async def _take(self, connection: Connection) -> int:
        began = self._steady()
        has_lease, beats = await _one(connection, self._queries["try_lease"])
        if not has_lease:
            await self._watch(connection, beats)
            return 0
        holder = f"{socket.gethostname()}:{os.getpid()}"
        (term,) = await _one(connection, self._queries["begin_term"], {"holder": holder})
        await connection.execute(self._queries["quick_commits"])
        self._beat_at = self._confirmed_at = began
        self._term = int(term)
        return self._term

    async def _watch(self, connection: Connection, beats: int) -> None:
        """Count how long the holder is silent, and cut it off when that is too long."""
        now = self._steady()
        if beats == self._seen_beats:
            self._silent_seconds += min(now - self._looked_at, _MOST_SECONDS)
        else:
            self._silent_seconds, self._seen_beats = 0.0, beats
        self._looked_at = now
        if self._silent_seconds >= LEASE_SECONDS:
            self._silent_seconds = 0.0
            await connection.execute(self._queries["end_holder"])
            self._looked_at = float("-inf")  # look again at once

    async def _drop(self) -> None:
        self._term = 0
        self._looked_at = float("-inf")
        self._seen_beats = -1
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def release(self) -> None:
        """Let another one lead."""
        async with self._using:
            await self._drop()


async def _one(
    connection: Connection, query: Any, parameters: dict[str, Any] | None = None
) -> tuple[Any, ...]:
    """The first row; () without any."""
    cursor = await connection.execute(query, parameters)
    return await cursor.fetchone() or ()
