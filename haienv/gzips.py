"""A gzip file of many members, compressed on all cores: any reader of gzip reads it as one."""

import gzip
import hashlib
import io
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO

_MEMBER_BYTES = 4 << 20
_LEVEL = 1  # the disk of a node is slower than this, and the next levels save a twentieth
_MOST_THREADS = 16


class GzipMembers(io.RawIOBase):
    """Takes bytes and writes them compressed to `file`; `digest` is SHA-256 of what was written.

    At most two members for each thread are in memory. `close` writes the rest.
    """

    def __init__(self, file: BinaryIO) -> None:
        threads = min(_MOST_THREADS, len(os.sched_getaffinity(0)))
        self._file = file
        self._pool = ThreadPoolExecutor(threads)
        self._pending: deque[Future[bytes]] = deque()
        self._most_pending = 2 * threads
        self._buffer = bytearray()
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        """All of it."""
        self._buffer += data
        while len(self._buffer) >= _MEMBER_BYTES:
            self._start(bytes(self._buffer[:_MEMBER_BYTES]))
            del self._buffer[:_MEMBER_BYTES]
        return len(memoryview(data))

    def close(self) -> None:
        """Raises OSError if the disk does not take it."""
        if self.closed:
            return
        try:
            if self._buffer:
                self._start(bytes(self._buffer))
            while self._pending:
                self._finish()
        finally:
            self._pool.shutdown(cancel_futures=True)
            super().close()

    def _start(self, data: bytes) -> None:
        self._pending.append(self._pool.submit(gzip.compress, data, _LEVEL, mtime=0))
        if len(self._pending) > self._most_pending:
            self._finish()

    def _finish(self) -> None:
        member = self._pending.popleft().result()
        self.digest.update(member)
        self._file.write(member)
