"""Puts the changes of a push in place: all of it is looked at first and made ready beside the tree
(directories that are missing: in it, closed and empty), so that a full disk changes nothing; then
each file and link appears whole by a rename. A push that is cut off is ended by the next one."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from hai.errors import Conflict
from hai.workspace.digests import PIECE_BYTES
from hai.workspace.incoming import missing_chunk
from hai.workspace.listing import Open, opened_file, stamp_of
from hai.workspace.places import OpenDirectories, in_the_way, is_directory, names_of, stat_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hai.workspace.changes import Changes, NewFile
    from hai.workspace.incoming import Incoming
    from hai.workspace.listing import Stamp

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Applying:
    """One list of changes on its way into the tree below `root`."""

    def __init__(self, root: int, incoming: Incoming, changes: Changes, chunk_bytes: int) -> None:
        self._places = OpenDirectories(root)
        self._incoming = incoming
        self._changes = changes
        self._chunk_bytes = chunk_bytes
        self._uses = Counter(one.chunks[index] for one in changes.files for index in one.fresh)
        self._ready: dict[str, str] = {}  # path -> name among the chunks
        self._made: list[str] = []

    @property
    def used(self) -> list[str]:
        """The chunks that it was made of."""
        return list(self._uses)

    @property
    def made(self) -> dict[str, int]:
        """The modes of the directories that it made."""
        modes = self._changes.directories
        return {name: modes.get(name, 0o700) | 0o700 for name in self._made}

    def run(self) -> dict[str, Stamp]:
        """The stamps of the files that were written, by path. Conflict, with nothing changed, if
        what stands there is not what the client knows, or if a chunk is missing."""
        changes = self._changes
        try:
            self._check()
            for one in changes.files:
                self._make_ready(one)
            for one in changes.files:
                with suppress(Conflict):  # what stands there goes away later, or is told then
                    self._places.made(names_of(one.path)[:-1], self._made.append, clear=False)
            for path in changes.removed:
                self._remove(path)
            stamps = {one.path: self._put(one) for one in sorted(changes.files, key=_by_path)}
            self._set_modes({**self.made, **changes.modes})
            return stamps
        except BaseException:
            self._unmake()
            self._set_modes(self.made)
            raise
        finally:
            self._incoming.drop(self._ready.values())
            self._places.__exit__()

    # -- before anything is changed ------------------------------------------------------------

    def _check(self) -> None:
        there = self._incoming.names()
        if any(name not in there for name in self._uses):
            raise missing_chunk()
        for one in self._changes.files:
            self._check_old(one.path, one.old)
        for path, old in self._changes.removed.items():
            self._check_old(path, old)

    def _check_old(self, path: str, old: Stamp | None) -> None:
        found = self._stamp(path)
        if found != old and not (old is None and self._is_folder(path)):
            raise Conflict(
                f"{path} changed there in this moment", hint="the same command again looks anew"
            )

    def _stamp(self, path: str) -> Stamp | None:
        try:
            folder, name = self._places.of(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        status = stat_of(folder, name)
        return None if status is None else stamp_of(status)

    def _is_folder(self, path: str) -> bool:
        folder, name = self._places.of(path)
        return is_directory(folder, name)

    def _make_ready(self, one: NewFile) -> None:
        """A link, or a file with content, mode and time, of its own among the chunks."""
        if one.link is not None:
            self._ready[one.path] = secrets.token_hex(8) + ".link"
            os.symlink(one.link, self._ready[one.path], dir_fd=self._incoming.folder)
            return
        chunk = one.chunks[0] if len(one.chunks) == 1 and not one.kept else ""
        if chunk and self._uses[chunk] == 1 and self._incoming.is_alone(chunk):
            name = chunk  # it becomes the file
            handle = self._incoming.opened(name)
        else:
            name = secrets.token_hex(8) + ".whole"
            handle = os.open(name, _NEW, 0o600, dir_fd=self._incoming.folder)
        self._ready[one.path] = name
        with closing(Open(handle)):
            if name.endswith(".whole"):
                self._assemble(one, handle)
            if os.fstat(handle).st_size != one.size:
                raise Conflict(f"the chunks of {one.path} are not as long as the file", hint="")
            os.fchmod(handle, one.mode)
            os.utime(handle, ns=(one.mtime_ns, one.mtime_ns))

    def _assemble(self, one: NewFile, target: int) -> None:
        if one.kept:
            with closing(Open(opened_file(self._places, one.path))) as old:
                if stamp_of(os.fstat(old.handle)) != one.old:
                    raise Conflict(f"{one.path} changed there in this moment", hint="try again")
                for first, count in one.kept:
                    self._keep(old.handle, target, first, min(count, len(one.chunks) - first))
        for index in one.fresh:
            os.lseek(target, index * self._chunk_bytes, os.SEEK_SET)
            for piece in self._incoming.content(one.chunks[index]):
                _write(target, piece)

    def _keep(self, old: int, target: int, first: int, count: int) -> None:
        at, left = first * self._chunk_bytes, count * self._chunk_bytes
        with suppress(OSError):  # not on this file system: copied by hand below
            while left and (moved := os.copy_file_range(old, target, left, at, at)):
                at, left = at + moved, left - moved
        os.lseek(target, at, os.SEEK_SET)
        while left and (piece := os.pread(old, min(left, PIECE_BYTES), at)):
            _write(target, piece)
            at, left = at + len(piece), left - len(piece)

    # -- changing ------------------------------------------------------------------------------

    def _remove(self, path: str) -> None:
        """With the directories that become empty by it; a missing one is no error."""
        folders = names_of(path)[:-1]
        with suppress(FileNotFoundError, NotADirectoryError):
            folder, name = self._places.of(path)
            os.unlink(name, dir_fd=folder)
        while folders:
            *folders, name = folders
            try:
                os.rmdir(name, dir_fd=self._places.at(folders))
            except OSError:  # something else is in it
                break
            self._places.forget()

    def _put(self, one: NewFile) -> Stamp:
        *folders, name = names_of(one.path)
        folder = self._places.made(folders, self._made.append, clear=self._changes.clear)
        if is_directory(folder, name):
            self._clear(folder, name, one.path)
        try:
            ready = self._ready[one.path]
            os.rename(ready, name, src_dir_fd=self._incoming.folder, dst_dir_fd=folder)
            del self._ready[one.path]
        except (IsADirectoryError, NotADirectoryError) as error:
            raise in_the_way(one.path) from error
        return stamp_of(os.stat(name, dir_fd=folder, follow_symlinks=False))

    def _clear(self, folder: int, name: str, path: str) -> None:
        if not self._changes.clear:
            raise in_the_way(path)
        try:
            os.rmdir(name, dir_fd=folder)
        except OSError as error:  # not empty
            raise in_the_way(path) from error

    def _unmake(self) -> None:
        """Removes the directories that it made and that are empty."""
        self._places.forget()
        for path in sorted(self._made, reverse=True):
            *above, name = names_of(path)
            with suppress(OSError):
                os.rmdir(name, dir_fd=self._places.at(above))

    def _set_modes(self, wanted: Mapping[str, int]) -> None:
        """The innermost ones first."""
        for path in sorted(wanted, key=lambda one: one.count("/"), reverse=True):
            with suppress(FileNotFoundError, NotADirectoryError):
                os.fchmod(self._places.at(names_of(path)), wanted[path] | 0o700)


def _by_path(one: NewFile) -> list[str]:
    return one.path.split("/")


def _write(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view[:PIECE_BYTES]) :]
