"""Connections to PostgreSQL: a pool that heals, one statement per transaction, errors translated.

Every statement is a transaction of its own (autocommit), so a call is one round trip. A connection
that broke while it was idle (PostgreSQL was restarted) is noticed before the statement is sent, and
another one is taken. If a connection breaks later, reads are repeated once; a write is not, because
nobody can know whether it was committed: the caller gets Unavailable and looks at the state again.
"""

import select
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from hai.errors import InvalidInput, PlatformError, Unavailable
from hai.store.gate import Gate
from hai.store.queries import load_queries

Rows = list[tuple[Any, ...]]
Read = Callable[[str, Mapping[str, object]], Awaitable[Rows]]
Result = TypeVar("Result")
Connection = AsyncConnection[tuple[Any, ...]]

CONNECT_SECONDS = 5
_WAIT_SECONDS = 5.0  # for a free connection
_RECONNECT_SECONDS = 5.0  # the pool gives up a connection after that; the next call tries anew
_NOT_LEADING = "HA001"  # raised by fence()

# The term under which a loop's run has begun, set by who asks for the lease: what that run and
# the jobs that it begins write is refused once another term has begun.
claimed_term: ContextVar[int] = ContextVar("claimed_term", default=0)

# A network that swallows packets shows within half a minute. Unix sockets ignore these.
_NETWORK = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def connection_settings(url: str) -> dict[str, Any]:
    """Arguments for psycopg.connect; InvalidInput, without the text, for a URL that is none."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise InvalidInput(
            "the database URL cannot be understood",
            hint="write it as postgresql://user@host:port/database",
        ) from None
    defaults = {"connect_timeout": CONNECT_SECONDS, "application_name": "hai", **_NETWORK}
    return {**defaults, **given, "autocommit": True}


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turns the driver's errors into the platform's."""
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise Unavailable(
            f"the database's disk is full: {first_line(error)}",
            hint="free some space on the disk that holds the data folder",
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise Unavailable(
            f"the database does not answer: {first_line(error)}",
            hint="see that PostgreSQL is running: hai-up status",
        ) from error
    except (psycopg.DataError, UnicodeEncodeError) as error:
        raise InvalidInput(
            f"the database cannot keep this value: {first_line(error)}",
            hint="use text without NUL characters and numbers of a sensible size",
        ) from error
    except psycopg.Error as error:
        if error.sqlstate == _NOT_LEADING:
            raise Unavailable(
                "another process leads now: what this one wanted to write was refused",
                hint="nothing needs to be done: the other one goes on",
            ) from error
        raise PlatformError(
            f"the database refused a statement: {first_line(error)}",
            hint="this is a bug, or the schema was changed by hand; see the server's log",
        ) from error


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


class PostgresDatabase:
    """Runs named queries. With `fenced` each session claims the term of who uses it."""

    def __init__(
        self, settings: dict[str, Any], pool_size: int, gate: Gate, *, fenced: bool = False
    ) -> None:
        self.settings = settings
        self._queries = load_queries()
        self._gate = gate
        self._claims: WeakKeyDictionary[Connection, int] | None = None
        if fenced:
            self._claims = WeakKeyDictionary()
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            kwargs=self.settings,
            min_size=min(2, pool_size),
            max_size=pool_size,
            open=False,
            configure=self._configure,
            timeout=_WAIT_SECONDS,
            reconnect_timeout=_RECONNECT_SECONDS,
            name="hai-loops" if fenced else "hai-store",
        )

    def fenced(self, pool_size: int) -> "PostgresDatabase":
        """The same database through connections of its own, for who leads."""
        settings = {**self.settings, "application_name": "hai-loops"}
        return PostgresDatabase(settings, pool_size, self._gate, fenced=True)

    async def _configure(self, connection: Connection) -> None:
        connection.prepare_threshold = 0
        await connection.execute(self._queries["configure"])

    async def open(self) -> None:
        async with translated():
            await self._pool.open(wait=True, timeout=_WAIT_SECONDS)

    async def close(self) -> None:
        await self._pool.close()

    async def read(
        self, name: str, parameters: Mapping[str, object] | None = None, *, prepare: bool = True
    ) -> Rows:
        """All rows of a query that changes nothing.

        `prepare=False` plans anew for these parameters: for queries with optional filters.
        """
        async with self._gate.passing(), translated():
            return await self._read(name, parameters, prepare=prepare)

    async def read_then(
        self,
        name: str,
        parameters: Mapping[str, object] | None,
        finish: Callable[[Rows, Read], Awaitable[Result]],
        *,
        prepare: bool = True,
    ) -> Result:
        """What `finish` makes of the rows, for which it may read more: nobody is alone between."""

        async def more(name: str, parameters: Mapping[str, object]) -> Rows:
            return await self._read(name, parameters, prepare=True)

        async with self._gate.passing(), translated():
            return await finish(await self._read(name, parameters, prepare=prepare), more)

    async def _read(
        self, name: str, parameters: Mapping[str, object] | None, *, prepare: bool
    ) -> Rows:
        try:
            return await self._run(name, parameters, prepare=prepare)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if not _lost_connection(error):
                raise
        return await self._run(name, parameters, prepare=prepare)

    async def write(self, name: str, parameters: Mapping[str, object]) -> Rows:
        """All rows of a query that changes something; see above for what is not repeated."""
        async with self._gate.passing(), translated():
            return await self._run(name, parameters, prepare=True)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Callable[[str, Mapping[str, object]], Awaitable[Rows]]]:
        """Nobody reads or writes meanwhile but by what this gives."""

        async def run(name: str, parameters: Mapping[str, object]) -> Rows:
            async with translated():
                return await self._run(name, parameters, prepare=True)

        async with self._gate.alone():
            yield run

    async def _run(
        self, name: str, parameters: Mapping[str, object] | None, *, prepare: bool
    ) -> Rows:
        async with self._connection() as connection, connection.cursor(binary=True) as cursor:
            await self._claim(connection)
            await cursor.execute(self._queries[name], parameters, prepare=prepare)
            return await cursor.fetchall()

    async def _claim(self, connection: Connection) -> None:
        term = claimed_term.get()
        if self._claims is not None and self._claims.get(connection) != term:
            self._claims.pop(connection, None)
            await connection.execute(self._queries["claim_term"], {"term": str(term)})
            self._claims[connection] = term

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        async with self._pool.connection() as connection:
            if not await _is_broken(connection):
                yield connection
                return
        # PostgreSQL went away while the pool was idle, so all that it holds are suspect.
        await self._pool.drain()
        async with self._pool.connection() as connection:
            yield connection


async def _is_broken(connection: Connection) -> bool:
    """A server says nothing to an idle client but good-bye: only then is asking worth a trip."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if not poll.poll(0):
        return False
    try:
        await connection.execute("")
    except psycopg.Error:
        return True
    return False


def _lost_connection(error: psycopg.Error) -> bool:
    """The server went away, as opposed to: it answered that it cannot."""
    if isinstance(error, PoolTimeout | PoolClosed):  # it was waited for already
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
