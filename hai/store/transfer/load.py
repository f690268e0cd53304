"""A dump into a database, in one transaction: all of it, or nothing is changed.

The tables are made anew by the migrations that had made the dump's, then filled, then migrated to
this HAI's schema. `exact`: just as it was, at its own schema, for an upgrade that is taken back.
"""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from psycopg import Connection, sql

from hai.errors import Conflict, InvalidInput
from hai.store.migrate import Migration, load_migrations
from hai.store.queries import load_queries
from hai.store.transfer.connect import connected
from hai.store.transfer.dump import copy_command
from hai.store.transfer.format import END_OF_ROWS, Header, read_line, whole
from hai.store.transfer.tables import MIGRATIONS, StoredTable, made_by, sequences_of, tables_of

_KEPT = ("users", "tokens", "nodes", "groups", "quotas", "allowances", "images", "storage")
_OF_THE_PLACE = ("nodes", "groups", "users", "roles", "tokens", "quotas")
_OF_A_FRESH_PLACE = ("allowances", "images", "storage")
_DROPS = {
    "VIEW": sql.SQL("DROP VIEW IF EXISTS {} CASCADE"),
    "TABLE": sql.SQL("DROP TABLE IF EXISTS {} CASCADE"),
    "SEQUENCE": sql.SQL("DROP SEQUENCE IF EXISTS {} CASCADE"),
    "FUNCTION": sql.SQL("DROP FUNCTION IF EXISTS {} CASCADE"),
}
_PIECE_BYTES = 2**18
_LOAD_LOCK_HINT = "stop the server first: hai-up restore does so"


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """What is where a dump should go: how many tasks, and users besides the place's own."""

    tasks: int
    others: list[str]

    @property
    def is_fresh(self) -> bool:
        return not self.tasks and not self.others


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """`users`: whom the place made by itself; `replace`: also where people's things are."""

    users: Sequence[str] = ()
    replace: bool = False
    exact: bool = False


def check(header: Header, migrations: Sequence[Migration]) -> None:
    """InvalidInput where this HAI cannot make the schema of the dump."""
    known = {one.number: one for one in migrations}
    for number, name, digest in header.migrations:
        if number not in known:
            raise InvalidInput(
                f"the backup is newer than this HAI: it has migration {number} ({name})",
                hint=f"install HAI {header.version} or a newer one: hai-up upgrade --tools",
            )
        if not known[number].is_recorded_as(digest):
            raise InvalidInput(
                f"migration {number} ({name}) of the backup is not the one that this HAI has",
                hint=f"restore it with the HAI that wrote it: {header.version}",
            )


def target_of(connection: Connection[Any], users: Sequence[str]) -> LoadTarget:
    """The target must have this HAI's schema."""
    row = connection.execute(load_queries()["place_counts"], {"users": list(users)}).fetchone()
    assert row is not None  # noqa: S101 - it is one row
    return LoadTarget(int(row[0]), list(row[1]))


def load(url: str, source: BinaryIO, order: LoadOrder) -> tuple[Header, LoadTarget]:
    """Fill the database from a dump. Conflict: a server runs, or it holds what people made.
    InvalidInput: the dump is damaged or newer. After an error the database is as it was."""
    queries, migrations = load_queries(), load_migrations()
    with (
        whole(),
        gzip.GzipFile(fileobj=source, mode="rb") as stream,
        connected(url) as connection,
    ):
        header = Header.of(read_line(stream))
        check(header, migrations)
        _require_no_leader(connection)
        with connection.transaction():
            connection.execute(queries["begin_load"])
            target = LoadTarget(0, []) if order.exact else target_of(connection, order.users)
            if not (order.exact or order.replace or target.is_fresh):
                raise refusal(target)
            _Load(connection, migrations, header, order, target.is_fresh).go(stream)
    return header, target


def refusal(target: LoadTarget) -> Conflict:
    """Why a dump is not loaded over people's things."""
    what = [f"{target.tasks} tasks"] if target.tasks else []
    what += [f"user {name}" for name in target.others[:3]]
    return Conflict(
        f"the database there is not fresh, it holds {', '.join(what)}",
        hint="hai-up restore FILE --replace takes its place; hai-up backup keeps it",
    )


def _require_no_leader(connection: Connection[Any]) -> None:
    row = connection.execute(load_queries()["lock_against_leaders"]).fetchone()
    if not (row and row[0]):
        raise Conflict("a server works on this database", hint=_LOAD_LOCK_HINT)


class _Load:
    """Inside one transaction."""

    def __init__(
        self,
        connection: Connection[Any],
        migrations: Sequence[Migration],
        header: Header,
        order: LoadOrder,
        is_fresh: bool,
    ) -> None:
        self._connection = connection
        self._queries = load_queries()
        self._migrations = migrations
        self._header = header
        self._order = order
        self._is_fresh = is_fresh

    def go(self, stream: Any) -> None:
        users = {"users": list(self._order.users)}
        term = self._highest_term()
        if not self._order.exact:
            for name in _KEPT:
                self._run(f"keep_{name}", users if name in ("users", "tokens") else None)
        self._drop_ours()
        self._migrate(0, self._header.schema)
        self._fill(stream)
        if not self._order.exact:
            self._migrate(self._header.schema, len(self._migrations))
            self._settle()
        if self._has("leadership"):
            self._run("next_term", {"term": term})

    def _run(self, query: str, parameters: dict[str, Any] | None = None) -> Any:
        return self._connection.execute(self._queries[query], parameters)

    def _has(self, table: str) -> bool:
        return bool(tables_of(self._connection, [table]))

    def _highest_term(self) -> int:
        if not self._has("leadership"):
            return 0
        row = self._run("highest_term").fetchone()
        return int(row[0] or 0)

    def _drop_ours(self) -> None:
        self._drop(MIGRATIONS, "TABLE")
        for kind in _DROPS:
            for name in made_by(self._migrations, kind):
                self._drop(name, kind)

    def _drop(self, name: str, kind: str) -> None:
        self._connection.execute(_DROPS[kind].format(sql.Identifier(name)))

    def _migrate(self, after: int, last: int) -> None:
        if not after:
            self._run("create_migrations")
        for one in self._migrations[after:last]:
            self._connection.execute(one.sql.encode())
            record = {"number": one.number, "name": one.name, "sha256": one.sha256}
            self._run("record_migration", record)

    def _fill(self, stream: Any) -> None:
        names = made_by(self._migrations[: self._header.schema], "TABLE")
        known = {table.name: table for table in tables_of(self._connection, names)}
        rows: dict[str, int] = {}
        while "table" in (line := read_line(stream)):
            table = known.pop(line["table"], None)
            if table is None or sorted(line["columns"]) != sorted(table.columns):
                raise InvalidInput(f"the dump's table {line['table']!r} is not one of its schema")
            rows[table.name] = self._copy_in(StoredTable(table.name, line["columns"]), stream)
        if rows != line.get("rows") or known:
            raise InvalidInput("the dump is not whole: rows or tables are missing")
        self._set_sequences(line["sequences"], list(rows))

    def _copy_in(self, table: StoredTable, stream: Any) -> int:
        count = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table.name))
        row = self._connection.execute(count).fetchone()
        if row and row[0]:  # what the migrations put there
            self._connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))
        cursor = self._connection.cursor()
        with cursor.copy(copy_command(table, "FROM STDIN")) as copied:
            for piece in _pieces(stream):
                copied.write(piece)
        return cursor.rowcount

    def _set_sequences(self, values: dict[str, list[Any]], tables: list[str]) -> None:
        found = [StoredTable(name, []) for name in tables]
        for name in sequences_of(self._connection, found):
            last, is_called = values[name]
            self._connection.execute("SELECT setval(%s, %s, %s)", (name, last, is_called))

    def _settle(self) -> None:
        """Whatever belongs to a place is this place's."""
        for query in ("forget_nodes", "forget_timebase", "end_pause"):
            self._run(query)
        for name in _OF_THE_PLACE + (_OF_A_FRESH_PLACE if self._is_fresh else ()):
            self._run(f"put_back_{name}")


def _pieces(stream: Any) -> Iterator[bytes]:
    """The rows of one table, up to the line that ends them."""
    piece = bytearray()
    while (line := stream.readline()) != END_OF_ROWS:
        if not line.endswith(b"\n"):
            raise EOFError("it ends within a table")
        piece += line
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
