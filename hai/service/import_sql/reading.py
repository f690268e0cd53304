"""From the text of init.sql to rows of this platform: pure, nothing is written."""

from collections import Counter
from dataclasses import dataclass
from typing import TypeVar

from hai.service.import_sql.columns import Row
from hai.service.import_sql.statements import Insert, Name, inserts_of
from hai.service.import_sql.tables import PAST, TABLES, Item, meant
from hai.service.import_sql.text import Source

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Placed:
    """`keeps`: a row of its key that is there already wins."""

    item: Item
    at: int
    keeps: bool


@dataclass(frozen=True, slots=True)
class Document:
    """All rows in the order of the file; notes with the number of rows that they are about."""

    source: Source
    rows: tuple[Placed, ...]
    notes: tuple[str, ...]

    def of(self, kind: type[T]) -> list[tuple[T, Placed]]:
        return [(row.item, row) for row in self.rows if isinstance(row.item, kind)]


def read(source: Source, now: float) -> Document:
    """InvalidInput, with line and column, for the first thing that cannot be imported."""
    rows: list[Placed] = []
    notes: Counter[str] = Counter()
    for insert in inserts_of(source):
        name = insert.table.text
        if name in PAST:
            notes[f"table {name} has no part here: left out"] += len(insert.rows)
            continue
        _read_insert(source, insert, now, rows, notes)
    said = tuple(f"{note} ({count} rows)" if count > 1 else note for note, count in notes.items())
    return Document(source, tuple(rows), said)


def _read_insert(
    source: Source, insert: Insert, now: float, rows: list[Placed], notes: Counter[str]
) -> None:
    table = TABLES.get(insert.table.text)
    if table is None:
        what = f"there is no table {insert.table.text!r} to import"
        raise source.error(insert.table.at, what, meant(insert.table.text, TABLES))
    _check_columns(source, insert, (*table.columns, *table.past))
    set_or_key = {name.text for name in (*insert.conflict, *insert.updates)}
    if insert.updates and any(name.text not in set_or_key for name in insert.columns):
        notes[f"{insert.table.text}: ON CONFLICT DO UPDATE writes the whole row"] += 1
    for cells in insert.rows:
        named = {name.text: cell for name, cell in zip(insert.columns, cells, strict=True)}
        found = table.read(Row(source, cells[0].at, named), now)
        rows.extend(Placed(item, cells[0].at, insert.keeps) for item in found.items)
        if found.note:
            notes[found.note] += 1


def _check_columns(source: Source, insert: Insert, known: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for name in (*insert.columns, *insert.conflict, *insert.updates):
        if name.text not in known:
            raise _unknown(source, insert.table, name, known)
    for name in insert.columns:
        if name.text in seen:
            raise source.error(name.at, f"the column {name.text!r} is named twice")
        seen.add(name.text)


def _unknown(source: Source, table: Name, name: Name, known: tuple[str, ...]) -> Exception:
    what = f"{table.text} has no column {name.text!r}"
    return source.error(name.at, what, meant(name.text, known))
