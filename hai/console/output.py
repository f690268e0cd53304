"""The only owner of stdout: data, as a table for people or in a format for programs.

A command gives items (the server's views) and columns; everything else is the reader's choice:
-o table|wide|json|yaml|jsonl|name|csv, --fields, --sort, --no-headers, --no-trunc.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any, TextIO

from hai.console.formats import (
    csv_pieces,
    json_line,
    json_of,
    json_pieces,
    text_of,
    yaml_of,
    yaml_pieces,
)
from hai.console.ordering import ordered
from hai.console.terminal import Palette, cut_to, output_width, printable, safe_stream, text_width
from hai.core.visible import undisputed
from hai.errors import InvalidInput

SCHEMA_VERSION = 1
_ONE_LINE = {ord("\n"): " ", ord("\t"): " "}
Item = Mapping[str, Any]


class ReaderGone(Exception):  # no error: `hai-cli list | head -1` is fine
    """Nobody reads stdout any more. Not an OSError: Typer would end the process with 1."""


@contextmanager
def _reader_watched() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise ReaderGone from None


class Format(StrEnum):
    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    JSONL = "jsonl"
    NAME = "name"
    CSV = "csv"

    @property
    def is_for_people(self) -> bool:
        return self in (Format.TABLE, Format.WIDE)


def parse_format(text: str) -> Format:
    """InvalidInput names the formats."""
    try:
        return Format(text)
    except ValueError:
        raise InvalidInput(
            f"{text!r} is no output format", hint=f"choose one of {', '.join(Format)}"
        ) from None


@dataclass(frozen=True, slots=True)
class Column:
    """`key` is what --fields and --sort know; `show` renders a cell (the plain value by default).

    `wide` columns appear under -o wide only, `narrow` ones under -o table only. `paint` gives a
    colour for the cell; `cut` allows shortening it where the terminal is too narrow.
    """

    key: str
    header: str
    show: Callable[[Item], str] | None = None
    wide: bool = False
    narrow: bool = False
    right: bool = False
    cut: bool = False
    paint: Callable[[Item], str] | None = None


@dataclass(frozen=True, slots=True)
class ListLayout:
    """How one kind of thing is listed: its columns, the key that names it, all its fields."""

    columns: tuple[Column, ...]
    name: str
    fields: tuple[str, ...]


@dataclass(slots=True)
class Output:
    """One command's stdout."""

    format: Format = Format.TABLE
    fields: tuple[str, ...] = ()
    headers: bool = True
    sort: str = ""
    truncate: bool = True
    stream: TextIO = field(default_factory=lambda: sys.stdout)
    palette: Palette = field(default_factory=lambda: Palette(enabled=False))
    width: int | None = None
    _has_text: bool = field(default=False, init=False)  # unflushed, maybe

    def __post_init__(self) -> None:
        self.stream = safe_stream(self.stream)
        if self.width is None:
            self.width = output_width(self.stream)

    def rows(
        self, items: Iterable[Item], layout: ListLayout, *, first: int = 0, count: int | None = None
    ) -> None:
        """A list of things, or `count` of them behind the `first` in their order here. An empty one
        is no error. Programs get each item as soon as it is there; wrong fields are refused before
        the first is asked for."""
        if self.fields == ("help",):
            self._field_help(layout)
            return
        self.require_known(layout)
        chosen = self._sorted(items, layout)
        if first or count is not None:
            chosen = islice(chosen, first, None if count is None else first + count)
        for piece in self._pieces(chosen, layout):
            self.raw(piece)
        self.flush()

    def item(self, item: Item, layout: ListLayout) -> None:
        """One thing: JSON and YAML show it without a list around it."""
        if self.fields == ("help",):
            self._field_help(layout)
        elif self.format in (Format.JSON, Format.YAML):
            self._write(self._document(self._chosen(item, layout)))
        else:
            self._write(self.render([item], layout))

    def document(self, document: Any, *, as_json: bool = False) -> None:
        """A nested document: YAML for people, JSON when asked for, as one line for -o jsonl."""
        if self.format is Format.JSONL:
            self._write(json_line(document))
        else:
            as_json = as_json or self.format is Format.JSON
            self._write(json_of(document) if as_json else yaml_of(document))

    def text(self, text: str) -> None:
        """Plain lines for people."""
        self._write(text if text.endswith("\n") or not text else text + "\n")

    def raw(self, text: str) -> None:
        """A program's own words, undecoded bytes and control characters included; not flushed."""
        with _reader_watched():
            self._has_text = True
            self.stream.write(text)

    def program(self, data: bytes) -> None:
        """A program's bytes: a terminal gets stand-ins for what is no text, all others get them as
        they are; not flushed."""
        with _reader_watched():
            buffer = getattr(self.stream, "buffer", None)
            if buffer is None or self.is_terminal:
                self.stream.write(data.decode("utf-8", "replace"))
            else:
                if self._has_text:
                    self.stream.flush()
                    self._has_text = False
                buffer.write(data)

    @property
    def is_terminal(self) -> bool:
        return self.stream.isatty()

    def flush(self) -> None:
        with _reader_watched():
            self.stream.flush()

    def render(self, items: Iterable[Item], layout: ListLayout) -> str:
        """What `rows` prints, with line ends, as it comes."""
        return "".join(self._pieces(items, layout))

    def _pieces(self, items: Iterable[Item], layout: ListLayout) -> Iterator[str]:
        chosen = (self._chosen(item, layout) for item in items)
        match self.format:
            case Format.NAME:
                return (f"{printable(text_of(item[layout.name]))}\n" for item in items)
            case Format.JSON:
                return json_pieces(chosen)
            case Format.YAML:
                return yaml_pieces(chosen)
            case Format.JSONL:
                return map(json_line, chosen)
            case Format.CSV:
                return csv_pieces(items, self._keys(layout), headers=self.headers)
            case Format.TABLE | Format.WIDE:
                return iter([self._table(list(items), self._columns(layout))])

    def require_known(self, layout: ListLayout) -> None:
        """InvalidInput for fields that this list does not have."""
        for name in (*self.fields, *([self.sort.lstrip("-")] if self.sort else ())):
            self._known(name, layout)

    def _sorted(self, items: Iterable[Item], layout: ListLayout) -> Iterable[Item]:
        if not self.sort:
            return items
        key = self._known(self.sort.lstrip("-"), layout)
        return ordered(items, key, reverse=self.sort[0] == "-")

    def _known(self, name: str, layout: ListLayout) -> str:
        by_header = {column.header.lower(): column.key for column in layout.columns}
        if name in layout.fields:
            return name
        if name.lower() in by_header:
            return by_header[name.lower()]
        raise InvalidInput(
            f"{name!r} is no field of this list", hint=f"choose from {', '.join(layout.fields)}"
        )

    def _chosen(self, item: Item, layout: ListLayout) -> Item:
        if self.fields:
            keys = [self._known(name, layout) for name in self.fields]
            return {key: item.get(key) for key in keys}
        if "schema_version" in item:
            return item
        return {"schema_version": SCHEMA_VERSION, **item}

    def _columns(self, layout: ListLayout) -> list[Column]:
        if self.fields:
            shown = {column.key: column for column in layout.columns if not column.narrow}
            keys = [self._known(name, layout) for name in self.fields]
            return [shown.get(key) or Column(key, key.upper()) for key in keys]
        wide = self.format is Format.WIDE
        return [c for c in layout.columns if not (c.narrow if wide else c.wide)]

    def _keys(self, layout: ListLayout) -> list[str]:
        keys = [self._known(name, layout) for name in self.fields]
        return keys or list(dict.fromkeys(column.key for column in layout.columns))

    def _table(self, items: Sequence[Item], columns: Sequence[Column]) -> str:
        cells = [[_cell(item, column) for column in columns] for item in items]
        head = [[column.header for column in columns]] if self.headers else []
        widths = [
            max([text_width(row[i]) for row in head + cells], default=0) for i in _span(columns)
        ]
        if self.truncate and self.width is not None:
            widths = _fit(widths, columns, self.width)
        lines = [self._line(row, columns, widths, None) for row in head]
        for row, item in zip(cells, items, strict=True):
            lines.append(self._line(row, columns, widths, item))
        return "".join(line + "\n" for line in lines)

    def _line(
        self,
        row: Sequence[str],
        columns: Sequence[Column],
        widths: Sequence[int],
        item: Item | None,
    ) -> str:
        parts = []
        for index, (text, column, width) in enumerate(zip(row, columns, widths, strict=True)):
            text = cut_to(text, width)
            blanks = " " * (width - text_width(text))
            if item is None:
                text = self.palette.paint(text, "dim")
            elif column.paint and (colour := column.paint(item)):
                text = self.palette.paint(text, colour)
            is_last = index == len(columns) - 1
            parts.append(blanks + text if column.right else text + ("" if is_last else blanks))
        return "  ".join(parts).rstrip()

    def _field_help(self, layout: ListLayout) -> None:
        self._write("".join(f"{name}\n" for name in layout.fields))

    def _document(self, document: Any) -> str:
        return json_of(document) if self.format is Format.JSON else yaml_of(document)

    def _write(self, text: str) -> None:
        self.raw(text)
        self.flush()


def _span(columns: Sequence[Column]) -> range:
    return range(len(columns))


def _fit(widths: Sequence[int], columns: Sequence[Column], total: int) -> list[int]:
    """Takes what is missing from the columns that may be cut, the widest first."""
    fitted = list(widths)
    over = sum(fitted) + 2 * (len(fitted) - 1) - total
    while over > 0:
        able = [i for i in _span(columns) if columns[i].cut and fitted[i] > 8]
        if not able:
            break
        widest = max(able, key=lambda i: fitted[i])
        fitted[widest] -= 1
        over -= 1
    return fitted


def _cell(item: Item, column: Column) -> str:
    shown = column.show(item) if column.show else text_of(item.get(column.key))
    return printable(undisputed(shown.translate(_ONE_LINE)))
