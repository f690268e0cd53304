"""Reads the log segments that agents write: `<attempt dir>/<rank>.<offset, 20 digits>.log`.

`offset` is the absolute byte offset of a segment's first byte in its rank's log, so a position is
one number that stays true when old segments are deleted. Every line starts with a 29-character
time prefix; text that has none (a line cut by rotation) belongs to the line before.

A line that has no end yet is handed out as it stands, in pieces: all but the last are `is_open`.
Joined, the pieces are what the program wrote, byte for byte, and no piece ends within a character.
"""

import os
import re
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hai.core.moments import unix_seconds

PREFIX_LENGTH = 29
CHUNK_BYTES = 256 * 1024

_SEGMENT = re.compile(r"(\d+)\.(\d{20})\.log")
_PREFIX = re.compile(rb"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6})\] ")


@dataclass(frozen=True, slots=True)
class Line:
    """A line or a piece of one. `at` is Unix seconds, of the line's first byte; `data` has neither
    time prefix nor line end; `end` is the absolute offset behind it; `is_open`: the line goes on
    in the next piece of this rank, or has no end (yet)."""

    rank: int
    at: float
    data: bytes
    end: int
    is_open: bool = False

    @property
    def text(self) -> str:
        """For people: what cannot be decoded is replaced."""
        return self.data.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Segment:
    rank: int
    offset: int
    path: Path


def segments(directory: Path) -> dict[int, list[Segment]]:
    """Segments by rank, oldest first; {} when there is no such directory (yet)."""
    found: dict[int, list[Segment]] = {}
    try:
        with os.scandir(directory) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
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


def _opened(path: Path) -> BinaryIO:
    """The segment itself, or FileNotFoundError. Where tasks are pods, users own their log folders:
    a link there, to another user's log or to a file of this machine, is not followed."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise FileNotFoundError(f"{path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(f"{path} is no file")
        # <task>/<attempt>/<segment>: a folder in place of which a link stands has other names
        real = Path(f"/proc/self/fd/{descriptor}").readlink()
        if real.parts[-3:] != path.parts[-3:]:
            raise FileNotFoundError(f"{path} leads elsewhere")
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


class RankTail:
    """Reads one rank's log forward; call `fill` again when more may be there.

    `position` is the absolute offset behind the last line that was popped; `lost_bytes` counts
    what rotation removed before it could be read. Nothing is read from `limit` on, which is the end
    of a piece that somebody else has read.
    """

    def __init__(
        self, directory: Path, rank: int, position: int = 0, limit: int | None = None
    ) -> None:
        self.rank = rank
        self.position = position
        self._limit = limit
        self.lost_bytes = 0
        self.lines: deque[Line] = deque()
        self._directory = directory
        self._read = position  # bytes before this offset were read
        self._taken = position  # bytes before this offset are in `lines` or were popped
        self._held = b""  # between these two
        self._is_inside = False  # `_taken` lies within a line
        self._has_begun = position == 0  # else: whether it does is to be found out
        self._last_at = 0.0

    def fill(self, *, final: bool = False) -> bool:
        """Read one chunk into `lines`; False when there was nothing to read.

        What there is of an unfinished line becomes a piece, up to its last whole character unless
        `final`.
        """
        data = self._read_chunk()
        *whole, self._held = (self._held + data).split(b"\n")
        for line in whole:
            self._take(line, newline=1)
        if not data or len(self._held) >= CHUNK_BYTES:
            self._take_open(final=final or self._read == self._limit)
        return bool(data)

    def _read_chunk(self) -> bytes:
        most = CHUNK_BYTES if self._limit is None else min(CHUNK_BYTES, self._limit - self._read)
        if most <= 0:
            return b""
        mine = segments(self._directory).get(self.rank, [])
        if mine and not self._has_begun:
            self._begin(mine)
        if mine and self._read < mine[0].offset:
            self.lost_bytes += mine[0].offset - self._taken
            self._read = self._taken = mine[0].offset
            self._held, self._is_inside = b"", False
            if not self.lines:
                self.position = self._taken
        for index, segment in enumerate(mine):
            following = mine[index + 1].offset if index + 1 < len(mine) else None
            if self._read < segment.offset or (following is not None and self._read >= following):
                continue
            try:
                with _opened(segment.path) as file:
                    file.seek(self._read - segment.offset)
                    data = file.read(most)
            except FileNotFoundError:  # rotated away between listing and opening
                return b""
            self._read += len(data)
            return data
        return b""

    def _begin(self, mine: Sequence[Segment]) -> None:
        """Finds out whether the first byte to read lies within a line, and when that began."""
        self._has_begun = True
        if self._read <= mine[0].offset:
            return
        start = next(_newlines_backward(mine, self._read), mine[0].offset - 1) + 1
        self._is_inside = start < self._read
        if self._is_inside:
            match = _PREFIX.match(_read_at(mine, start, PREFIX_LENGTH))
            self._last_at = _time_of(match) if match else 0.0

    def _take_open(self, *, final: bool) -> None:
        """The beginning of a line whose end is not there yet."""
        piece = self._held
        if not final:
            piece = piece[: _whole_characters(piece)]
            if not self._is_inside and _is_prefix_only(piece):
                return
        if piece:
            self._held = self._held[len(piece) :]
            self._take(piece)

    def _take(self, raw: bytes, newline: int = 0) -> None:
        self._taken += len(raw) + newline
        match = None if self._is_inside else _PREFIX.match(raw)
        if match:
            self._last_at = _time_of(match)
            raw = raw[PREFIX_LENGTH:]
        self._is_inside = not newline
        self.lines.append(Line(self.rank, self._last_at, raw, self._taken, is_open=not newline))

    def pop(self) -> Line:
        """The oldest unread line; `position` moves behind it."""
        line = self.lines.popleft()
        self.position = line.end
        return line


def _time_of(prefix: re.Match[bytes]) -> float:
    return unix_seconds(f"{prefix[1].decode()}+00:00")


def _is_prefix_only(start: bytes) -> bool:
    """`start` may be a prefix, or the beginning of one, with nothing behind it."""
    return len(start) <= PREFIX_LENGTH and start[:1] in (b"", b"[")


def _whole_characters(data: bytes) -> int:
    """How many bytes there are before a UTF-8 character that has begun at the end of `data`."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if back < length else len(data)
        if byte < 0x80:
            break
    return len(data)


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
    end = end_position(mine)
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


def end_position(mine: Sequence[Segment]) -> int:
    """The absolute offset behind all that there is of a rank's log."""
    return mine[-1].offset + mine[-1].path.stat().st_size if mine else 0


def _newlines_backward(mine: Sequence[Segment], before: int | None = None) -> Iterator[int]:
    """Absolute offsets of line ends (in front of `before`), last first."""
    for segment in reversed(mine):
        position = segment.path.stat().st_size
        if before is not None:
            position = min(position, before - segment.offset)
        if position <= 0:
            continue
        with _opened(segment.path) as file:
            while position > 0:
                size = min(CHUNK_BYTES, position)
                position -= size
                file.seek(position)
                block = file.read(size)
                at = block.rfind(b"\n")
                while at >= 0:
                    yield segment.offset + position + at
                    at = block.rfind(b"\n", 0, at)


def _read_at(mine: Sequence[Segment], offset: int, size: int) -> bytes:
    data = b""
    for segment in mine:
        inside = offset + len(data) - segment.offset
        if len(data) < size and inside >= 0:
            with _opened(segment.path) as file:
                file.seek(inside)
                data += file.read(size - len(data))
    return data
