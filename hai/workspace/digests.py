"""What a content is known by: the SHA-256 of a whole file, or one digest of those of its chunks.

    <64 hex>        SHA-256 of the content; of every file of up to one chunk
    c1-<64 hex>     of a longer one: SHA-256 of the SHA-256 of each chunk of 1 MiB, one after the
                    other, the last chunk being as long as what is left

Whoever sends a file in chunks has their digests anyway, and need not hash it as a whole too
(docs/decisions/0046). Both forms are equal only to themselves.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK_BYTES = 1 << 20
PIECE_BYTES = 1 << 17  # fits into a processor's cache: five times as quick as 1 MiB to copy
CONTENT = re.compile("(c1-)?[0-9a-f]{64}")
_PREFIX = "c1-"


def is_by_chunks(digest: str) -> bool:
    return digest.startswith(_PREFIX)


def of_chunks(chunks: Iterable[str]) -> str:
    """The digest of a file whose chunks have these SHA-256."""
    found = list(chunks)
    if len(found) == 1:
        return found[0]
    whole = hashlib.sha256(b"".join(map(bytes.fromhex, found))).hexdigest()
    return _PREFIX + whole if found else whole


def digest_of_open(handle: int, *, by_chunks: bool) -> str:
    """The digest of an open file, from where it stands to its end."""
    found = Hashing(by_chunks=by_chunks)
    for piece in pieces(handle):
        found.update(piece)
    return found.digest()


def pieces(handle: int) -> Iterator[bytes]:
    """The content of an open file."""
    while piece := os.read(handle, PIECE_BYTES):
        yield piece


class Hashing:
    """The digest of a content that comes in pieces of any size."""

    def __init__(self, *, by_chunks: bool) -> None:
        self._by_chunks = by_chunks
        self._now = hashlib.sha256()
        self._size = 0  # of what `_now` has
        self._chunks: list[str] = []

    def update(self, piece: bytes) -> None:
        view = memoryview(piece)
        while self._by_chunks and self._size + len(view) > CHUNK_BYTES:
            left = CHUNK_BYTES - self._size
            self._now.update(view[:left])
            self._chunks.append(self._now.hexdigest())
            self._now, self._size, view = hashlib.sha256(), 0, view[left:]
        self._now.update(view)
        self._size += len(view)

    def digest(self) -> str:
        return of_chunks([*self._chunks, self._now.hexdigest()])
