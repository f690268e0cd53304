"""Writes the rank's log in a thread of its own, behind a bounded buffer.

Whoever feeds it never waits: when the disk cannot keep up, or has no room, whole lines are dropped
and counted, and the log says so as soon as it can be written again.
"""

from __future__ import annotations

import collections
import os
import threading
import time

from hai.agent.lines import LineStamper
from hai.agent.room import LOOK_SECONDS, DiskSpace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hai.agent.segments import Segments

BUFFER_BYTES = 8 * 2**20
ITEM_BYTES = 160  # what one item costs beside its text: output may come byte by byte
PARTIAL_SECONDS = 0.2  # before the beginning of a line is written: bars may never end theirs
STOPPED = "the log has stopped"  # the platform knows it by these words
RETRY_SECONDS = 0.5  # between attempts on a disk that refuses

_OUTPUT, _OWN, _DROPPED = 0, 1, 2


def wall_time() -> float:
    """Unix seconds; log lines and records carry wall time."""
    return time.time()  # noqa: TID251 - the agent is a process of its own, without a Clock


class LogWriter:
    """Takes output from one thread (feed, say) and writes it in another."""

    def __init__(
        self, segments: Segments, buffer_bytes: int = BUFFER_BYTES, reserve_bytes: int = 0
    ) -> None:
        self._segments = segments
        self._room = DiskSpace(segments.log_dir, reserve_bytes)
        self._keep_bytes: int | None = None  # to be told to the segments
        self._buffer_bytes = buffer_bytes
        self._stamper = LineStamper()
        self._changed = threading.Condition()
        self._queue: collections.deque[tuple[int, bytes, float]] = collections.deque()
        self._queued_bytes = 0
        self._dropped_lines = 0
        self._is_dropping = False
        self._is_closing = False
        self._gave_up = threading.Event()
        self._trouble = ""  # to be told at the next line start
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def feed(self, chunk: bytes) -> None:
        """Output of the program, as read. Never blocks on the disk."""
        with self._changed:
            if self._is_dropping or not self._room.is_there:
                chunk = self._resume(chunk)
            if not chunk:
                return
            if self._queued_bytes + ITEM_BYTES + len(chunk) > self._buffer_bytes:
                self._drop(chunk)
                return
            self._put(_OUTPUT, chunk)

    def keep(self, keep_bytes: int) -> None:
        """From now on the log has no more than that; 0: what it was given at first."""
        self._keep_bytes = keep_bytes

    @property
    def trouble(self) -> str:
        """Why nothing is written now; "" while all is."""
        if self._room.is_there:
            return ""
        least = f"{self._room.need_bytes / 2**20:,.0f} MiB"
        return f"{STOPPED}: its disk has less than {least} free, and the program goes on"

    def say(self, text: str) -> None:
        """A `[hai] ...` line among the output."""
        with self._changed:
            self._put(_OWN, " ".join(text.split()).encode("utf-8", "replace"))

    def close(self, timeout_seconds: float) -> bool:
        """Write what is buffered; False if the disk did not take it in time."""
        with self._changed:
            if self._dropped_lines:
                self._put_dropped()
            self._is_closing = True
            self._changed.notify()
        self._thread.join(timeout_seconds)
        is_done = not self._thread.is_alive()
        self._gave_up.set()
        return is_done

    def _put(self, kind: int, data: bytes) -> None:
        self._queue.append((kind, data, wall_time()))
        self._queued_bytes += len(data) + ITEM_BYTES
        self._changed.notify()

    def _put_dropped(self) -> None:
        self._put(_DROPPED, b"dropped %d lines" % self._dropped_lines)
        self._dropped_lines = 0

    def _drop(self, chunk: bytes) -> None:
        self._is_dropping = True
        self._dropped_lines += max(1, chunk.count(b"\n"))

    def _resume(self, chunk: bytes) -> bytes:
        """The part of `chunk` to keep after a gap: from the first line start, if there is room."""
        end = chunk.find(b"\n") + 1
        has_room = self._queued_bytes + len(chunk) <= self._buffer_bytes // 2
        if not (has_room and end and self._room.is_there):
            self._is_dropping = True
            self._dropped_lines += chunk.count(b"\n")
            return b""
        self._is_dropping = False
        self._dropped_lines += 1
        self._put_dropped()
        return chunk[end:]

    def _run(self) -> None:
        while True:
            item = self._next()
            if item is None:
                self._write(self._stamper.flush())  # and no line end that nobody wrote
                self._tell_trouble(at_end=True)
                self._segments.close()
                return
            kind, data, at = item
            self._look_around(at)
            if kind == _OUTPUT and not self._room.is_there:
                self._lose(data)
            elif kind == _OUTPUT:
                self._write(self._stamper.feed(data, at) if data else self._stamper.flush())
                if self._stamper.partial_seconds(at) >= PARTIAL_SECONDS:
                    self._write(self._stamper.flush())
            else:
                self._write(self._stamper.say(data.decode("utf-8", "replace"), at))
            self._tell_trouble()

    def _next(self) -> tuple[int, bytes, float] | None:
        """The next item; an empty one when a held line beginning is due; None at the end."""
        with self._changed:
            while not self._queue:
                if self._is_closing:
                    return None
                wait = PARTIAL_SECONDS if self._stamper.has_partial else self._idle_seconds()
                if not self._changed.wait(wait) and not self._queue:
                    return (_OUTPUT, b"", 0.0)
            item = self._queue.popleft()
            self._queued_bytes -= len(item[1]) + ITEM_BYTES
            return item

    def _idle_seconds(self) -> float | None:
        """Until the next look at a disk without room, which nothing else would bring."""
        return None if self._room.is_there else LOOK_SECONDS

    def _look_around(self, at: float) -> None:
        """What has changed beside the output: how much may be kept, whether there is room."""
        keep_bytes, self._keep_bytes = self._keep_bytes, None
        if keep_bytes is not None:
            self._segments.keep(keep_bytes)
        if not self._room.look():
            return
        text = self.trouble or "the log goes on: its disk has room again"
        self._write(self._stamper.say(text, at))

    def _lose(self, data: bytes) -> None:
        with self._changed:
            self._is_dropping = True
            self._dropped_lines += data.count(b"\n")

    def _write(self, data: bytes) -> None:
        self._room.note(len(data))
        failed_at = 0.0
        problem = ""
        while data:
            try:
                data = data[self._segments.write(data) :]
            except OSError as error:
                if self._gave_up.wait(RETRY_SECONDS):
                    return
                failed_at = failed_at or time.monotonic()
                problem = os.strerror(error.errno) if error.errno else str(error)
        if problem:
            seconds = time.monotonic() - failed_at + RETRY_SECONDS
            self._trouble = f"the log could not be written for {seconds:.1f} s: {problem}"

    def _tell_trouble(self, *, at_end: bool = False) -> None:
        if self._trouble and (at_end or self._stamper.is_line_start):
            trouble, self._trouble = self._trouble, ""
            self._write(self._stamper.say(trouble, wall_time()))
