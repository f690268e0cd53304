"""The digest of a long file is one of its chunks' digests, however its content comes along."""

import hashlib
import os
import random
from pathlib import Path

import pytest

from hai.workspace.digests import CHUNK_BYTES, CONTENT, Hashing, digest_of_open, of_chunks
from haiworkspace.listing import KnownDigests
from haiworkspace.remotes.reading import chunks_in


def _written_out(content: bytes) -> str:
    """By the words of docs/decisions/0046."""
    if len(content) <= 1 << 20:
        return hashlib.sha256(content).hexdigest()
    chunks = [content[at : at + (1 << 20)] for at in range(0, len(content), 1 << 20)]
    of_each = b"".join(hashlib.sha256(chunk).digest() for chunk in chunks)
    return "c1-" + hashlib.sha256(of_each).hexdigest()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2 << 20, 5_000_000])
def test_all_ways_to_it_agree(size: int, tmp_path: Path) -> None:
    content = random.Random(size).randbytes(size)  # noqa: S311
    path = tmp_path / "file"
    path.write_bytes(content)
    wanted = _written_out(content)
    assert CONTENT.fullmatch(wanted)
    hashing = Hashing(by_chunks=True)
    at, sizes = 0, random.Random(1)  # noqa: S311
    while at < size:
        step = sizes.choice([1, 4096, 1 << 17, 3 << 20])
        hashing.update(content[at : at + step])
        at += step
    assert hashing.digest() == wanted
    handle = os.open(path, os.O_RDONLY)
    try:
        assert digest_of_open(handle, by_chunks=True) == wanted
        chunks = list(chunks_in(handle, size, []))
        known = [name for name, _, _ in chunks]
        again = list(chunks_in(handle, size, [*known[:1], "other", *known[2:]]))
        os.lseek(handle, 0, os.SEEK_SET)
        whole = digest_of_open(handle, by_chunks=False)
    finally:
        os.close(handle)
    assert of_chunks(known) == wanted
    assert b"".join(part for _, _, part in chunks) == content
    assert sum(length for _, length, _ in again) == size
    if len(chunks) > 1:  # of what is there already, content is not kept
        assert [bool(part) for _, _, part in again] == [index == 1 for index in range(len(again))]
    assert whole == hashlib.sha256(content).hexdigest()


def test_the_form_is_that_of_what_it_is_compared_with() -> None:
    whole, by_chunks = "0" * 64, "c1-" + "0" * 64
    like = {"old": whole, "new": by_chunks}
    stamp = (CHUNK_BYTES + 1, 1, 1, 1)
    known = dict.fromkeys(("old", "new", "other"), (stamp, whole))
    found = KnownDigests(known, chunked=True, like=like)
    assert [found.by_chunks(name, stamp[0]) for name in known] == [False, True, True]
    assert not found.by_chunks("new", CHUNK_BYTES)
    assert [found.known_of(name, stamp) for name in known] == [whole, None, None]
    assert found.known_of("old", (CHUNK_BYTES + 1, 2, 1, 1)) is None
