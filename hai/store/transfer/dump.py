"""All our tables as they are at one moment, while everybody goes on working."""

import gzip
from typing import Any, BinaryIO

from psycopg import Connection, IsolationLevel, sql

from hai.errors import NotFound
from hai.store.migrate import load_migrations
from hai.store.queries import load_queries
from hai.store.transfer.connect import connected
from hai.store.transfer.format import END_OF_ROWS, Header, line_of, writer
from hai.store.transfer.tables import StoredTable, made_by, sequences_of, tables_of


def dump(url: str, sink: BinaryIO, *, version: str) -> Header:
    """Write a dump; the database may be of an older schema than this HAI's. NotFound: HAI has not
    been there. Unavailable: the database does not answer."""
    queries = load_queries()
    with connected(url) as connection:
        if not connection.execute(queries["has_migrations"]).fetchone()[0]:  # type: ignore[index]
            raise NotFound("the database is empty: there is nothing to back up", hint="hai-up run")
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction(), writer(sink) as out:
            header = header_of(connection, version)
            out.write(header.line())
            names = made_by(load_migrations(), "TABLE")
            tables = tables_of(connection, names)
            rows = {table.name: _copy_out(connection, table, out) for table in tables}
            out.write(line_of({"sequences": _sequences(connection, tables), "rows": rows}))
    return header


def header_of(connection: Connection[Any], version: str) -> Header:
    queries = load_queries()
    applied = [list(row) for row in connection.execute(queries["applied_migrations"]).fetchall()]
    moment = connection.execute(queries["dump_moment"]).fetchone()
    assert moment is not None  # noqa: S101 - it is one row
    return Header(version, applied[-1][0] if applied else 0, applied, moment[0])


def _copy_out(connection: Connection[Any], table: StoredTable, out: gzip.GzipFile) -> int:
    out.write(line_of({"table": table.name, "columns": table.columns}))
    cursor = connection.cursor()
    with cursor.copy(copy_command(table, "TO STDOUT")) as copied:
        for rows in copied:
            out.write(rows)
    out.write(END_OF_ROWS)
    return cursor.rowcount


def copy_command(table: StoredTable, way: str) -> sql.Composed:
    """way: TO STDOUT or FROM STDIN."""
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    text = "COPY {} ({}) TO STDOUT" if way == "TO STDOUT" else "COPY {} ({}) FROM STDIN"
    return sql.SQL(text).format(sql.Identifier(table.name), columns)


def _sequences(connection: Connection[Any], tables: list[StoredTable]) -> dict[str, list[Any]]:
    found = {}
    for name in sequences_of(connection, tables):
        query = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(name))
        found[name] = list(connection.execute(query).fetchone() or ())
    return found
