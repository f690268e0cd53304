"""A directory that is mounted here."""

import os
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

from hai.workspace.listing import Open
from hai.workspace.places import subfolder
from hai.workspace.snapshots import Entries, Snapshots
from haiworkspace import records, transfer
from haiworkspace.ignore import Rules
from haiworkspace.listing import KnownDigests, Tree, list_tree
from haiworkspace.plan import FileEntry
from haiworkspace.records import FOLDER
from haiworkspace.remotes.push import Push, change_in_steps
from haiworkspace.remotes.wire import entries_from, files_of, in_use


class FolderRemote:
    """See `Remote`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def folder(self) -> str:
        return str(self._root)

    def exists(self) -> bool:
        try:
            return stat.S_ISDIR(self._root.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False  # and not where a folder above it is closed to us

    def locked(self, mode: int) -> AbstractContextManager[None]:
        return records.locked(self._root, mode)

    def tree(self, rules: Rules, digests: KnownDigests | None) -> Tree:
        return list_tree(self._root, rules, digests)

    @property
    def reads_what_it_sends(self) -> bool:
        return False

    @property
    def by_chunks(self) -> bool:
        return False

    def change(self, push: Push) -> None:
        change_in_steps(self, push)

    def send(self, local: Path, paths: Iterable[str], *, clear: bool) -> None:
        transfer.copy(local, self._root, paths, clear=clear)

    def fetch(self, local: Path, paths: Iterable[str], *, clear: bool) -> None:
        transfer.copy(self._root, local, paths, clear=clear)

    def remove(self, paths: Iterable[str]) -> None:
        transfer.remove(self._root, paths)

    def set_modes(self, modes: Mapping[str, int]) -> None:
        transfer.set_modes(self._root, modes)

    def write_origin(self, origin: str) -> None:
        records.write_origin(self._root, origin)

    def read_origin(self) -> dict[str, Any] | None:
        return records.read_origin(self._root)

    def snapshot(self, entries: Mapping[str, FileEntry]) -> tuple[str, str]:
        return self.make_snapshot(files_of(entries), in_use())

    def make_snapshot(self, entries: Entries, keep: Collection[str] | None) -> tuple[str, str]:
        """Id and folder of the snapshot of these files; the caller holds the lock. Old ones but
        those in `keep` are collected, where that is known."""
        with self._snapshots() as snapshots:
            name = snapshots.make(entries)
            if keep is not None:
                snapshots.collect({name, *keep})
        return name, str(self._root / FOLDER / "snapshots" / name)

    def snapshot_entries(self, snapshot: str) -> dict[str, FileEntry]:
        with self._snapshots() as snapshots:
            return entries_from(snapshots.read(snapshot)["entries"])

    def in_snapshot(self, snapshot: str) -> "FolderRemote":
        return FolderRemote(self._root / FOLDER / "snapshots" / snapshot)

    @contextmanager
    def _snapshots(self) -> Iterator[Snapshots]:
        """The caller holds the lock of what it makes."""
        with (
            closing(Open(os.open(self._root, os.O_RDONLY | os.O_DIRECTORY))) as root,
            closing(Open(subfolder(root.handle, FOLDER))) as records,
            closing(Snapshots(root.handle, records.handle)) as snapshots,
        ):
            yield snapshots

    def destroy(self) -> None:
        doomed = self._root.with_name(f".removed.{self._root.name}")
        self._root.rename(doomed)
        shutil.rmtree(doomed)
