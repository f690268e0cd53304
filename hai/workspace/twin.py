"""What can be asked of one workspace's twin, as a function for each: arguments and answers are data
that JSON knows, and bytes beside them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from hai import files
from hai.errors import Conflict, Denied, InvalidInput, NotFound, OverQuota
from hai.workspace.applying import Applying
from hai.workspace.changes import read_changes
from hai.workspace.incoming import Incoming
from hai.workspace.listing import (
    Open,
    chunks_of,
    digests,
    file_time,
    listed,
    opened_file,
    read_exactly,
)
from hai.workspace.packs import packed
from hai.workspace.places import DIRECTORY, RECORDS, OpenDirectories, scanned, subfolder
from hai.workspace.snapshots import Snapshots, entries_of

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "workspaces"  # of all workspaces of a user, below the user's own
SNAPSHOT_ID = re.compile(r"[0-9a-f]{16}")
_ORIGIN_BYTES = 1 << 17
_LOCK_SECONDS = 20.0
_LOCK_PAUSE_SECONDS = 0.02
_RECOUNT_SECONDS = 30.0


@dataclass(frozen=True)
class WorkspaceLimits:
    """What the platform lets one user do."""

    user_bytes: int = 50 * 2**30  # of all workspaces together
    chunk_bytes: int = 2**20
    request_bytes: int = 4 * 2**20
    manifest_bytes: int = 64 * 2**20
    most_files: int = 200_000  # of one workspace
    most_names: int = 20_000  # in one request


class UserSpace:
    """How much of what a user may take is taken; counted anew now and then."""

    def __init__(self, home: str, limits: WorkspaceLimits, *, is_own: bool) -> None:
        """`is_own`: this process is the user, and not the account of the platform."""
        self.home = home
        self.is_own = is_own
        self.limits = limits
        self._used = 0
        self._counted_at: float | None = None

    def check(self, more: int) -> None:
        """OverQuota where there is no room for so many bytes more."""
        now = time.monotonic()
        if self._counted_at is None or now - self._counted_at > _RECOUNT_SECONDS:
            self._used, self._counted_at = used_bytes(self.home), now
        if self._used + more > self.limits.user_bytes:
            raise OverQuota(
                f"workspaces may take {self.limits.user_bytes >> 20:,} MiB of a user, and "
                f"{self._used >> 20:,} MiB are taken; this needs {more / 2**20:,.1f} MiB more",
                hint="`haiworkspace remove NAME` makes room; an admin may raise "
                "[workspace] user_bytes",
            )

    def took(self, more: int) -> None:
        self._used += more

    def recount(self) -> None:
        self._counted_at = None


class Twin:
    """The workspace `name` below the user's folder. Close it at the end."""

    def __init__(self, room: UserSpace, name: str, snapshot: str = "") -> None:
        """With `snapshot` only what is read: of that snapshot of the workspace."""
        self.path = os.path.join(room.home, FOLDER, name)  # noqa: PTH118 (text goes over the wire)
        if snapshot:
            if not SNAPSHOT_ID.fullmatch(snapshot):
                raise InvalidInput(f"{snapshot[:80]!r} is no id of a snapshot")
            self.path = os.path.join(self.path, RECORDS, "snapshots", snapshot)  # noqa: PTH118
        self._room = room
        self._name = name
        self._limits = room.limits

    # -- looking -------------------------------------------------------------------------------

    def look(self) -> dict[str, Any]:
        """Whether there is anything, where, whose, and which workspace it is."""
        found = {"folder": self.path, "uid": os.geteuid(), "own": self._room.is_own}
        found["by_chunks"] = True  # it knows this form of digests
        if not os.path.isdir(self.path):  # noqa: PTH112
            return {**found, "exists": False, "origin": None}
        with self._root() as root:
            return {**found, "exists": True, "origin": _origin(root)}

    def tree(self) -> dict[str, Any]:
        with self._root() as root:
            now = file_time(root)
            found = listed(root, self._limits.most_files)
        return {
            "files": found.rows,
            "directories": found.directories,
            "others": found.others,
            "now": now,
        }

    def digests(self, paths: list[str], by_chunks: list[str]) -> dict[str, Any]:
        """Of the content of `paths` as a whole, of `by_chunks` by their chunks."""
        self._few([*paths, *by_chunks])
        with self._root() as root:
            found = digests(root, map(_unquoted, paths), by_chunks=False)
            found |= digests(root, map(_unquoted, by_chunks), by_chunks=True)
        return {"digests": found}

    def chunks(self, path: str) -> dict[str, Any]:
        with self._root() as root:
            found, stamp = chunks_of(root, _unquoted(path), self._limits.chunk_bytes)
        return {"chunks": found, "stamp": stamp}

    def read(self, items: list[tuple[str, int, int]]) -> bytes:
        """Pieces of files (path, offset, length) as a pack, in this order."""
        self._few(items)
        if sum(length for _, _, length in items) > self._limits.request_bytes:
            raise InvalidInput(f"more than {self._limits.request_bytes} bytes at once")
        body = []
        with self._root() as root, OpenDirectories(root) as places:
            for path, offset, length in items:
                with closing(Open(opened_file(places, _unquoted(path)))) as file:
                    os.lseek(file.handle, offset, os.SEEK_SET)
                    content = read_exactly(file.handle, length)
                body.append(packed(hashlib.sha256(content).digest(), content))
        return b"".join(body)

    # -- changing ------------------------------------------------------------------------------

    def missing(self, names: list[str]) -> dict[str, Any]:
        """Which of these chunks have to be sent. Makes the folder."""
        self._few(names)
        with self._records(make=True) as records, closing(Incoming(records)) as incoming:
            there = incoming.names()
        return {"missing": [name for name in names if name not in there]}

    def put(self, body: bytes) -> dict[str, Any]:
        """Keeps chunks. OverQuota where the user has no more room."""
        self._room.check(len(body))
        with self._records(make=True) as records, closing(Incoming(records)) as incoming:
            kept = incoming.put(body, self._limits.chunk_bytes)
        self._room.took(kept)
        return {"kept": kept}

    def apply(self, manifest: list[str]) -> dict[str, Any]:
        """Does what the list of changes says that these chunks hold: all of it is checked first."""
        with self._records(make=True) as records, closing(Incoming(records)) as incoming:
            data = incoming.read(manifest, self._limits.manifest_bytes)
            changes = read_changes(data, self._limits.chunk_bytes)
            self._room.check(sum(one.size for one in changes.files))
            with self._locked(records), self._root() as root:
                now = file_time(root)
                applying = Applying(root, incoming, changes, self._limits.chunk_bytes)
                stamps = applying.run()
                if _origin(root) is None:
                    os.fchmod(root, changes.mode)
                if changes.origin:
                    files.write_whole("origin.json", changes.origin, mode=0o644, folder=records)
            incoming.drop([*manifest, *applying.used])
            incoming.forget_old()
        return {"stamps": stamps, "made": applying.made, "now": now}

    def snapshot(self, manifest: list[str], keep: list[str]) -> dict[str, Any]:
        """Makes the snapshot of the files that these chunks name; collects those that are old, but
        for `keep`."""
        with self._records(make=False) as records, closing(Incoming(records)) as incoming:
            data = incoming.read(manifest, self._limits.manifest_bytes)
            try:
                entries = entries_of(json.loads(data))
            except ValueError as error:
                raise InvalidInput(f"no list of files: {error}"[:200]) from None
            with (
                self._locked(records),
                self._root() as root,
                closing(Snapshots(root, records)) as snapshots,
            ):
                name = snapshots.make(entries)
                collected = snapshots.collect({name, *keep})
            incoming.drop(manifest)
        folder = os.path.join(self.path, RECORDS, "snapshots", name)  # noqa: PTH118
        return {"id": name, "folder": folder, "collected": collected}

    def entries(self, snapshot_id: str) -> dict[str, Any]:
        """What belongs to a snapshot."""
        with (
            self._records(make=False) as records,
            self._root() as root,
            closing(Snapshots(root, records)) as snapshots,
        ):
            return {"entries": snapshots.read(snapshot_id)["entries"]}

    def destroy(self) -> dict[str, Any]:
        if not os.path.isdir(self.path):  # noqa: PTH112
            raise NotFound(f"there is no workspace {self._name!r}", hint="haiworkspace list")
        doomed = os.path.join(self._room.home, FOLDER, f".removed.{self._name}")  # noqa: PTH118
        if os.path.lexists(doomed):
            shutil.rmtree(doomed)
        os.rename(self.path, doomed)  # noqa: PTH104
        shutil.rmtree(doomed)
        self._room.recount()
        return {}

    # -- small things --------------------------------------------------------------------------

    def _few(self, items: list[Any]) -> None:
        if len(items) > self._limits.most_names:
            raise InvalidInput(f"more than {self._limits.most_names:,} names in one request")

    @contextmanager
    def _root(self) -> Iterator[int]:
        try:
            root = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound(f"{self.path} does not exist", hint="haiworkspace push") from None
        try:
            yield root
        finally:
            os.close(root)

    @contextmanager
    def _records(self, *, make: bool) -> Iterator[int]:
        if make:
            os.makedirs(self.path, 0o700, exist_ok=True)  # noqa: PTH103
        with self._root() as root, closing(Open(subfolder(root, RECORDS))) as records:
            yield records.handle

    @contextmanager
    def _locked(self, records: int) -> Iterator[None]:
        try:
            lock = files.open_lock("workspace.lock", folder=records, owners={os.geteuid()})
        except OSError as error:
            raise Denied(
                f"the lock of {self.path} cannot be used: {error.strerror}",
                hint="remove .hai/workspace.lock there, if it is a link or somebody else's",
            ) from error
        deadline = time.monotonic() + _LOCK_SECONDS
        with closing(Open(lock)):
            while not files.try_lock(lock):
                if time.monotonic() > deadline:
                    raise Conflict(
                        f"somebody else transfers into {self.path} just now",
                        hint="wait for it, then try again",
                    )
                time.sleep(_LOCK_PAUSE_SECONDS)
            yield


def _unquoted(path: str) -> str:
    """Names are bytes, and come with their odd ones escaped as in URLs."""
    return os.fsdecode(unquote_to_bytes(path))


def workspaces(home: str) -> dict[str, Any]:
    """All workspaces of a user, with what their records say."""
    found = []
    above = os.path.join(home, FOLDER)  # noqa: PTH118
    with suppress(FileNotFoundError), closing(Open(os.open(above, DIRECTORY))) as folder:
        for item in scanned(folder.handle):
            with (
                suppress(OSError),
                closing(Open(os.open(item.name, DIRECTORY, dir_fd=folder.handle))) as inner,
            ):
                if origin := _origin(inner.handle):
                    found.append({**origin, "remote": os.path.join(above, item.name)})  # noqa: PTH118
    return {"workspaces": found}


def used_bytes(home: str) -> int:
    """Of all files below the user's workspaces, records included."""
    total = 0
    linked: set[int] = set()  # files that snapshots share count once
    folders = [os.path.join(home, FOLDER)]  # noqa: PTH118
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as found:
            for item in found:
                if item.is_dir(follow_symlinks=False):
                    folders.append(item.path)
                    continue
                status = item.stat(follow_symlinks=False)
                if status.st_nlink == 1 or status.st_ino not in linked:
                    total += status.st_size
                    linked.add(status.st_ino)
    return total


def _origin(root: int) -> dict[str, Any] | None:
    try:
        with closing(Open(os.open(RECORDS, DIRECTORY, dir_fd=root))) as records:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            file = os.open("origin.json", flags, dir_fd=records.handle)
            with closing(Open(file)):
                document = json.loads(read_exactly(file, _ORIGIN_BYTES))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None
