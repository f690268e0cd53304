"""Turns the program's raw output into log lines; pure, so that every split can be tested.

A line gets the time of its first byte as a 29-character prefix. Bytes are never changed.
"""

from __future__ import annotations

import time

PREFIX_BYTES = 29
PIECE_BYTES = 64 * 1024  # a longer line is released in pieces


def prefix(at: float) -> bytes:
    """`[YYYY-MM-DD HH:MM:SS.ffffff] ` in UTC; `at` in Unix seconds. The agent's own writer:
    it cannot import `hai.core.moments`, which writes all other moments."""
    whole = int(at)
    day = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(whole))
    return (f"[{day}.{min(999999, int((at - whole) * 1e6)):06d}] ").encode()


class LineStamper:
    """Feed it output as it arrives; what it returns is ready to be written."""

    def __init__(self) -> None:
        self._partial = b""  # the released part of the log ends before these bytes
        self._partial_at = 0.0
        self._is_inside = False  # the released part ends within a line
        self._was_cut = False  # the open line was closed before its own end came

    @property
    def is_line_start(self) -> bool:
        """Nothing is open: a line of the agent's own would interrupt none."""
        return not self._partial and not self._is_inside

    @property
    def has_partial(self) -> bool:
        """A line without an end is held back (see flush)."""
        return bool(self._partial)

    def partial_seconds(self, now: float) -> float:
        """How long what is held back has been so (Unix seconds; a clock may jump back)."""
        return abs(now - self._partial_at) if self._partial else 0.0

    def feed(self, chunk: bytes, at: float) -> bytes:
        """Output that arrived at `at` (Unix seconds)."""
        if self._was_cut:
            self._was_cut = False
            if chunk[:1] == b"\n":
                return self.feed(chunk[1:], at) if len(chunk) > 1 else b""
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._hold(chunk, at)
            return self.flush() if len(self._partial) >= PIECE_BYTES else b""
        first = chunk.find(b"\n") + 1
        released = [self._open_line(at), self._partial, chunk[:first]]
        self._partial, self._is_inside = b"", False
        if first < end:
            stamp = prefix(at)
            released += [stamp, chunk[first : end - 1].replace(b"\n", b"\n" + stamp), b"\n"]
        if end < len(chunk):
            self._hold(chunk[end:], at)
            if len(self._partial) >= PIECE_BYTES:
                released.append(self.flush())
        return b"".join(released)

    def flush(self) -> bytes:
        """Release the beginning of a line that has no end yet."""
        if not self._partial:
            return b""
        released = self._open_line(self._partial_at) + self._partial
        self._partial, self._is_inside = b"", True
        return released

    def say(self, text: str, at: float) -> bytes:
        """A line of the agent's own, on a line of its own."""
        self._was_cut = self._was_cut or not self.is_line_start
        return self.end_line() + prefix(at) + (f"[hai] {text}\n").encode("utf-8", "replace")

    def end_line(self) -> bytes:
        """Close the line that is open, if one is."""
        released = self.flush()
        if self._is_inside:
            released += b"\n"
            self._is_inside = False
        return released

    def _hold(self, data: bytes, at: float) -> None:
        if not self._partial:
            self._partial_at = at
        self._partial += data

    def _open_line(self, at: float) -> bytes:
        if self._is_inside:
            return b""
        return prefix(self._partial_at if self._partial else at)
