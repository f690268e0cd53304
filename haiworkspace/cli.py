"""The command haiworkspace: code to the shared file system and back."""

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from hai.client.profile import load_profile
from hai.console.commands import HaiCommand, new_app
from hai.console.errors import Stderr, leave
from hai.console.output import Column, ListLayout, Output, parse_format
from hai.console.tools import run_app
from hai.errors import HaiError, InvalidInput, NotFound
from haiworkspace import records, tasks, workspace
from haiworkspace import watch as watching
from haiworkspace.plan import FileChange, SyncPlan
from haiworkspace.records import Workspace
from haiworkspace.remotes import opened
from haiworkspace.workspace import TransferOptions

_HELP = """Keep a directory of code and its twin on the shared file system in step.

\b
  haiworkspace init digits          this directory becomes the workspace "digits"
  haiworkspace push --dry-run       what would be sent, what not, and why
  haiworkspace push                 send what is new or changed
  haiworkspace pull                 fetch what is new or changed there

Files named in .haiignore (or .hfignore; rules as in .gitignore) stay here.
"""
_MARKS = {
    FileChange.ADDED: "+",
    FileChange.CHANGED: "~",
    FileChange.REMOVED: "-",
    FileChange.TARGET_ONLY: ".",
    FileChange.TARGET_CHANGED: "!",
    FileChange.CONFLICT: "!",
}
_MOST_LINES = 200  # of a plan, for people; -o json has no limit
_DIFF_COLUMNS = (Column("change", "CHANGE"), Column("path", "PATH"))
_DIFF_LAYOUT = ListLayout(_DIFF_COLUMNS, "path", ("change", "path"))
_LIST_COLUMNS = (
    Column("workspace", "WORKSPACE"),
    Column("pushed_at", "PUSHED"),
    Column("pulled_at", "PULLED"),
    Column("local", "LOCAL", cut=True),
    Column("remote", "REMOTE", cut=True),
)
_LIST_LAYOUT = ListLayout(_LIST_COLUMNS, "workspace", tuple(one.key for one in _LIST_COLUMNS))

app = new_app(help=_HELP, no_args_is_help=True)

_Force = Annotated[bool, typer.Option("--force", "-f", help="overwrite what changed there")]
_NoChecksum = Annotated[
    bool, typer.Option("--no_checksum", "--no-checksum", "-n", help="compare size and time only")
]
_NoIgnore = Annotated[
    bool, typer.Option("--no_hfignore", "--no-hfignore", "-i", help="do not read ignore files")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="show the plan and change nothing")]
_Delete = Annotated[
    bool, typer.Option("--delete", help="remove there what was removed here; with --force all else")
]
_Task = Annotated[str | None, typer.Argument(help="id or name of a task of this workspace")]
_Format = Annotated[str, typer.Option("-o", "--output", help="table | json | yaml | jsonl | csv")]


@app.command(cls=HaiCommand)
def init(
    name: str,
    provider: Annotated[
        str, typer.Option("--provider", "-p", help="dir | api | sftp; default: what is reachable")
    ] = "",
    remote: Annotated[
        str,
        typer.Option(help="default: $HAI_WORKSPACE_ROOT/<user>/workspaces/NAME"),
    ] = "",
    via: Annotated[
        str, typer.Option("--via", help="ssh://[user@]host[:port] of a machine that has it")
    ] = "",
) -> None:
    """Make the current directory a workspace."""
    if provider not in ("", "dir", "api", "sftp"):
        raise InvalidInput(
            f"unknown provider {provider!r}",
            hint="use dir: a folder that is mounted here; api: the platform; or sftp, with "
            "--via ssh://host",
        )
    made = _asked_for(records.check_name(name), remote, via, provider)
    records.check_places(made)
    with opened(made) as there:
        origin = there.read_origin()
        foreign = getattr(there, "foreign_uid", None)
    if foreign is not None:
        _say(f"warning: the platform is not root: files there belong to uid {foreign}, not to you")
    if origin and origin.get("workspace") != name:
        raise InvalidInput(
            f"{made.place} is the workspace {origin.get('workspace')!r}",
            hint="give another --remote",
        )
    path = records.write_workspace(made)
    _say(f"wrote {path}: {made.local} -> {made.place}")
    _say("next: haiworkspace push --dry-run")


def _asked_for(name: str, remote: str, via: str, provider: str) -> Workspace:
    if provider == "sftp" and not via:
        raise InvalidInput("sftp leads to a machine", hint="name it: --via ssh://user@host")
    if via.startswith(("http://", "https://")):
        raise InvalidInput(f"{via} is no address of a machine", hint="the platform: -p api")
    may_be_api = not via and not remote and provider in ("", "api")
    if may_be_api and (platform := _platform(name, must=provider == "api")):
        return platform
    if not via:
        there = Path(remote).absolute() if remote else records.default_remote(name)
        return Workspace(name, Path.cwd(), there)
    return Workspace(name, Path.cwd(), Path(remote or f"workspaces/{name}"), via)


def _platform(name: str, *, must: bool) -> Workspace | None:
    """The workspace behind the platform's API; None where a shared folder is nearer, or nobody is
    logged in, unless it `must` be."""
    if not must:
        try:
            records.default_remote(name)
        except InvalidInput:
            pass
        else:
            return None
    profile = load_profile()
    if must:
        profile.require_url()
        profile.require_token()
    if not profile.url or not profile.token:
        return None
    return Workspace(name, Path.cwd(), Path(name), profile.url)


@app.command(cls=HaiCommand)
def push(
    force: _Force = False,
    no_checksum: _NoChecksum = False,
    no_hfignore: _NoIgnore = False,
    dry_run: _DryRun = False,
    delete: _Delete = False,
) -> None:
    """Send what is new or changed. Files that are only there stay."""
    one = workspace.workspace_of(Path.cwd())
    options = TransferOptions(force, delete, not no_checksum, not no_hfignore, dry_run, _show)
    plan = workspace.push(one, options)
    _say(_summary(plan, "sent", one.place, dry_run=dry_run))


@app.command(cls=HaiCommand)
def snapshot(
    no_hfignore: _NoIgnore = False,
    or_twin: Annotated[bool, typer.Option("--or-twin", hidden=True)] = False,
    output: _Format = "table",
) -> None:
    """Push what changed and make a snapshot of it, as `hai-cli python` does for a task."""
    one = workspace.workspace_of(Path.cwd())
    options = TransferOptions(use_ignore_files=not no_hfignore, approve=_show_changes)
    made = workspace.snapshot(one, options, or_twin=or_twin)
    if made.plan.changes:
        _say(_summary(made.plan, "sent", one.place, dry_run=False))
    row = {"id": made.id, "workspace": one.name, "folder": made.folder}
    row |= {"twin": made.twin, "local": str(one.local)}
    out = Output(parse_format(output))
    if out.format.is_for_people:
        out.text(f"{made.id}  {made.folder}\n")
    else:
        out.document(row)


@app.command(cls=HaiCommand, hidden=True)
def snapshot_there(folder: Path) -> None:
    """What the haiworkspace of a client behind ssh asks for, which has pushed."""
    from haiworkspace.there import QUESTION_BYTES, answer

    found = answer(folder, sys.stdin.buffer.read(QUESTION_BYTES + 1))
    Output().raw(json.dumps(found) + "\n")


@app.command(cls=HaiCommand)
def watch(
    no_checksum: _NoChecksum = False, no_hfignore: _NoIgnore = False, delete: _Delete = False
) -> None:
    """Push now and whenever a file changes, until Ctrl-C."""
    one = workspace.workspace_of(Path.cwd())
    options = TransferOptions(False, delete, not no_checksum, not no_hfignore, False, _show_changes)
    _say(f"watching {one.local}; Ctrl-C ends it")
    for plan in watching.watch(one, options, _say):
        if plan.copied or plan.removed or plan.modes:
            _say(_summary(plan, "sent", one.place, dry_run=False))


@app.command(cls=HaiCommand)
def pull(
    task: _Task = None,
    force: _Force = False,
    no_checksum: _NoChecksum = False,
    no_hfignore: _NoIgnore = False,
    dry_run: _DryRun = False,
    delete: _Delete = False,
) -> None:
    """Fetch what is new or changed; of a TASK what it wrote below its workspace. Files that are
    only here stay."""
    one = workspace.workspace_of(Path.cwd())
    options = TransferOptions(force, delete, not no_checksum, not no_hfignore, dry_run, _show)
    plan = tasks.pull_task(one, task, options) if task else workspace.pull(one, options)
    _say(_summary(plan, "fetched", one.place, dry_run=dry_run))


@app.command(cls=HaiCommand)
def diff(
    task: _Task = None,
    no_checksum: _NoChecksum = False,
    no_hfignore: _NoIgnore = False,
    output: _Format = "table",
) -> None:
    """Show what push would do; with a TASK how what is here differs from what it runs. Exit code
    0: nothing differs; 1: something does."""
    one = workspace.workspace_of(Path.cwd())
    options = TransferOptions(checksum=not no_checksum, use_ignore_files=not no_hfignore)
    plan = tasks.diff_task(one, task, options) if task else workspace.diff(one, options)
    out = Output(parse_format(output))
    if out.format.is_for_people:
        out.text("".join(f"{line}\n" for line in _lines(plan)))
    else:
        out.rows(
            [{"change": kind, "path": path} for path, kind in plan.changes.items()], _DIFF_LAYOUT
        )
    leave(0 if plan.is_same else 1)


@app.command(cls=HaiCommand, name="list")
def list_workspaces(output: _Format = "table") -> None:
    """List the workspace of this directory, and all of yours below HAI_WORKSPACE_ROOT."""
    rows: dict[str, Mapping[str, Any]] = {}
    try:
        for remote in sorted(records.workspaces_of_user().glob("*")):
            with suppress(PermissionError):  # somebody else's, among ours
                if origin := records.read_origin(remote):
                    rows[str(remote)] = {**_row(origin), "remote": str(remote)}
    except InvalidInput:  # there is no common root
        rows.update(_of_platform())
    try:
        here = workspace.workspace_of(Path.cwd())
        state = records.read_state(here)
        times = {"pushed_at": state.pushed_at, "pulled_at": state.pulled_at}
        places = {"local": str(here.local), "remote": here.place}
        rows[here.place] = {"workspace": here.name, **times, **places}
    except NotFound:
        pass  # not within one
    out = Output(parse_format(output))
    out.rows(list(rows.values()), _LIST_LAYOUT)
    if not rows and out.format.is_for_people:
        _say("no workspaces: haiworkspace init NAME makes this directory one")


def _of_platform() -> dict[str, Mapping[str, Any]]:
    """The workspaces behind the platform's API; none where nobody is logged in."""
    from hai.client.http import HaiClient

    profile = load_profile()
    if not profile.url or not profile.token:
        return {}
    try:
        with HaiClient(profile, timeout_seconds=10) as client:
            found = client.call("workspaces")["workspaces"]
    except HaiError as error:
        _say(f"warning: those behind the platform are not known: {error.message}")
        if error.hint:
            _say(f"  hint: {error.hint}")
        return {}
    places = {f"{profile.url}/workspaces/{one['workspace']}": one for one in found}
    return {place: {**_row(one), "remote": place} for place, one in places.items()}


def _row(origin: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("workspace", "pushed_at", "pulled_at", "local")
    return {key: origin.get(key) for key in keys}


@app.command(cls=HaiCommand)
def remove(
    name: str,
    file: Annotated[
        list[str] | None, typer.Option("--file", "-f", help="only this file there")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
) -> None:
    """Remove a workspace, or files of it, from the shared file system. Nothing here is removed."""
    named = _named(records.check_name(name))
    for path in file or ():
        if path.startswith("/") or ".." in Path(path).parts or not path.strip("/."):
            raise InvalidInput(f"{path!r} is no file of a workspace", hint="as in: -f src/a.py")
    what = ", ".join(file) if file else "all files"
    with opened(named) as remote:
        origin = remote.read_origin()
        if not origin or origin.get("workspace") != name:
            raise NotFound(f"{named.place} is no workspace {name!r}", hint="haiworkspace list")
        _confirm(f"remove {what} in {named.place}?", f"haiworkspace remove {name} --yes", yes=yes)
        if file:
            remote.remove(file)
        else:
            remote.destroy()
    _say(f"removed {what} in {named.place}")


def _confirm(question: str, command: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInput("nobody is here to confirm", hint=command)
    typer.confirm(question, abort=True, err=True)


def _named(name: str) -> Workspace:
    """The workspace of this directory if it is called so, else the one among those of the user."""
    try:
        here = workspace.workspace_of(Path.cwd())
        if here.name == name:
            return here
    except NotFound:
        pass  # not within one
    return _platform(name, must=False) or Workspace(name, Path.cwd(), records.default_remote(name))


def _show(plan: SyncPlan) -> None:
    """The plan goes to stderr: what is copied, what stays, what is left out and why."""
    lines = _lines(plan)
    for line in lines[:_MOST_LINES]:
        _say(line)
    if len(lines) > _MOST_LINES:
        _say(f"  … and {len(lines) - _MOST_LINES} more (haiworkspace diff shows all)")


def _show_changes(plan: SyncPlan) -> None:
    """What is sent; on the way to a task, what stays here is no news."""
    _show(replace(plan, excluded={}))


def _lines(plan: SyncPlan) -> list[str]:
    changed = [f"{_MARKS[kind]} {path}  ({kind})" for path, kind in sorted(plan.changes.items())]
    return [*changed, *(f"x {path}  (excluded, {why})" for path, why in plan.excluded.items())]


def _summary(plan: SyncPlan, verb: str, remote: str, *, dry_run: bool) -> str:
    copied, removed = len(plan.copied), len(plan.removed)
    left = len(plan.changes) - copied - removed - len(plan.modes)
    be = "to be " if dry_run else ""
    parts = [f"{copied} file{'' if copied == 1 else 's'} {be}{verb}"]
    parts += [f"{removed} {be}removed"] if removed else []
    parts += [f"{len(plan.modes)} with new permissions"] if plan.modes else []
    parts += [f"{left} left different"] if left else []
    return f"{', '.join(parts)}, {len(plan.excluded)} excluded ({remote})"


def _stderr() -> Stderr:
    return Stderr(program="haiworkspace")


def _say(text: str) -> None:
    _stderr().say(text)


def main() -> NoReturn:
    """Runs the command line."""
    run_app(app, _stderr())
