"""Inside of a workspace a task runs a snapshot: haiworkspace pushes what changed and makes it; or
the copy that was pushed, where a workspace behind ssh can have none."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hai.cli.pushed import in_pushed_copy, pushed_copy
from hai.console.errors import leave
from hai.errors import PlatformError
from hai.files import check_trusted

_RECORDS = Path(".hai") / "workspace.yml"
_PROGRAM = "from haiworkspace.cli import main; main()"
_WITHOUT = (
    "this workspace is behind ssh, and haiworkspace is not installed there: the task runs no "
    "snapshot but {folder}, also when that changes"
)
TWIN_VARIABLE = "HAI_WORKSPACE"  # where a program finds the twin, which outlives its snapshot


def has_snapshots(directory: Path) -> bool:
    """Whether it lies in a workspace of ours whose tasks run snapshots."""
    document = _workspace(directory)
    return document is not None and bool(document.get("snapshots", True))


def runs_elsewhere(directory: Path, *, is_pushed: bool) -> str:
    """What a task runs that is submitted in a workspace behind ssh whose file says `snapshots:
    false`, for the user; "" for others."""
    document = _workspace(directory)
    if document is None or not _is_by_ssh(document) or document.get("snapshots", True):
        return ""
    if is_pushed:
        return (
            "this workspace is behind ssh: nothing was pushed now, and the task runs no snapshot "
            "but that copy, also when it changes; `haiworkspace push` first sends what is new"
        )
    return (
        f"this workspace is behind ssh and was never pushed: the task runs {directory} itself, "
        "which has to be there on its nodes; `haiworkspace push` first sends it"
    )


def _is_by_ssh(document: Mapping[str, Any]) -> bool:
    return bool(document.get("provider", "dir") == "sftp")


def _workspace(directory: Path) -> Mapping[str, Any] | None:
    """The file of the workspace that holds `directory`; None where there is none of ours, or one
    that cannot be read: haiworkspace says what is wrong."""
    start = directory.resolve()
    for folder in (start, *start.parents):
        path = folder / _RECORDS
        if not path.is_file():
            continue
        import yaml

        try:
            for one in (path.parent, path):
                check_trusted(one)
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            return None
        return document if isinstance(document, Mapping) else None
    return None


def in_snapshot(document: dict[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    """The run document with the snapshot as its workspace. NotFound if its program is not sent."""
    spec = document["spec"]
    start = Path(spec["workspace"]).resolve()
    made = _made(start)
    copy = pushed_copy(start)
    if copy is not None:
        in_pushed_copy(document, copy)  # is the program among what was pushed?
    folder = Path(made["folder"]) / start.relative_to(made["local"])
    if not made["id"]:
        say(_WITHOUT.format(folder=folder))
        return {**document, "spec": {**spec, "workspace": str(folder)}}
    say(f"runs snapshot {made['id']} of workspace {made['workspace']}: {folder}")
    environments = {TWIN_VARIABLE: str(made["twin"]), **(spec.get("environments") or {})}
    options = dict(document.get("options") or {})
    options["snapshot"] = {"workspace": made["workspace"], "id": made["id"]}
    spec = {**spec, "workspace": str(folder), "environments": environments}
    return {**document, "spec": spec, "options": options}


def _made(directory: Path) -> Mapping[str, Any]:
    """What haiworkspace says; its own words about what is wrong go to stderr."""
    done = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, "-c", _PROGRAM, "snapshot", "--or-twin", "-o", "json"],
        cwd=directory,
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        leave(done.returncode)
    try:
        found: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise PlatformError("haiworkspace did not say which snapshot it made") from None
    return found
