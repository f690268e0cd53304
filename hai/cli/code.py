"""What `describe --code` shows: the snapshot that a task runs, file by file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hai.cli.session import Session
from hai.errors import NotFound


def code_of(session: Session, task: Mapping[str, Any]) -> dict[str, Any]:
    """Snapshot, workspace, folder and the files with their SHA-256. NotFound where the task runs
    no snapshot. `files` is None where they cannot be read from here, or were collected."""
    document = task.get("spec") or {}
    spec = document.get("spec") or {}
    snapshot = (document.get("options") or {}).get("snapshot")
    if not isinstance(snapshot, Mapping):
        raise NotFound(
            f"task {task['id']} runs no snapshot of a workspace: its code is in "
            f"{spec.get('workspace') or 'its home'}",
            hint="tasks that are submitted inside of a workspace run one",
        )
    found = {"id": task["id"], "snapshot": snapshot.get("id")}
    found |= {"workspace": snapshot.get("workspace"), "folder": spec.get("workspace")}
    return {**found, "files": _files(session, snapshot, str(spec.get("workspace")))}


def _files(session: Session, snapshot: Mapping[str, Any], folder: str) -> dict[str, str] | None:
    name = str(snapshot.get("id"))
    for above in (Path(folder), *Path(folder).parents):
        if above.name == name and above.parent.name == "snapshots":
            try:
                return _named(json.loads(Path(f"{above}.json").read_text(encoding="ascii")))
            except (OSError, ValueError, KeyError):
                break
    try:
        workspace = snapshot.get("workspace")
        found = session.client.call("workspace_snapshot_files", name=workspace, snapshot=name)
        return _named(found)
    except NotFound:
        return None


def _named(document: Mapping[str, Any]) -> dict[str, str]:
    return {
        path: digest if link is None else f"-> {link}"
        for path, (_, digest, link) in sorted(document["entries"].items())
    }
