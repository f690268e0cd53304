"""Chunks that have arrived: small ones together in one file, large ones alone."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hai.errors import Conflict
from hai.workspace.incoming import ALONE_BYTES, Incoming
from hai.workspace.packs import packed

_LARGEST = 1 << 20


@pytest.fixture
def incoming(tmp_path: Path) -> Iterator[Incoming]:
    records = os.open(tmp_path, os.O_RDONLY)
    made = Incoming(records)
    yield made
    made.close()
    os.close(records)


def name_of(chunk: bytes) -> str:
    return hashlib.sha256(chunk).hexdigest()


def put(incoming: Incoming, *chunks: bytes) -> None:
    body = b"".join(packed(hashlib.sha256(one).digest(), one) for one in chunks)
    assert incoming.put(body, _LARGEST) == sum(map(len, chunks))


def test_small_chunks_share_a_file(incoming: Incoming, tmp_path: Path) -> None:
    small = [b"%d" % number * 50 for number in range(1000)]
    large = os.urandom(ALONE_BYTES)
    put(incoming, *small, large)
    assert len(list((tmp_path / "incoming").iterdir())) == 2
    assert incoming.names() == {name_of(one) for one in [*small, large]}
    for chunk in [*reversed(small), large]:
        assert b"".join(incoming.content(name_of(chunk))) == chunk
    assert incoming.is_alone(name_of(large))
    assert not incoming.is_alone(name_of(small[0]))


def test_what_is_left_of_a_pack_stays(incoming: Incoming, tmp_path: Path) -> None:
    put(incoming, b"used", b"left")
    incoming.drop([name_of(b"used")])
    assert b"".join(incoming.content(name_of(b"left"))) == b"left"
    incoming.drop([name_of(b"used"), name_of(b"left")])
    assert not list((tmp_path / "incoming").iterdir())
    with pytest.raises(Conflict, match="not there any more"):
        list(incoming.content(name_of(b"left")))


@pytest.mark.parametrize("damage", [b"", b"\xff\xff\xff\xff", b"\0\0\0\1" + b"x" * 36])
def test_a_damaged_pack_holds_nothing(incoming: Incoming, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "incoming" / "aa.pack").write_bytes(damage)
    put(incoming, b"whole")
    assert b"".join(incoming.content(name_of(b"whole"))) == b"whole"
    for name in incoming.names() - {name_of(b"whole")}:
        with pytest.raises(Conflict):
            list(incoming.content(name))
