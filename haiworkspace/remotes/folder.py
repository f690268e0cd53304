"""A directory that is mounted here."""

import shutil
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from haiworkspace import records, transfer
from haiworkspace.ignore import Rules
from haiworkspace.listing import Digests, Tree, list_tree
from haiworkspace.records import Workspace


class Folder:
    """See `Remote`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def folder(self) -> str:
        return str(self._root)

    def exists(self) -> bool:
        return self._root.is_dir()

    def locked(self, mode: int) -> AbstractContextManager[None]:
        return records.locked(self._root, mode)

    def tree(self, rules: Rules, digests: Digests | None) -> Tree:
        return list_tree(self._root, rules, digests)

    def send(self, local: Path, paths: Iterable[str], *, clear: bool) -> None:
        transfer.copy(local, self._root, paths, clear=clear)

    def fetch(self, local: Path, paths: Iterable[str], *, clear: bool) -> None:
        transfer.copy(self._root, local, paths, clear=clear)

    def remove(self, paths: Iterable[str]) -> None:
        transfer.remove(self._root, paths)

    def set_modes(self, modes: Mapping[str, int]) -> None:
        transfer.set_modes(self._root, modes)

    def write_origin(self, workspace: Workspace, pushed_at: str) -> None:
        records.write_origin(workspace, pushed_at)

    def read_origin(self) -> dict[str, Any] | None:
        return records.read_origin(self._root)

    def destroy(self) -> None:
        doomed = self._root.with_name(f".removed.{self._root.name}")
        self._root.rename(doomed)
        shutil.rmtree(doomed)
