"""Reads a file for a push: the digest of each chunk, and the content of those that are new. Chunks
are hashed beside one another, since Python lets several processors do so."""

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from hai.workspace.digests import CHUNK_BYTES, PIECE_BYTES

_THREADS = min(4, os.cpu_count() or 1)
_AHEAD = 2 * _THREADS  # chunks, each of which may be held in memory

Chunk = tuple[str, int, bytes]  # SHA-256, size, content (b"" where it is the one from before)


def chunks_in(handle: int, size: int, before: Sequence[str]) -> Iterator[Chunk]:
    """The chunks of the first `size` bytes of an open file, in order; where it has become shorter,
    so have they. `before`: the digests of those where the file is to go."""
    if size <= CHUNK_BYTES:
        if size:
            yield _chunk(handle, 0, size, "")
        return
    known = iter(before)
    running: deque[Future[Chunk]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for at in range(0, size, CHUNK_BYTES):
                if len(running) == _AHEAD:
                    yield running.popleft().result()
                length = min(CHUNK_BYTES, size - at)
                running.append(pool.submit(_chunk, handle, at, length, next(known, "")))
            while running:
                yield running.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _chunk(handle: int, at: int, length: int, before: str) -> Chunk:
    found = hashlib.sha256()
    content: list[bytes] = []  # in pieces that are still in the processor's cache when hashed
    size = 0
    while piece := os.pread(handle, min(PIECE_BYTES, length - size), at + size):
        found.update(piece)
        content.append(piece)
        size += len(piece)
    name = found.hexdigest()
    return name, size, b"" if name == before else b"".join(content)
