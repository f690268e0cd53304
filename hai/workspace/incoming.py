"""Chunks that have arrived and are not part of a file yet. They stay when a transfer is cut off, so
that the next one need not send them again, and are forgotten after some days."""

from __future__ import annotations

import os
import re
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from hai import files
from hai.errors import Conflict
from hai.workspace.listing import READ, Open, read_exactly
from hai.workspace.packs import unpacked
from hai.workspace.places import scanned, subfolder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FORGET_SECONDS = 3 * 86400
DIGEST = re.compile(r"[0-9a-f]{64}")


class Incoming:
    """Below the records of one workspace. Close it at the end."""

    def __init__(self, records: int) -> None:
        self.folder = subfolder(records, "incoming")

    def close(self) -> None:
        os.close(self.folder)

    def names(self) -> set[str]:
        """The digests that are here."""
        return {one.name for one in scanned(self.folder) if DIGEST.fullmatch(one.name)}

    def put(self, body: bytes, largest: int) -> int:
        """Keeps the chunks of a pack; the bytes that they take. InvalidInput for a bad one."""
        size = 0
        for name, chunk in unpacked(body, largest):
            files.write_whole(name, chunk, folder=self.folder)
            size += len(chunk)
        return size

    def read(self, digests: Sequence[str], most: int) -> bytes:
        """The content that these chunks make, of `most` bytes at most. Conflict if one is missing,
        or if there is more."""
        content = b""
        for name in digests:
            with closing(Open(self.opened(name))) as file:
                content += read_exactly(file.handle, most + 1 - len(content))
            if len(content) > most:
                raise Conflict(f"the list of changes has more than {most} bytes", hint="")
        return content

    def opened(self, name: str) -> int:
        """A chunk, open for reading."""
        if not DIGEST.fullmatch(name):
            raise Conflict(f"{name[:80]!r} is no digest of a chunk", hint="")
        try:
            return os.open(name, READ, dir_fd=self.folder)
        except FileNotFoundError:
            raise missing_chunk() from None

    def drop(self, names: Iterable[str]) -> None:
        for name in names:
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
