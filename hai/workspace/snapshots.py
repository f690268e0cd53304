"""Snapshots of a workspace's code: what a task runs, whatever is pushed later.

    .hai/snapshots/ID/        the tree; files are read-only, and shared with other snapshots
    .hai/snapshots/ID.json    what belongs to it; its time is that of the last use
    .hai/objects/DIGEST-MODE  each content once, as hard links in the snapshots

ID is a digest of names, contents, executable bits and links, so equal code is one snapshot. A task
works in its snapshot: what it writes there stays when the code is collected. What is closed to
others in the workspace is closed in its snapshots, and so is the list of what belongs to them.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from hai import files
from hai.errors import Conflict, InvalidInput, NotFound
from hai.workspace.digests import CONTENT, Hashing, is_by_chunks, pieces
from hai.workspace.listing import READ, Open, opened_file
from hai.workspace.places import DIRECTORY, OpenDirectories, names_of, scanned, stat_of, subfolder

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

KEEP_SECONDS = 7 * 86400  # after the last use
ID_DIGITS = 16
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MANIFEST_BYTES = 64 << 20
_TIME_NS = 1_000_000_000 * 10**9  # of every object: another one tells that somebody wrote it

Entries = dict[str, "tuple[int, str | None, str | None]"]  # mode, digest, where a link points


def entries_of(document: Any) -> Entries:
    """The entries of a document that somebody sent. InvalidInput; Denied for a path that leads
    out."""
    found: Entries = {}
    try:
        for path, (mode, digest, link) in document["entries"].items():
            names_of(path)
            is_whole = link is not None or CONTENT.fullmatch(digest)
            if not is_whole or not 0 <= mode <= 0o777 or not isinstance(link, str | None):
                raise ValueError(path)
            found[path] = (mode, digest, link)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"no list of files: {error}"[:200]) from None
    for path in found:
        above = path.rpartition("/")[0]
        while above:
            if above in found:
                raise InvalidInput(f"{path[:200]!r} lies in a file or link")
            above = above.rpartition("/")[0]
    return found


def id_of(entries: Mapping[str, tuple[int, str | None, str | None]]) -> str:
    """The name of the snapshot of these files."""
    rows = [
        [path, bool(mode & 0o111), digest, link]
        for path, (mode, digest, link) in sorted(entries.items())
    ]
    return hashlib.sha256(json.dumps(rows).encode("ascii")).hexdigest()[:ID_DIGITS]


class Snapshots:
    """Those of one workspace: `root` is its open folder, `records` that of its records. Whoever
    calls holds the workspace's lock. Close it at the end."""

    def __init__(self, root: int, records: int) -> None:
        self._root = root
        self._folder = subfolder(records, "snapshots", mode=0o755)
        self._objects = subfolder(records, "objects")

    def close(self) -> None:
        os.close(self._folder)
        os.close(self._objects)

    def make(self, entries: Entries) -> str:
        """Its id. Content that no snapshot has yet is taken from the workspace, where a push has
        put it; Conflict if it is not there any more."""
        name = id_of(entries)
        if stat_of(self._folder, name) is None or not self._has_code(name):
            self._build(name, entries)
        modes = self._close(name, entries)
        is_open = all(mode & 0o005 == 0o005 for mode in modes) and all(
            link is not None or mode & 0o004 for mode, _, link in entries.values()
        )
        document = json.dumps({"id": name, "entries": entries})
        mode = 0o644 if is_open else 0o600  # it has names and digests
        files.write_whole(f"{name}.json", document, mode=mode, folder=self._folder)
        return name

    def _close(self, name: str, entries: Entries) -> list[int]:
        """Gives the snapshot's directories the modes that those of the workspace have now, the
        innermost ones first; these modes."""
        modes = []
        with (
            closing(Open(os.open(name, DIRECTORY, dir_fd=self._folder))) as target,
            OpenDirectories(self._root) as source,
            OpenDirectories(target.handle) as places,
        ):
            for path in sorted(_directories(entries), reverse=True):
                modes.append(_mode_of(source, path))
                with suppress(FileNotFoundError, NotADirectoryError):  # a task removed it
                    os.fchmod(places.at(names_of(path)), modes[-1])
        return modes

    def _has_code(self, name: str) -> bool:
        try:
            return not self.read(name).get("collected")
        except NotFound:  # cut off before its list was written
            return False

    def _build(self, name: str, entries: Entries) -> None:
        """Beside its place, then there in one step; where outputs of a task are left, into them."""
        is_new = stat_of(self._folder, name) is None
        part = f".{name}.{secrets.token_hex(4)}" if is_new else name
        target = subfolder(self._folder, part, mode=0o755)
        with (
            closing(Open(target)),
            OpenDirectories(self._root) as source,
            OpenDirectories(target) as places,
        ):
            for path in sorted(entries, key=lambda one: one.split("/")):
                folders = names_of(path)[:-1]
                folder = places.made(folders, lambda _: None, clear=False)
                self._add(source, folder, path, entries[path])
        if is_new:
            os.rename(part, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def _add(
        self,
        source: OpenDirectories,
        folder: int,
        path: str,
        entry: tuple[int, str | None, str | None],
    ) -> None:
        mode, digest, link = entry
        name = path.rpartition("/")[2]
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        if link is not None:
            os.symlink(link, name, dir_fd=folder)
            return
        shared = self._object(source, path, str(digest), mode & ~0o222)
        os.link(shared, name, src_dir_fd=self._objects, dst_dir_fd=folder, follow_symlinks=False)

    def _object(self, source: OpenDirectories, path: str, digest: str, mode: int) -> str:
        """The name of the shared file with this content, made from the workspace if need be."""
        name = f"{digest}-{mode:o}"
        found = stat_of(self._objects, name)
        if found is not None and _is_untouched(found, mode):
            return name
        part = f".{secrets.token_hex(8)}"
        with closing(Open(os.open(part, _NEW, 0o600, dir_fd=self._objects))) as target:
            try:
                self._copy(source, path, digest, target.handle)
                os.fchmod(target.handle, mode)
                os.utime(target.handle, ns=(_TIME_NS, _TIME_NS))
                os.rename(part, name, src_dir_fd=self._objects, dst_dir_fd=self._objects)
            except BaseException:
                os.unlink(part, dir_fd=self._objects)
                raise
        return name

    def _copy(self, source: OpenDirectories, path: str, digest: str, target: int) -> None:
        found = Hashing(by_chunks=is_by_chunks(digest))
        try:
            with closing(Open(opened_file(source, path))) as file:
                for piece in pieces(file.handle):
                    found.update(piece)
                    view = memoryview(piece)
                    while view:
                        view = view[os.write(target, view) :]
        except (FileNotFoundError, NotADirectoryError):
            raise _changed(path) from None
        if found.digest() != digest:
            raise _changed(path)

    def read(self, name: str) -> dict[str, Any]:
        """What belongs to a snapshot. NotFound."""
        try:
            file = os.open(f"{name}.json", READ, dir_fd=self._folder)
        except FileNotFoundError:
            raise NotFound(f"there is no snapshot {name[:80]}", hint="it was collected") from None
        with closing(Open(file)):
            found: dict[str, Any] = json.loads(b"".join(pieces(file)))
        return found

    def collect(self, keep: Collection[str], *, older_than_seconds: float = KEEP_SECONDS) -> int:
        """Removes the code of snapshots that nobody has used for so long and that are not among
        `keep`; the number of them. What tasks wrote there stays."""
        now = time.time()  # noqa: TID251 (compared with the times of files)
        count = 0
        for item in scanned(self._folder):
            name = item.name.removesuffix(".json")
            age = now - item.stat(follow_symlinks=False).st_mtime
            if item.name.startswith("."):  # cut off while it was made
                if age > KEEP_SECONDS:
                    self._empty(item.name, None)
            elif name != item.name and name not in keep and age > older_than_seconds:
                count += self._collect(name)
        if count:
            self._drop_unused()
        return count

    def _collect(self, name: str) -> bool:
        document = self.read(name)
        if document.get("collected"):
            return False
        if self._empty(name, document["entries"]):
            os.unlink(f"{name}.json", dir_fd=self._folder)
        else:
            text = json.dumps({**document, "collected": True})
            found = stat_of(self._folder, f"{name}.json")
            mode = stat.S_IMODE(found.st_mode) if found else 0o600
            files.write_whole(f"{name}.json", text, mode=mode, folder=self._folder)
        return True

    def _empty(self, name: str, entries: Mapping[str, Any] | None) -> bool:
        """Removes what belongs to the code, and directories that become empty; whether nothing is
        left. Without entries: every file."""
        try:
            folder = os.open(name, DIRECTORY, dir_fd=self._folder)
        except FileNotFoundError:
            return True
        with closing(Open(folder)):
            _empty(folder, "", entries)
        try:
            os.rmdir(name, dir_fd=self._folder)
        except OSError:
            return False
        return True

    def _drop_unused(self) -> None:
        for item in scanned(self._objects):
            if item.stat(follow_symlinks=False).st_nlink == 1:
                os.unlink(item.name, dir_fd=self._objects)


def _empty(folder: int, prefix: str, entries: Mapping[str, Any] | None) -> None:
    for item in scanned(folder):
        path = prefix + item.name
        if item.is_dir(follow_symlinks=False):
            with closing(Open(os.open(item.name, DIRECTORY, dir_fd=folder))) as inner:
                _empty(inner.handle, path + "/", entries)
            with suppress(OSError):  # something else is in it
                os.rmdir(item.name, dir_fd=folder)
        elif entries is None or (
            path in entries and is_of_code(item.stat(follow_symlinks=False), entries[path])
        ):
            os.unlink(item.name, dir_fd=folder)


def _directories(entries: Entries) -> set[str]:
    """All that hold entries, at any depth."""
    found: set[str] = set()
    for path in entries:
        while (path := path.rpartition("/")[0]) and path not in found:
            found.add(path)
    return found


def _mode_of(source: OpenDirectories, path: str) -> int:
    """Of a directory of the workspace; closed to others where it is not there any more."""
    try:
        found = os.fstat(source.at(names_of(path)))
    except (FileNotFoundError, NotADirectoryError):
        return 0o700
    return stat.S_IMODE(found.st_mode) & 0o777 | 0o700


def is_of_code(status: os.stat_result, entry: Any) -> bool:
    """Whether a file of a snapshot is still what was put there."""
    mode, _, link = entry
    if link is not None:
        return stat.S_ISLNK(status.st_mode)
    return stat.S_ISREG(status.st_mode) and _is_untouched(status, mode & ~0o222)


def _is_untouched(status: os.stat_result, mode: int) -> bool:
    return stat.S_IMODE(status.st_mode) == mode and status.st_mtime_ns == _TIME_NS


def _changed(path: str) -> Conflict:
    return Conflict(
        f"{path} changed in the workspace since it was pushed", hint="the same command again"
    )
