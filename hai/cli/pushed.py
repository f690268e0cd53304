"""The copy of a workspace on the shared file system, which is what the cluster can run.

haiworkspace keeps `.hai/workspace.yml` and `.hai/sync.json` in the workspace's directory; after a
push the latter says where to and when.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hai.errors import NotFound
from hai.files import check_trusted

_FOLDER = ".hai"
_FILES = ("workspace.yml", "sync.json")


@dataclass(frozen=True, slots=True)
class PushedCopy:
    """`folder` is the twin of the directory that was asked for; `at` is RFC 3339.

    `far`: it is not mounted here; then these files of `folder` are known to be there.
    """

    folder: Path
    at: str
    far: frozenset[str] | None = None

    def has(self, path: str) -> bool:
        """Whether the file `path`, relative to `folder`, is there."""
        return (self.folder / path).exists() if self.far is None else path in self.far


def pushed_copy(directory: Path) -> PushedCopy | None:
    """The copy of `directory`; None where it lies in no workspace of ours, or was never pushed."""
    start = directory.resolve()
    for folder in (start, *start.parents):
        records = folder / _FOLDER
        if not all((records / name).is_file() for name in _FILES):
            continue
        try:
            for path in (records, *(records / name for name in _FILES)):
                check_trusted(path)
            state = json.loads((records / "sync.json").read_text(encoding="utf-8"))
            remote, at = Path(state.get("folder") or state["remote"]), state["pushed_at"]
            is_far = str(state["remote"]).startswith(("ssh://", "http://", "https://"))
            files = frozenset(state["base"]) if is_far else None
        except (OSError, ValueError, KeyError, TypeError):  # haiworkspace says what is wrong
            return None
        inner = start.relative_to(folder)
        twin = remote / inner
        if not at or (files is None and not twin.is_dir()):
            return None
        return PushedCopy(twin, str(at), None if files is None else _below(inner, files))
    return None


def _below(inner: Path, files: frozenset[str]) -> frozenset[str]:
    """Those of `files` that lie in `inner`, as seen from there."""
    if inner == Path():
        return files
    start = f"{inner.as_posix()}/"
    return frozenset(name.removeprefix(start) for name in files if name.startswith(start))


def in_pushed_copy(document: Mapping[str, Any], copy: PushedCopy) -> dict[str, Any]:
    """The run document with `copy` as its workspace. NotFound if its program is not there."""
    spec = document["spec"]
    entry = str(spec["entrypoint"])
    is_found_on_path = spec.get("entrypoint_executable") and "/" not in entry
    if not is_found_on_path and not copy.has(os.path.normpath(entry)):
        raise NotFound(
            f"no file {entry!r} in {copy.folder}, where this workspace was pushed to",
            hint="haiworkspace push sends it; `haiworkspace diff` shows why if it is left out",
        )
    return {**document, "spec": {**spec, "workspace": str(copy.folder)}}
