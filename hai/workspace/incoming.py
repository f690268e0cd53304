"""Chunks that have arrived and are not part of a file yet. They stay when a transfer is cut off, so
that the next one need not send them again, and are forgotten after some days.

    .hai/incoming/SHA256        a large chunk
    .hai/incoming/RANDOM.pack   small ones that came together: file systems take longer for a
                                file than for what is in it
"""

from __future__ import annotations

import os
import re
import secrets
import struct
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from hai import files
from hai.errors import Conflict
from hai.workspace.digests import pieces
from hai.workspace.listing import READ, Open, read_exactly
from hai.workspace.packs import unpacked
from hai.workspace.places import scanned, subfolder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FORGET_SECONDS = 3 * 86400
DIGEST = re.compile(r"[0-9a-f]{64}")
ALONE_BYTES = 1 << 16  # from here on a chunk is a file of its own
LARGEST_PACK = 64 << 20  # more than a request can bring
_PACK = ".pack"
_COUNT = struct.Struct(">I")
_ROW = struct.Struct(">32sI")  # digest, length


class Incoming:
    """Below the records of one workspace. Close it at the end."""

    def __init__(self, records: int) -> None:
        self.folder = subfolder(records, "incoming")
        self._packed: dict[str, tuple[str, int, int]] | None = None  # pack, offset, length
        self._read = ("", b"")

    def close(self) -> None:
        os.close(self.folder)

    def names(self) -> set[str]:
        """The digests that are here."""
        alone = {one.name for one in scanned(self.folder) if DIGEST.fullmatch(one.name)}
        return alone | self._index().keys()

    def put(self, body: bytes, largest: int) -> int:
        """Keeps the chunks of a pack; the bytes that they take. InvalidInput for a bad one."""
        size = 0
        small: list[tuple[str, bytes]] = []
        for name, chunk in unpacked(body, largest):
            if len(chunk) < ALONE_BYTES:
                small.append((name, chunk))
            else:
                files.write_whole(name, chunk, folder=self.folder)
            size += len(chunk)
        if small:
            heads = [_ROW.pack(bytes.fromhex(name), len(chunk)) for name, chunk in small]
            data = b"".join((_COUNT.pack(len(small)), *heads, *(chunk for _, chunk in small)))
            files.write_whole(secrets.token_hex(8) + _PACK, data, folder=self.folder)
            self._packed = None
        return size

    def _index(self) -> dict[str, tuple[str, int, int]]:
        if self._packed is None:
            self._packed = {}
            for item in scanned(self.folder):
                if item.name.endswith(_PACK):
                    self._packed.update(self._rows_of(item.name))
        return self._packed

    def _rows_of(self, pack: str) -> Iterator[tuple[str, tuple[str, int, int]]]:
        try:
            handle = os.open(pack, READ, dir_fd=self.folder)
        except FileNotFoundError:  # used up meanwhile
            return
        with closing(Open(handle)):
            count = int.from_bytes(read_exactly(handle, _COUNT.size), "big")
            heads = read_exactly(handle, min(count * _ROW.size, LARGEST_PACK))
        if len(heads) < count * _ROW.size:
            return  # somebody else wrote it
        at = _COUNT.size + len(heads)
        for digest, length in _ROW.iter_unpack(heads):
            yield digest.hex(), (pack, at, length)
            at += length

    def is_alone(self, name: str) -> bool:
        """Whether the chunk is a file that may become one of the workspace's."""
        return name not in self._index()

    def content(self, name: str) -> Iterator[bytes]:
        """A chunk in pieces. Conflict if it is missing."""
        place = self._index().get(name)
        if place is None:
            with closing(Open(self.opened(name))) as file:
                yield from pieces(file.handle)
            return
        pack, offset, length = place
        content = self._pack(pack)[offset : offset + length]
        if len(content) < length:
            raise missing_chunk()
        yield content

    def _pack(self, pack: str) -> bytes:
        """The last one is kept in memory: neighbours are used together."""
        if self._read[0] != pack:
            try:
                handle = os.open(pack, READ, dir_fd=self.folder)
            except FileNotFoundError:
                raise missing_chunk() from None
            with closing(Open(handle)):
                size = min(os.fstat(handle).st_size, LARGEST_PACK)
                self._read = (pack, read_exactly(handle, size))
        return self._read[1]

    def read(self, digests: Sequence[str], most: int) -> bytes:
        """The content that these chunks make, of `most` bytes at most. Conflict if one is missing,
        or if there is more."""
        found: list[bytes] = []
        for name in digests:
            for piece in self.content(name):
                found.append(piece)
                most -= len(piece)
                if most < 0:
                    raise Conflict("the list of changes is too long", hint="push less at once")
        return b"".join(found)

    def opened(self, name: str) -> int:
        """A chunk, open for reading."""
        if not DIGEST.fullmatch(name):
            raise Conflict(f"{name[:80]!r} is no digest of a chunk", hint="")
        try:
            return os.open(name, READ, dir_fd=self.folder)
        except FileNotFoundError:
            raise missing_chunk() from None

    def drop(self, names: Iterable[str]) -> None:
        """Removes these chunks, and packs of which nothing else is left: one that holds more is
        forgotten later."""
        gone = set(names)
        packed = self._index()
        left = {pack for name, (pack, _, _) in packed.items() if name not in gone}
        for pack in {packed[name][0] for name in gone & packed.keys()} - left:
            with suppress(FileNotFoundError):
                os.unlink(pack, dir_fd=self.folder)
        self._packed = None
        for name in gone - packed.keys():
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self.folder)

    def forget_old(self) -> None:
        """Removes what nobody has come for."""
        now = time.time()  # noqa: TID251 (compared with the times of files)
        for item in scanned(self.folder):
            with suppress(FileNotFoundError):
                if now - item.stat(follow_symlinks=False).st_mtime > FORGET_SECONDS:
                    os.unlink(item.name, dir_fd=self.folder)

    def size(self) -> int:
        """Bytes of all chunks."""
        total = 0
        for item in scanned(self.folder):
            with suppress(FileNotFoundError):
                total += item.stat(follow_symlinks=False).st_size
        return total


def missing_chunk() -> Conflict:
    return Conflict("a chunk is not there any more", hint="the same command again sends it")
