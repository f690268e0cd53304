"""Inside of a workspace a task runs a snapshot: haiworkspace pushes what changed and makes it."""

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
TWIN_VARIABLE = "HAI_WORKSPACE"  # where a program finds the twin, which outlives its snapshot


def has_snapshots(directory: Path) -> bool:
    """Whether it lies in a workspace of ours whose tasks run snapshots."""
    start = directory.resolve()
    for folder in (start, *start.parents):
        path = folder / _RECORDS
        if not path.is_file():
            continue
        try:
            for one in (path.parent, path):
                check_trusted(one)
            import yaml

            document = yaml.safe_load(path.read_text(encoding="utf-8"))
            is_near = document.get("provider", "dir") != "sftp"
            return is_near and bool(document.get("snapshots", True))
        except (OSError, ValueError, AttributeError):
            return False  # haiworkspace says what is wrong
        except yaml.YAMLError:
            return False
    return False


def in_snapshot(document: dict[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    """The run document with the snapshot as its workspace. NotFound if its program is not sent."""
    spec = document["spec"]
    start = Path(spec["workspace"]).resolve()
    made = _made(start)
    copy = pushed_copy(start)
    if copy is not None:
        in_pushed_copy(document, copy)  # is the program among what was pushed?
    folder = Path(made["folder"]) / start.relative_to(made["local"])
    say(f"runs snapshot {made['id']} of workspace {made['workspace']}: {folder}")
    environments = {TWIN_VARIABLE: str(made["twin"]), **(spec.get("environments") or {})}
    options = dict(document.get("options") or {})
    options["snapshot"] = {"workspace": made["workspace"], "id": made["id"]}
    spec = {**spec, "workspace": str(folder), "environments": environments}
    return {**document, "spec": spec, "options": options}


def _made(directory: Path) -> Mapping[str, Any]:
    """What haiworkspace says; its own words about what is wrong go to stderr."""
    done = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, "-c", _PROGRAM, "snapshot", "-o", "json"],
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
