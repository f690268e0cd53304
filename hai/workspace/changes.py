"""What a push asks for, as a document that a client sends: read strictly, trusted in nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hai.errors import Denied, InvalidInput
from hai.workspace.incoming import DIGEST
from hai.workspace.places import names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hai.workspace.listing import Stamp

_LONGEST_LINK = 4095  # bytes


@dataclass(frozen=True)
class NewFile:
    """A file or link to be put at `path`, where `old` stands now (None: nothing).

    Its content is its chunks, each of the size that both agreed on, the last one shorter; those in
    `kept` (first, count) are where they were in the old file.
    """

    path: str
    mode: int
    mtime_ns: int
    size: int
    chunks: tuple[str, ...]
    kept: tuple[tuple[int, int], ...] = ()
    old: Stamp | None = None
    link: str | None = None

    @property
    def fresh(self) -> list[int]:
        """The chunks, by number, that come from outside."""
        if not self.kept:
            return list(range(len(self.chunks)))
        held = {index for first, count in self.kept for index in range(first, first + count)}
        return [index for index in range(len(self.chunks)) if index not in held]


@dataclass(frozen=True)
class Changes:
    """`removed` are paths with what stands there now; `directories` are the modes of those that
    have to be made, `modes` those of directories that are there. `clear`: what is in the way of a
    file goes, if it is a file, a link or an empty directory."""

    files: tuple[NewFile, ...] = ()
    removed: Mapping[str, Stamp | None] = field(default_factory=dict)
    directories: Mapping[str, int] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)
    clear: bool = False
    mode: int = 0o700  # of the folder itself, where it is new
    origin: str = ""  # to be kept as origin.json


def read_changes(data: bytes, chunk_bytes: int) -> Changes:
    """InvalidInput for what cannot be understood; Denied for a path that leads out."""
    try:
        document = json.loads(data)
        changes = Changes(
            files=tuple(_file(row, chunk_bytes) for row in document.get("files", ())),
            removed={_path(name): _stamp(old) for name, old in document["removed"].items()},
            directories={_path(name): _mode(one) for name, one in document["directories"].items()},
            modes={_path(name): _mode(one) for name, one in document["modes"].items()},
            clear=bool(document["clear"]),
            mode=_mode(document["mode"]) | 0o700,
            origin=str(document["origin"])[:65536],
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise InvalidInput(f"the list of changes cannot be read: {error}"[:300]) from None
    _check_tree(changes)
    return changes


def _file(row: Any, chunk_bytes: int) -> NewFile:
    path, mode, mtime_ns, size, chunks, kept, old, link = row
    found = NewFile(
        _path(path),
        _mode(mode),
        int(mtime_ns),
        int(size),
        tuple(_digest(one) for one in chunks),
        tuple((int(first), int(count)) for first, count in kept),
        _stamp(old),
        None if link is None else _link(link),
    )
    wanted = 0 if link is not None else -(-found.size // chunk_bytes)
    is_in_time = 0 <= found.mtime_ns < 2**63
    if found.size < 0 or len(found.chunks) != wanted or not is_in_time:
        raise ValueError(f"size, time and chunks of {found.path[:80]!r} do not go together")
    last = 0
    for first, count in found.kept:
        if first < last or count < 1 or first + count > wanted or found.old is None:
            raise ValueError(f"what is kept of {found.path[:80]!r} makes no sense")
        last = first + count
    return found


def _path(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a path must be text")
    names_of(value)
    return value


def _link(value: Any) -> str:
    """Where it points is the user's affair: no link is ever followed here."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("a link must point somewhere")
    if len(value.encode("utf-8", "surrogateescape")) > _LONGEST_LINK:
        raise ValueError("a link is too long")
    return value


def _mode(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value <= 0o777:
        raise ValueError("permissions are nine bits")
    return value


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not DIGEST.fullmatch(value):
        raise ValueError("a digest has 64 hexadecimal digits")
    return value


def _stamp(value: Any) -> Stamp | None:
    if value is None:
        return None
    size, mtime, ctime, inode = (int(one) for one in value)
    return size, mtime, ctime, inode


def _check_tree(changes: Changes) -> None:
    """No path twice, and none that is a file and a directory at once: a link among the new files
    is no way to anywhere."""
    paths = {one.path for one in changes.files}
    if len(paths) != len(changes.files):
        raise InvalidInput("a path is named twice in the list of changes")
    for path in [*paths, *changes.directories]:
        above = path.rpartition("/")[0]
        while above:
            if above in paths:
                raise Denied(f"{path[:200]!r} lies in a file or link", hint="nothing was changed")
            above = above.rpartition("/")[0]
