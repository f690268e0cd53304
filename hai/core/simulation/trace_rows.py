"""Reads traces: HAI's own columns as CSV, or what `sacct --parsable2` prints.

A row may leave any field empty that its source does not carry, but for the time of submission,
the duration, and one of nodes and GPUs.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import chain

from hai.core.simulation.jobs import Job, Trace, check_text, in_order
from hai.core.simulation.sacct import read_sacct
from hai.core.types import Priority
from hai.errors import InvalidInput

COLUMNS = (
    "job_id",
    "submit_time_s",
    "duration_s",
    "nodes",
    "gpus",
    "user",
    "vc",
    "priority",
    "status",
)
MOST_SECONDS = 1e10  # three centuries: what is more is no seconds, and would never end
_NEEDED = ("submit_time_s", "duration_s")
_FORMATS = f"a trace's columns are {','.join(COLUMNS)}, or those of `sacct --parsable2`"


def read_trace(lines: Iterable[str]) -> Trace:
    """The trace that these lines hold; the first one names the columns.

    Raises InvalidInput with the line and what is wrong with it.
    """
    rest = iter(lines)
    head = next(rest, "").lstrip("\ufeff").rstrip("\r\n")
    if not head.strip():
        raise InvalidInput("the trace is empty", hint=_FORMATS)
    if "\0" in head or head.startswith("\udcff\udcfe"):
        raise InvalidInput("the trace is no text in UTF-8", hint=_FORMATS)
    if "|" in head:
        return read_sacct(head, rest)
    return Trace(in_order(_rows(chain([head], rest))))


def _rows(lines: Iterable[str]) -> Iterator[Job]:
    reader = csv.reader(lines)
    try:
        columns = [name.strip() for name in next(reader)]
        _check_columns(columns)
        for row in reader:
            if row:
                yield _job(_Row(columns, row, reader.line_num), reader.line_num)
    except csv.Error as error:
        raise InvalidInput(f"line {reader.line_num}: {error}", hint=_FORMATS) from None


def _check_columns(columns: Sequence[str]) -> None:
    missing = [name for name in _NEEDED if name not in columns]
    if not {"nodes", "gpus"} & set(columns):
        missing.append("nodes")
    if missing:
        close = get_close_matches(missing[0], columns, n=1, cutoff=0.5)
        meant = f"is {close[0]!r} meant for it? " if close else ""
        raise InvalidInput(f"line 1: no column {missing[0]}", hint=meant + _FORMATS)


class _Row:
    """Fields of one line by column name; an absent column is an empty field."""

    __slots__ = ("_fields", "_line")

    def __init__(self, columns: Sequence[str], row: Sequence[str], line: int) -> None:
        if len(row) != len(columns):
            raise InvalidInput(
                f"line {line}: {len(row)} fields under {len(columns)} columns",
                hint="an empty field still has its comma",
            )
        self._fields = dict(zip(columns, row, strict=True))
        self._line = line

    def text(self, name: str) -> str:
        text = self._fields.get(name, "").strip()
        check_text(text, name, self._line)
        return text

    def seconds(self, name: str) -> float:
        """A time of the row, which must be there."""
        text = self.text(name)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value <= MOST_SECONDS:
            raise self._wrong(name, f"a number of seconds, 0 to {MOST_SECONDS:,.0f}")
        return value

    def count(self, name: str) -> int:
        """0 when the field is empty."""
        text = self.text(name)
        if not text:
            return 0
        if not (text.isascii() and text.isdigit()):
            raise self._wrong(name, "a whole number")
        return int(text)

    def level(self) -> Priority | None:
        text = self.text("priority").upper()
        if not text:
            return None
        for level in Priority:
            if text in (level.name, str(level.value)):
                return level
        raise self._wrong("priority", f"one of {', '.join(level.name for level in Priority)}")

    def _wrong(self, name: str, wanted: str) -> InvalidInput:
        text = self.text(name)
        found = repr(text) if text else "empty"
        return InvalidInput(
            f"line {self._line}: {name} is {found}, and must be {wanted}",
            hint="correct the line or take it out",
        )


def _job(row: _Row, line: int) -> Job:
    nodes, gpus = row.count("nodes"), row.count("gpus")
    if nodes == gpus == 0:
        raise InvalidInput(
            f"line {line}: neither nodes nor gpus says how wide the job is",
            hint="give one of them, 1 or more",
        )
    return Job(
        number=line,
        id=row.text("job_id") or f"line {line}",
        submit_s=row.seconds("submit_time_s"),
        duration_s=row.seconds("duration_s"),
        nodes=nodes,
        gpus=gpus,
        user=row.text("user"),
        vc=row.text("vc"),
        priority=row.level(),
        status=row.text("status"),
    )
