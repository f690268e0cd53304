"""push, pull and diff of one workspace: list both sides, plan, check, copy, remember."""

import stat
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from hai.errors import Conflict, NotFound
from haiworkspace import transfer
from haiworkspace.ignore import FILE_NAMES, Rules, default_rules, parse_rules
from haiworkspace.listing import Digests, Tree, list_tree
from haiworkspace.plan import Change, Plan, changed_modes, compare
from haiworkspace.records import (
    SyncState,
    Workspace,
    check_places,
    find_workspace,
    locked,
    read_state,
    write_origin,
    write_state,
)

_SENT = (Change.ADDED, Change.CHANGED)
_CONTESTED = (Change.CONFLICT, Change.TARGET_CHANGED)


@dataclass(frozen=True, slots=True)
class Options:
    """How to transfer. `approve` sees the plan before anything is changed, and may raise."""

    force: bool = False  # overwrite what changed on the other side
    delete: bool = False  # also remove there what was removed here since both agreed
    checksum: bool = True  # False: equal size and time of change mean equal content
    use_ignore_files: bool = True
    dry_run: bool = False
    approve: Callable[[Plan], None] | None = None


@dataclass(slots=True)
class _Sides:
    """Both trees as they are now, and what is remembered of them."""

    local: Tree
    remote: Tree
    state: SyncState


def workspace_of(directory: Path) -> Workspace:
    """The workspace that holds `directory`. Raises NotFound."""
    return find_workspace(directory)


def diff(workspace: Workspace, options: Options) -> Plan:
    """What push would do."""
    with locked(workspace.local):
        sides = _look(workspace, options)
        _remember(workspace, sides)
    return _compared(sides.local, sides.remote, sides.state)


def push(workspace: Workspace, options: Options) -> Plan:
    """Sends what is new or changed. Raises Conflict if the remote changed since they agreed."""
    check_places(workspace.local, workspace.remote)
    is_new = not workspace.remote.is_dir()
    with locked(workspace.local), _locked_remote(workspace, options):
        sides = _look(workspace, options)
        if is_new:  # never pushed, or removed as a whole: there is nothing to overwrite
            sides.state.base, sides.state.directories = {}, {}
        plan = _compared(sides.local, sides.remote, sides.state)
        _approve(plan, options)
        contested = plan.paths(*_CONTESTED)
        if contested and not options.force:
            raise Conflict(
                f"{_named(contested)} changed in {workspace.remote} since the last push",
                hint="haiworkspace pull first, or push --force to overwrite",
            )
        plan = _decided(plan, sides.local, options)
        if options.dry_run:
            return plan
        now = _now()
        _apply(workspace.local, workspace.remote, plan, options)
        sides.state.pushed_at = now
        _agree(workspace, sides, options)
        write_origin(workspace, now)
    return plan


def pull(workspace: Workspace, options: Options) -> Plan:
    """Fetches what is new or changed. What only changed here stays, unless `force`.

    Raises Conflict if a file changed on both sides, NotFound if nothing was ever pushed.
    """
    check_places(workspace.local, workspace.remote)
    if not workspace.remote.is_dir():
        raise NotFound(f"{workspace.remote} does not exist", hint="haiworkspace push makes it")
    with locked(workspace.local), _locked_remote(workspace, options):
        sides = _look(workspace, options)
        plan = _compared(sides.remote, sides.local, sides.state)
        _approve(plan, options)
        contested = plan.paths(Change.CONFLICT)
        if contested and not options.force:
            raise Conflict(
                f"{_named(contested)} changed here and in {workspace.remote}",
                hint="move your version away, or pull --force to overwrite it",
            )
        plan = _decided(plan, sides.remote, options)
        if options.dry_run:
            return plan
        _apply(workspace.remote, workspace.local, plan, options)
        sides.state.pulled_at = _now()
        _agree(workspace, sides, options)
    return plan


def _compared(source: Tree, target: Tree, state: SyncState) -> Plan:
    """How they differ; a directory whose mode is to change is a path with a slash at its end."""
    plan = compare(source.entries, target.entries, state.base, source.excluded)
    modes = changed_modes(source.directories, target.directories, state.directories)
    changes = {**plan.changes, **{f"{name}/": Change.CHANGED for name in modes}}
    return replace(plan, changes=changes, modes=modes)


def _locked_remote(workspace: Workspace, options: Options) -> AbstractContextManager[None]:
    # A dry run makes nothing there, not even the lock's folder.
    if options.dry_run:
        return nullcontext()
    return locked(workspace.remote, stat.S_IMODE(workspace.local.stat().st_mode) & 0o777 | 0o700)


def _approve(plan: Plan, options: Options) -> None:
    if options.approve:
        options.approve(plan)


def _look(workspace: Workspace, options: Options) -> _Sides:
    state = read_state(workspace)
    rules = read_rules(workspace.local, use_files=options.use_ignore_files)
    local = Digests(state.local_digests) if options.checksum else None
    remote = Digests(state.remote_digests) if options.checksum else None
    sides = _Sides(
        list_tree(workspace.local, rules, local), list_tree(workspace.remote, rules, remote), state
    )
    if local and remote:
        state.local_digests, state.remote_digests = local.seen, remote.seen
    return sides


def read_rules(local: Path, *, use_files: bool) -> Rules:
    """The default rules, then those of the ignore files."""
    rules = default_rules()
    for name in FILE_NAMES if use_files else ():
        if (local / name).is_file():
            rules += parse_rules((local / name).read_bytes(), name)
    return Rules(rules)


def _decided(plan: Plan, source: Tree, options: Options) -> Plan:
    """The plan with what is to be done about it."""
    kinds = (*_SENT, *_CONTESTED) if options.force else _SENT
    gone = [Change.REMOVED] if options.delete else []
    if options.delete and options.force:
        gone += [Change.TARGET_ONLY, *_CONTESTED]
    copied = [path for path in plan.paths(*kinds) if path in source.entries]
    removed = {path for path in plan.paths(*gone) if path not in source.entries}
    removed.update(one for path in copied for one in plan.in_the_way.get(path, ()))
    return replace(plan, copied=copied, removed=sorted(removed))


def _apply(source: Path, target: Path, plan: Plan, options: Options) -> None:
    transfer.remove(target, plan.removed)
    transfer.copy(source, target, plan.copied, clear=options.force)
    transfer.set_modes(target, plan.modes)


def _agree(workspace: Workspace, sides: _Sides, options: Options) -> None:
    """Lists both sides again and takes down where they are equal now."""
    write_state(workspace, sides.state)
    after = _look(workspace, options)
    local, remote = after.local.entries, after.remote.entries
    base = {
        path: entry for path, entry in sides.state.base.items() if path in local or path in remote
    }
    base.update({path: one for path, one in local.items() if one.is_same(remote.get(path))})
    after.state.base = base
    here, there = after.local.directories, after.remote.directories
    known = {name: mode for name, mode in sides.state.directories.items() if name in here}
    after.state.directories = {**known, **dict(here.items() & there.items())}
    _remember(workspace, after)


def _remember(workspace: Workspace, sides: _Sides) -> None:
    write_state(workspace, sides.state)


def _named(paths: Iterable[str]) -> str:
    first, *rest = paths
    return f"{first} and {len(rest)} more" if rest else first


def _now() -> str:
    now = datetime.now(UTC)  # noqa: TID251 (only written down, nothing is decided by it)
    return now.isoformat(timespec="seconds").replace("+00:00", "Z")
