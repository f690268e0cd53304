"""What a dump is made of: lines of JSON with PostgreSQL's COPY text between them, compressed.

    {"hai_dump": 1, "version": ..., "schema": 8, "migrations": [[1, "initial", sha256], ...], ...}
    {"table": "users", "columns": ["name", ...]}
    rows as COPY writes them
    \\.
    {"sequences": {"task_ids": [12, true]}, "rows": {"users": 3}}

The last line says that it is whole. It holds no SQL: tables come from migrations, by number.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any, BinaryIO, Self

from hai.errors import InvalidInput

FORMAT = 1
END_OF_ROWS = b"\\.\n"
_MARK = "hai_dump"
_LINE_BYTES = 2**20  # of a line of ours

_DAMAGED = "the dump is damaged"
_HINT = "take another backup: this one was not written to its end, or was changed"


@dataclass(frozen=True, slots=True)
class Header:
    """`version`: of the HAI that wrote it; `schema`: the last of `migrations`, each with its
    number, name and checksum; `taken_at`: Unix seconds by the database's clock."""

    version: str
    schema: int
    migrations: list[list[Any]]
    taken_at: float

    def line(self) -> bytes:
        return line_of({_MARK: FORMAT, **asdict(self)})

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """InvalidInput: it is none, or of a newer format."""
        found = values.get(_MARK)
        if not isinstance(found, int):
            raise InvalidInput("this is no dump of HAI", hint="hai-up backup writes one")
        if found > FORMAT:
            raise InvalidInput(
                f"the dump has format {found}, and this HAI knows formats up to {FORMAT}",
                hint="restore it with a HAI as new as its own: hai-up upgrade --tools",
            )
        try:
            return cls(**{one.name: values[one.name] for one in fields(cls)})
        except KeyError as error:
            raise InvalidInput(f"{_DAMAGED}: it has no {error.args[0]}", hint=_HINT) from error


def line_of(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def writer(sink: BinaryIO) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=6, mtime=0, filename="")


def read_header(source: BinaryIO) -> Header:
    """Of a dump that is read from its beginning."""
    with whole(), gzip.GzipFile(fileobj=source, mode="rb") as stream:
        return Header.of(read_line(stream))


def read_line(stream: Any) -> dict[str, Any]:
    """One line of ours; InvalidInput if it is none."""
    line: bytes = stream.readline(_LINE_BYTES)
    values = json.loads(line)
    if not isinstance(values, dict):
        raise InvalidInput(_DAMAGED, hint=_HINT)
    return values


@contextmanager
def whole() -> Iterator[None]:
    """Whatever shows that a dump is not as it was written becomes InvalidInput."""
    try:
        yield
    except (EOFError, OSError, zlib.error, ValueError) as error:
        raise InvalidInput(f"{_DAMAGED}: {error}", hint=_HINT) from error
