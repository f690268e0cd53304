"""What a task ran, and what it wrote: the snapshot that it records, compared and fetched."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hai import files
from hai.errors import Conflict, InvalidInput
from haiworkspace.ignore import Rules
from haiworkspace.listing import KnownDigests, entries_at, list_tree
from haiworkspace.plan import FileChange, FileEntry, SyncPlan, compare
from haiworkspace.records import FOLDER, Workspace, locked
from haiworkspace.remotes import opened
from haiworkspace.workspace import TransferOptions, read_rules


def snapshot_of(task: str, workspace: Workspace) -> str:
    """The id of the snapshot that a task runs. NotFound for no such task; InvalidInput where it
    runs none of this workspace."""
    from hai.client.http import HaiClient
    from hai.client.profile import load_profile

    with HaiClient(load_profile()) as client:
        found = client.call("task", ref=task)
    snapshot = ((found.get("spec") or {}).get("options") or {}).get("snapshot")
    if not isinstance(snapshot, Mapping) or not snapshot.get("id"):
        raise InvalidInput(
            f"task {task} runs no snapshot of a workspace",
            hint="those that are submitted inside of a workspace do",
        )
    if snapshot.get("workspace") != workspace.name:
        raise InvalidInput(
            f"task {task} runs the workspace {snapshot.get('workspace')!r}, and this is "
            f"{workspace.name!r}",
            hint="go to that one's directory",
        )
    return str(snapshot["id"])


def diff_task(workspace: Workspace, task: str, options: TransferOptions) -> SyncPlan:
    """How what is here differs from what the task runs."""
    name = snapshot_of(task, workspace)
    rules = read_rules(workspace.local, use_files=options.use_ignore_files)
    with opened(workspace) as remote:
        there = {path: _comparable(one) for path, one in remote.snapshot_entries(name).items()}
    tree = list_tree(workspace.local, rules, KnownDigests({}, like=_digests(there)))
    here = {path: _comparable(one) for path, one in tree.entries.items()}
    # what is only in the snapshot was removed here since
    return compare(here, there, there, tree.excluded)


def _comparable(one: FileEntry) -> FileEntry:
    """A snapshot knows of permissions only whether a file is executable."""
    return FileEntry(0o111 if one.mode & 0o111 else 0, 0, 0, one.digest, one.link)


def pull_task(workspace: Workspace, task: str, options: TransferOptions) -> SyncPlan:
    """Fetches what was written below the task's snapshot. Raises Conflict if a file was changed
    here since the last time, or was never fetched and is another one, and not `force`."""
    name = snapshot_of(task, workspace)
    with opened(workspace) as remote, locked(workspace.local):
        code = remote.snapshot_entries(name)
        outputs = remote.in_snapshot(name)
        known = _read(workspace, name)
        like = _digests({**code, **known})
        found = outputs.tree(Rules(()), KnownDigests({}, chunked=remote.by_chunks, like=like))
        written = {
            path: one for path, one in found.entries.items() if not _is_code(one, code.get(path))
        }
        here = entries_at(workspace.local, written, KnownDigests({}, like=_digests(found.entries)))
        plan = compare(written, here, {path: one for path, one in known.items() if path in here})
        if options.approve:
            options.approve(plan)
        contested = plan.paths(FileChange.CONFLICT)
        if contested and not options.force:
            raise Conflict(
                f"{contested[0]} is another file here than task {task} wrote",
                hint="move it away, or pull --force to overwrite it",
            )
        kinds = (
            FileChange.ADDED,
            FileChange.CHANGED,
            *((FileChange.CONFLICT,) if options.force else ()),
        )
        copied = plan.paths(*kinds)
        plan = SyncPlan(plan.changes, {}, copied)
        if not options.dry_run:
            outputs.fetch(workspace.local, copied, clear=options.force)
            _write(workspace, name, {**known, **written})
        return plan


def _digests(entries: Mapping[str, FileEntry]) -> dict[str, str]:
    return {path: one.digest for path, one in entries.items() if one.digest}


def _is_code(one: FileEntry, code: FileEntry | None) -> bool:
    return code is not None and (one.digest, one.link) == (code.digest, code.link)


def _read(workspace: Workspace, name: str) -> dict[str, FileEntry]:
    """What was fetched of this snapshot before."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        document: dict[str, Any] = json.loads(_path(workspace, name).read_text(encoding="ascii"))
        return {path: FileEntry(*row) for path, row in document.items()}
    return {}


def _write(workspace: Workspace, name: str, fetched: Mapping[str, FileEntry]) -> None:
    rows = {
        path: (one.mode, one.size, one.mtime_ns, one.digest, one.link)
        for path, one in fetched.items()
    }
    files.write_whole(_path(workspace, name), json.dumps(rows))


def _path(workspace: Workspace, name: str) -> Path:
    return workspace.local / FOLDER / f"fetched-{name}.json"
