"""The copy of a workspace on the shared file system, which is what the cluster can run.

haiworkspace keeps `.hai/workspace.yml` and `.hai/sync.json` in the workspace's directory; after a
push the latter says where to and when.
"""

import json
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
    """`folder` is the twin of the directory that was asked for; `at` is RFC 3339."""

    folder: Path
    at: str


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
            remote, at = Path(state["remote"]), state["pushed_at"]
        except (OSError, ValueError, KeyError, TypeError):  # haiworkspace says what is wrong
            return None
        twin = remote / start.relative_to(folder)
        return PushedCopy(twin, str(at)) if at and twin.is_dir() else None
    return None


def in_pushed_copy(document: Mapping[str, Any], copy: PushedCopy) -> dict[str, Any]:
    """The run document with `copy` as its workspace. NotFound if its program is not there."""
    spec = document["spec"]
    entry = str(spec["entrypoint"])
    is_found_on_path = spec.get("entrypoint_executable") and "/" not in entry
    if not is_found_on_path and not (copy.folder / entry).exists():
        raise NotFound(
            f"no file {entry!r} in {copy.folder}, where this workspace was pushed to",
            hint="haiworkspace push sends it; `haiworkspace diff` shows why if it is left out",
        )
    return {**document, "spec": {**spec, "workspace": str(copy.folder)}}
