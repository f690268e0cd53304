"""Sends files to the platform: what is there already is not sent again, the rest in parallel."""

import hashlib
import json
import os
import stat
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hai.errors import Conflict
from hai.workspace.digests import CHUNK_BYTES, digest_of_open, is_by_chunks, of_chunks
from hai.workspace.listing import Open, Stamp, stamp_of
from hai.workspace.packs import HEAD_BYTES, packed
from haiworkspace.listing import directory_mode
from haiworkspace.plan import FileEntry, directories_of
from haiworkspace.progress import TransferProgress
from haiworkspace.remotes.chunkbook import ChunkBook
from haiworkspace.remotes.reading import chunks_in
from haiworkspace.remotes.wire import Row, quoted

if TYPE_CHECKING:
    from hai.client.http import HaiClient

_PACK_BYTES = (4 << 20) - 65536
_PACK_CHUNKS = 5000
_ASKED_BYTES = 1 << 16  # less is sent again rather than asked about
_THREADS = 4
_TRIES = 3


class Sending:
    """One push. `rows` and `known` (digests) are those of what stands there; with `by_chunks` the
    platform knows that form of digests (an older one does not)."""

    def __init__(
        self,
        client: "HaiClient",
        name: str,
        rows: Mapping[str, "Row"],
        known: Mapping[str, str],
        *,
        by_chunks: bool,
    ) -> None:
        self._client = client
        self._name = name
        self._rows = rows
        self._known = known
        self._by_chunks = by_chunks
        self.again: dict[str, str] = {}  # digests of what stands there, by chunks after all
        self.entries: dict[str, FileEntry] = {}  # what was sent
        self.stamps: dict[str, Stamp] = {}  # of the files, when they were read

    def files(self, local: Path, paths: Iterable[str], *, asks: bool) -> dict[str, Any]:
        """Sends their chunks; what the list of changes says of them. `asks`: whether some may be
        there already."""
        listed = list(paths)
        book = ChunkBook(local)
        files = []
        sending = _Uploads(self._client, self._name, asks=asks)
        with sending as uploads, TransferProgress("sending", listed) as progress:
            for path in listed:
                files.append(self._file(local / path, path, uploads, book))
                progress.did(path)
        book.keep({*self._known.values(), *(one.digest or "" for one in self.entries.values())})
        made = sorted(directories_of(listed))
        return {
            "files": files,
            "directories": {name: directory_mode(local / name) for name in made},
        }

    def apply(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Has the list of changes done: `stamps` of what was written, modes of directories that
        were `made`, the time of files `now`, before it began."""
        body = {"digests": self.document(document)}
        done: dict[str, Any] = self._client.call("workspace_apply", name=self._name, body=body)
        return done

    def document(self, document: Mapping[str, Any]) -> list[str]:
        """Sends a document as chunks; their digests."""
        data = json.dumps(document, separators=(",", ":")).encode("ascii")
        starts = range(0, len(data), CHUNK_BYTES)
        with _Uploads(self._client, self._name, asks=False) as uploads:
            return [uploads.add(data[at : at + CHUNK_BYTES]) for at in starts]

    def _file(self, source: Path, path: str, uploads: "_Uploads", book: ChunkBook) -> list[Any]:
        old = self._rows.get(path)
        stamp = None if old is None else old[1:5]
        status = source.lstat()
        if stat.S_ISLNK(status.st_mode):
            link = os.readlink(source)  # noqa: PTH115 (a Path would drop a last slash)
            self.entries[path] = FileEntry(0, 0, status.st_mtime_ns, link=link)
            return [path, 0, max(0, status.st_mtime_ns), 0, [], [], stamp, link]
        for _ in range(_TRIES):
            before = self._old_chunks(path, old, status.st_size, book)
            handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with closing(Open(handle)):
                start = os.fstat(handle)
                chunks, kept, size = _read(handle, start.st_size, before, uploads)
                digest = self._digest(handle, chunks)
                end = os.fstat(handle)
            if stamp_of(start) == stamp_of(end) and size == end.st_size:
                break
        else:
            raise Conflict(
                f"{source} changes all the time", hint="push when nobody writes it, or ignore it"
            )
        if len(chunks) > 1:
            book.note(digest, chunks)
        self._say_again(path, before)
        mode = stat.S_IMODE(end.st_mode) & 0o777
        self.entries[path] = FileEntry(mode, size, end.st_mtime_ns, digest)
        self.stamps[path] = stamp_of(end)
        return [path, mode, max(0, end.st_mtime_ns), size, chunks, kept, stamp, None]

    def _digest(self, handle: int, chunks: list[str]) -> str:
        if self._by_chunks or len(chunks) <= 1:
            return of_chunks(chunks)
        return digest_of_open(handle, by_chunks=False)

    def _say_again(self, path: str, before: list[str]) -> None:
        """What is known of what stands there has the form of what is sent: both are compared
        when this push is cut off."""
        known = self._known.get(path)
        if known and before and self._by_chunks and not is_by_chunks(known):
            self.again[path] = of_chunks(before)

    def _old_chunks(self, path: str, old: "Row | None", size: int, book: ChunkBook) -> list[str]:
        """The chunks of what stands there now, where a part of it may be kept."""
        if old is None or old[5] is not None or min(size, old[1]) <= CHUNK_BYTES:
            return []
        if known := book.chunks(self._known.get(path, "")):
            return known
        body = {"path": quoted(path)}
        found = self._client.call("workspace_chunks_of", name=self._name, body=body)
        chunks: list[str] = found["chunks"] if tuple(found["stamp"]) == old[1:5] else []
        return chunks


def _read(
    handle: int, size: int, before: list[str], uploads: "_Uploads"
) -> tuple[list[str], list[tuple[int, int]], int]:
    """The chunks of an open file of `size` bytes, the runs of them that are where they were, and
    how much was read."""
    chunks: list[str] = []
    kept: list[tuple[int, int]] = []
    found = 0
    for name, length, content in chunks_in(handle, size, before):
        index = len(chunks)
        chunks.append(name)
        found += length
        if content:
            uploads.add(content, name)
        elif kept and sum(kept[-1]) == index:
            kept[-1] = (kept[-1][0], kept[-1][1] + 1)
        else:
            kept.append((index, 1))
    return chunks, kept, found


class _Uploads:
    """Chunks on their way, a few packs at once; all are there when the context ends."""

    def __init__(self, client: "HaiClient", name: str, *, asks: bool = True) -> None:
        """`asks`: whether chunks may be there already."""
        self._client = client
        self._name = name
        self._asks = asks
        self._pool = ThreadPoolExecutor(_THREADS)
        self._running: deque[Future[None]] = deque()
        self._seen: set[str] = set()
        self._waiting: list[tuple[str, bytes]] = []
        self._size = 0

    def __enter__(self) -> "_Uploads":
        return self

    def __exit__(self, kind: object, *_error: object) -> None:
        try:
            if kind is None:
                self._flush()
                while self._running:
                    self._running.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def add(self, chunk: bytes, name: str = "") -> str:
        """Its digest."""
        name = name or hashlib.sha256(chunk).hexdigest()
        if name in self._seen:
            return name
        self._seen.add(name)
        size = len(chunk) + HEAD_BYTES
        if self._size + size > _PACK_BYTES or len(self._waiting) >= _PACK_CHUNKS:
            self._flush()
        self._waiting.append((name, chunk))
        self._size += size
        return name

    def _flush(self) -> None:
        if not self._waiting:
            return
        while len(self._running) > _THREADS:  # memory is bounded
            self._running.popleft().result()
        self._running.append(self._pool.submit(self._send, self._waiting))
        self._waiting, self._size = [], 0

    def _send(self, chunks: list[tuple[str, bytes]]) -> None:
        missing = {name for name, _ in chunks}
        if self._asks and sum(len(chunk) for _, chunk in chunks) > _ASKED_BYTES:
            body = {"digests": sorted(missing)}
            found = self._client.call("workspace_missing", name=self._name, body=body)
            missing = set(found["missing"])
        pack = b"".join(
            packed(bytes.fromhex(name), chunk) for name, chunk in chunks if name in missing
        )
        if pack:
            self._client.exchange("workspace_chunks", name=self._name, content=pack)
