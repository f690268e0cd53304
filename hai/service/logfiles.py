"""Reads the log segments that agents write: `<attempt dir>/<rank>.<offset, 20 digits>.log`.

`offset` is the absolute byte offset of a segment's first byte in its rank's log, so a position is
one number that stays true when old segments are deleted. Every line starts with a 29-character
time prefix; text that has none (a line cut by rotation) belongs to the line before.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

PREFIX_LENGTH = 29
CHUNK_BYTES = 256 * 1024
LONGEST_LINE_BYTES = 1024 * 1024  # a longer one is handed out in pieces of this size

_SEGMENT = re.compile(r"(\d+)\.(\d{20})\.log")
_PREFIX = re.compile(rb"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6})\] ")


@dataclass(frozen=True, slots=True)
class Line:
    """`at` is Unix seconds; `end` the absolute offset behind the line."""

    rank: int
    at: float
    text: str
    end: int


@dataclass(frozen=True, slots=True)
class Segment:
    rank: int
    offset: int
    path: Path


def segments(directory: Path) -> dict[int, list[Segment]]:
    """Segments by rank, oldest first; {} when there is no such directory (yet)."""
    found: dict[int, list[Segment]] = {}
    try:
        names = [entry.name for entry in directory.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return {}
    for name in names:
        match = _SEGMENT.fullmatch(name)
        if match:
            segment = Segment(int(match[1]), int(match[2]), directory / name)
            found.setdefault(segment.rank, []).append(segment)
    for rank in found:
        found[rank].sort(key=lambda segment: segment.offset)
    return found


class RankTail:
    """Reads one rank's log forward; call `fill` again when more may be there.

    `position` is the absolute offset behind the last line that was popped; `lost_bytes` counts
    what rotation removed before it could be read.
    """

    def __init__(self, directory: Path, rank: int, position: int = 0) -> None:
        self.rank = rank
        self.position = position
        self.lost_bytes = 0
        self.lines: deque[Line] = deque()
        self._directory = directory
        self._read = position  # bytes before this offset were read
        self._taken = position  # bytes before this offset are in `lines` or were popped
        self._partial = b""
        self._last_at = 0.0

    def fill(self, *, final: bool = False) -> bool:
        """Read one chunk into `lines`; False when there was nothing to read.

        An unfinished last line is kept back until it is complete, unless `final`.
        """
        data = self._read_chunk()
        if not data:
            if final and self._partial:
                self._take(self._partial)
                self._partial = b""
            return False
        *whole, rest = (self._partial + data).split(b"\n")
        for line in whole:
            self._take(line, newline=1)
        while len(rest) > LONGEST_LINE_BYTES:
            self._take(rest[:LONGEST_LINE_BYTES])
            rest = rest[LONGEST_LINE_BYTES:]
        self._partial = rest
        return True

    def _read_chunk(self) -> bytes:
        mine = segments(self._directory).get(self.rank, [])
        if mine and self._read < mine[0].offset:
            self.lost_bytes += mine[0].offset - self._taken
            self._read = self._taken = mine[0].offset
            self._partial = b""
        for index, segment in enumerate(mine):
            following = mine[index + 1].offset if index + 1 < len(mine) else None
            if self._read < segment.offset or (following is not None and self._read >= following):
                continue
            try:
                with segment.path.open("rb") as file:
                    file.seek(self._read - segment.offset)
                    data = file.read(CHUNK_BYTES)
            except FileNotFoundError:  # rotated away between listing and opening
                return b""
            self._read += len(data)
            return data
        return b""

    def _take(self, raw: bytes, newline: int = 0) -> None:
        self._taken += len(raw) + newline
        match = _PREFIX.match(raw)
        if match:
            self._last_at = datetime.fromisoformat(f"{match[1].decode()}+00:00").timestamp()
            raw = raw[PREFIX_LENGTH:]
        text = raw.decode("utf-8", "replace").rstrip("\r")
        self.lines.append(Line(self.rank, self._last_at, text, self._taken))

    def pop(self) -> Line:
        """The oldest unread line; `position` moves behind it."""
        line = self.lines.popleft()
        self.position = line.end
        return line


def merge(tails: Sequence[RankTail], *, final: bool = False) -> Iterator[Line]:
    """Lines of several ranks in order of time, as far as what is on disk now allows."""
    while True:
        waiting = [tail for tail in tails if tail.lines or _filled(tail, final=final)]
        if not waiting:
            return
        first = min(waiting, key=lambda tail: (tail.lines[0].at, tail.rank))
        yield first.pop()


def _filled(tail: RankTail, *, final: bool) -> bool:
    while not tail.lines:
        if not tail.fill(final=final):
            return bool(tail.lines)
    return True


def tail_position(directory: Path, rank: int, count: int) -> tuple[int, int]:
    """(absolute offset at which the rank's last `count` lines begin, number of lines from there).

    An unfinished last line counts as one.
    """
    mine = segments(directory).get(rank, [])
    if not mine:
        return 0, 0
    end = mine[-1].offset + mine[-1].path.stat().st_size
    if count == 0 or end == mine[0].offset:
        return end, 0
    found = 0
    for newline in _newlines_backward(mine):
        if newline == end - 1:
            continue  # ends the last line, begins none
        found += 1
        if found == count:
            return newline + 1, found
    return mine[0].offset, found + 1


def _newlines_backward(mine: Sequence[Segment]) -> Iterator[int]:
    """Absolute offsets of line ends, last first."""
    for segment in reversed(mine):
        position = segment.path.stat().st_size
        with segment.path.open("rb") as file:
            while position > 0:
                size = min(CHUNK_BYTES, position)
                position -= size
                file.seek(position)
                block = file.read(size)
                at = block.rfind(b"\n")
                while at >= 0:
                    yield segment.offset + position + at
                    at = block.rfind(b"\n", 0, at)
