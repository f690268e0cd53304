"""The files of one rank's log: `<rank>.<offset>.log`, where offset is the place of the file's first
byte in the whole log (20 digits). Files are never renamed; the oldest goes when there are too many.

A new file begins at a line start, except within a line that is longer than a whole file.
"""

from __future__ import annotations

import contextlib
import os

LEAST_BYTES = 4096  # of a file
PARTS = 4  # into which a small share is cut, so that most of it is there at any time


def segment_name(rank: int, offset: int) -> str:
    return f"{rank}.{offset:020d}.log"


def _offsets(log_dir: str, rank: int) -> list[int]:
    start, end = f"{rank}.", ".log"
    names = (n[len(start) : -len(end)] for n in os.listdir(log_dir) if n.startswith(start))
    return sorted(int(name) for name in names if len(name) == 20 and name.isdigit())


class Segments:
    """Appends bytes; every method raises OSError when the disk refuses, and may then be retried."""

    def __init__(
        self, log_dir: str, rank: int, segment_bytes: int, count: int, keep_bytes: int = 0
    ) -> None:
        """`keep_bytes`: of all files together; 0: as many as `count` files have."""
        self.log_dir = log_dir
        self._rank = rank
        self._most_bytes = segment_bytes
        self._count = count
        self.keep(keep_bytes)
        self._fd = -1
        self._offset = 0  # of the open file's first byte
        self._size = 0  # of the open file
        self._is_line_start = True
        self._kept: list[int] = []

    def keep(self, keep_bytes: int) -> None:
        """From now on no more than that, the newest; 0: as many as the files have."""
        self._keep_bytes = keep_bytes
        self._segment_bytes = self._most_bytes
        if keep_bytes:
            self._segment_bytes = min(self._most_bytes, max(LEAST_BYTES, keep_bytes // PARTS))

    def write(self, data: bytes) -> int:
        """Append a part of `data` and return its length (at least 1 unless `data` is empty)."""
        if self._fd < 0:
            self._open_last()
        take = self._share(data)
        if not take:
            self._open_new(self._offset + self._size)
            take = self._share(data)
        done = os.write(self._fd, memoryview(data)[:take])
        self._size += done
        if done:
            self._is_line_start = data[done - 1 : done] == b"\n"
        return done

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _share(self, data: bytes) -> int:
        """How much of `data` belongs into the open file; 0: a new one must begin."""
        room = self._segment_bytes - self._size
        if len(data) <= room:
            return len(data)
        end = data.rfind(b"\n", 0, max(0, room)) + 1
        if end:
            return end
        if self._is_line_start and self._size:
            return 0
        line = data.find(b"\n") + 1 or len(data)
        return max(0, min(line, 2 * self._segment_bytes - self._size))

    def _open_last(self) -> None:
        """Go on at the end of what an earlier agent left, or begin."""
        self._make_dir()
        self._kept = _offsets(self.log_dir, self._rank)
        if not self._kept:
            self._open_new(0)
            return
        self._open(self._kept[-1])
        self._size = os.fstat(self._fd).st_size

    def _make_dir(self) -> None:
        os.makedirs(self.log_dir, mode=0o750, exist_ok=True)

    def _open_new(self, offset: int) -> None:
        self._make_dir()  # somebody may have removed it
        self._open(offset)
        self._size = 0
        if offset not in self._kept:
            self._kept.append(offset)
        while len(self._kept) > 1 and self._is_too_much():
            path = os.path.join(self.log_dir, segment_name(self._rank, self._kept[0]))
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            del self._kept[0]

    def _is_too_much(self) -> bool:
        """With the file that begins now at its full size."""
        size = self._offset + self._segment_bytes - self._kept[0]
        return len(self._kept) > self._count or 0 < self._keep_bytes < size

    def _open(self, offset: int) -> None:
        path = os.path.join(self.log_dir, segment_name(self._rank, offset))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        fd = os.open(path, flags, 0o640)
        self.close()
        self._fd, self._offset = fd, offset
