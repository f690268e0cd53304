"""Several chunks in one body: for each the SHA-256 of its content, how it is kept, its length, and
its bytes, compressed where that pays. Whoever unpacks trusts nothing of it."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING

from hai.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = struct.Struct(">32s?I")  # digest, is it compressed, bytes that follow
HEAD_BYTES = _HEAD.size
_WORTH = 0.9  # a chunk that shrinks less goes as it is
_SAMPLE_BYTES = 4096
_LEAST_BYTES = 200


def packed(digest: bytes, chunk: bytes) -> bytes:
    """One chunk as it travels."""
    small = _compressed(chunk)
    if small is None:
        return _HEAD.pack(digest, False, len(chunk)) + chunk
    return _HEAD.pack(digest, True, len(small)) + small


def _compressed(chunk: bytes) -> bytes | None:
    """None where it does not pay: a sample tells, so that weights cost no time."""
    if len(chunk) < _LEAST_BYTES:
        return None
    sample = chunk[:_SAMPLE_BYTES]
    if len(zlib.compress(sample, 1)) > _WORTH * len(sample):
        return None
    small = zlib.compress(chunk, 1)
    return small if len(small) < _WORTH * len(chunk) else None


def unpacked(body: bytes, largest: int) -> Iterator[tuple[str, bytes]]:
    """Digest and content of each chunk. InvalidInput for what is no pack, for a chunk of more than
    `largest` bytes, and for one that its digest does not fit."""
    at = 0
    while at < len(body):
        if at + HEAD_BYTES > len(body):
            raise _broken("it ends within a chunk")
        digest, is_compressed, length = _HEAD.unpack_from(body, at)
        at += HEAD_BYTES
        data = body[at : at + length]
        at += length
        if len(data) < length:
            raise _broken("it ends within a chunk")
        chunk = _inflated(data, largest) if is_compressed else data
        if len(chunk) > largest:
            raise _broken(f"a chunk has more than {largest} bytes")
        if hashlib.sha256(chunk).digest() != digest:
            raise _broken("a chunk does not have the digest that it is sent under")
        yield digest.hex(), chunk


def _inflated(data: bytes, largest: int) -> bytes:
    inflating = zlib.decompressobj()
    try:
        chunk = inflating.decompress(data, largest + 1)
    except zlib.error as error:
        raise _broken(f"a chunk cannot be decompressed: {error}") from None
    if len(chunk) > largest:
        raise _broken(f"a chunk has more than {largest} bytes")
    if not inflating.eof:
        raise _broken("a compressed chunk has no end")
    return chunk


def _broken(why: str) -> InvalidInput:
    return InvalidInput(f"this is no pack of chunks: {why}", hint="send it again")
