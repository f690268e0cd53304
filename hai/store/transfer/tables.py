"""Which tables are ours: those that migrations make. Others in the same database are left alone."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from psycopg import Connection

from hai.store.migrate import Migration
from hai.store.queries import load_queries

_MADE = re.compile(r"^CREATE (?:OR REPLACE )?(TABLE|FUNCTION|VIEW|SEQUENCE) (\w+)", re.MULTILINE)
MIGRATIONS = "migrations"  # the list of them, made before the first


@dataclass(frozen=True, slots=True)
class StoredTable:
    """`columns`: those that are stored."""

    name: str
    columns: list[str]


def made_by(migrations: Iterable[Migration], kind: str) -> list[str]:
    """Names of what these migrations make, whether it still is there or not; kind: TABLE, ..."""
    found = [name for one in migrations for made, name in _MADE.findall(one.sql) if made == kind]
    return list(dict.fromkeys(found))


def tables_of(connection: Connection[Any], names: Sequence[str]) -> list[StoredTable]:
    """Those of `names` that there are, each after the ones that it refers to."""
    found = connection.execute(load_queries()["dumped_tables"], {"names": list(names)}).fetchall()
    by_name = {name: StoredTable(name, columns) for name, columns, _ in found}
    order = TopologicalSorter({name: sorted(refers) for name, _, refers in found})
    return [by_name[name] for name in order.static_order() if name in by_name]


def sequences_of(connection: Connection[Any], tables: Iterable[StoredTable]) -> list[str]:
    names = {"names": [table.name for table in tables]}
    rows = connection.execute(load_queries()["dumped_sequences"], names).fetchall()
    return [str(row[0]) for row in rows]
