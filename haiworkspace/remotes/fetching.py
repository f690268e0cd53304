"""Fetches files from the platform, several at once. What has arrived stays beside the records when
a transfer is cut off, and the next one goes on from there."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from hai.errors import Conflict, Denied
from hai.workspace.digests import is_by_chunks
from hai.workspace.packs import unpacked
from haiworkspace import transfer
from haiworkspace.listing import digest_of
from haiworkspace.progress import TransferProgress
from haiworkspace.records import FOLDER
from haiworkspace.remotes.wire import Row, quoted

if TYPE_CHECKING:
    from hai.client.http import HaiClient

_PIECE_BYTES = 4 << 20
_BATCH_FILES = 1000
_BATCH_NAMES_BYTES = 500_000
_THREADS = 4

Piece = tuple[str, int, int]  # path, offset, length


class Fetching:
    """Files as `rows` say that they are there; `digests` of those whose content is known."""

    def __init__(
        self, client: "HaiClient", name: str, rows: Mapping[str, "Row"], digests: Mapping[str, str]
    ) -> None:
        self._client = client
        self._name = name
        self._rows = rows
        self._digests = digests
        self.params: Mapping[str, str] | None = None  # of a snapshot

    def into(self, local: Path, paths: list[str], *, clear: bool) -> None:
        """Copies `paths` below `local`, as `transfer.copy` does."""
        parts, staged = local / FOLDER / "arriving", local / FOLDER / "incoming"
        parts.mkdir(mode=0o700, exist_ok=True)
        transfer.destroy(staged)
        staged.mkdir(mode=0o700)
        try:
            with TransferProgress("fetching", paths) as progress:
                for done in self._arrived(parts, paths):
                    progress.did(*done)
            for path in paths:
                self._place(parts, path, staged / path)
            transfer.copy(staged, local, paths, clear=clear)
        finally:
            transfer.destroy(staged)
        transfer.destroy(parts)

    def _arrived(self, parts: Path, paths: list[str]) -> Iterator[list[str]]:
        """Has all files in `parts`; tells of some after the other."""
        with ThreadPoolExecutor(_THREADS) as pool:
            yield from pool.map(
                lambda batch: self._fetch(parts, batch), list(self._batches(parts, paths))
            )

    def _batches(self, parts: Path, paths: list[str]) -> Iterator[list[str]]:
        """Small files together, a large one alone."""
        some: list[str] = []
        size = names = 0
        for path in paths:
            row = self._rows[path]
            if row[5] is not None or (
                (parts / self._part(path)).exists() and self._left(parts, path) == 0
            ):
                continue
            if row[1] > _PIECE_BYTES:
                yield [path]
                continue
            if some and (
                size + row[1] > _PIECE_BYTES
                or len(some) >= _BATCH_FILES
                or names > _BATCH_NAMES_BYTES
            ):
                yield some
                some, size, names = [], 0, 0
            some.append(path)
            size += row[1]
            names += 3 * len(path)
        if some:
            yield some

    def _left(self, parts: Path, path: str) -> int:
        return self._rows[path][1] - (parts / self._part(path)).stat().st_size

    def _part(self, path: str) -> str:
        """Of this file as it is there now: another version has another name."""
        text = repr((path, self._rows[path][1:5]))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def _fetch(self, parts: Path, batch: list[str]) -> list[str]:
        if len(batch) == 1:
            self._fetch_large(parts, batch[0])
            return batch
        pieces = [(path, 0, self._rows[path][1]) for path in batch]
        for path, content in zip(batch, self._read(pieces), strict=True):
            self._check_length(path, content, self._rows[path][1])
            with (parts / self._part(path)).open("wb") as file:
                file.write(content)
        return batch

    def _fetch_large(self, parts: Path, path: str) -> None:
        size = self._rows[path][1]
        with (parts / self._part(path)).open("ab") as file:
            while (at := file.tell()) < size:
                length = min(_PIECE_BYTES, size - at)
                (content,) = self._read([(path, at, length)])
                self._check_length(path, content, length)
                file.write(content)
                file.flush()

    def _read(self, pieces: list[Piece]) -> list[bytes]:
        body = {
            "pieces": [
                {"path": quoted(path), "offset": at, "length": length}
                for path, at, length in pieces
            ]
        }
        pack = self._client.exchange(
            "workspace_read", name=self._name, params=self.params, body=body
        )
        return [content for _, content in unpacked(pack, _PIECE_BYTES)]

    def _check_length(self, path: str, content: bytes, length: int) -> None:
        if len(content) != length:
            raise _changed(path)

    def _place(self, parts: Path, path: str, target: Path) -> None:
        if ".." in path.split("/") or path.startswith("/"):
            raise Denied(f"{path!r} leads out of the workspace", hint="")
        mode, _, mtime, _, _, link = self._rows[path]
        target.parent.mkdir(parents=True, exist_ok=True)
        if link is not None:
            target.symlink_to(link)
            return
        part = parts / self._part(path)
        wanted = self._digests.get(path)
        if wanted is not None and digest_of(part, by_chunks=is_by_chunks(wanted)) != wanted:
            part.unlink()
            raise _changed(path)
        part.rename(target)
        target.chmod(mode)
        os.utime(target, ns=(mtime, mtime))


def _changed(path: str) -> Conflict:
    return Conflict(f"{path} changed there while it was read", hint="the same command again")
