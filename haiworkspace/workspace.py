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
    write_state,
)
from haiworkspace.remotes import Remote, opened

_SECOND = 1_000_000_000  # ns
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
    with opened(workspace) as remote, locked(workspace.local):
        sides = _look(workspace, remote, options)
        write_state(workspace, sides.state)
    return _compared(sides.local, sides.remote, sides.state)


def push(workspace: Workspace, options: Options) -> Plan:
    """Sends what is new or changed. Raises Conflict if the remote changed since they agreed."""
    check_places(workspace)
    with opened(workspace) as remote:
        is_new = not remote.exists()
        with locked(workspace.local), _locked_remote(workspace, remote, options):
            return _pushed(workspace, remote, options, is_new=is_new)


def _pushed(workspace: Workspace, remote: Remote, options: Options, *, is_new: bool) -> Plan:
    sides = _look(workspace, remote, options)
    if is_new:  # never pushed, or removed as a whole: there is nothing to overwrite
        sides.state.base, sides.state.directories = {}, {}
    plan = _compared(sides.local, sides.remote, sides.state)
    _approve(plan, options)
    contested = plan.paths(*_CONTESTED)
    if contested and not options.force:
        raise Conflict(
            f"{_named(contested)} changed in {workspace.place} since the last push",
            hint="haiworkspace pull first, or push --force to overwrite",
        )
    plan = _decided(plan, sides.local, options)
    if options.dry_run:
        return plan
    now = _now()
    remote.remove(plan.removed)
    remote.send(workspace.local, plan.copied, clear=options.force)
    remote.set_modes(plan.modes)
    sides.state.pushed_at, sides.state.folder = now, remote.folder
    _agree(workspace, remote, sides, plan, options)
    remote.write_origin(workspace, now)
    return plan


def pull(workspace: Workspace, options: Options) -> Plan:
    """Fetches what is new or changed. What only changed here stays, unless `force`.

    Raises Conflict if a file changed on both sides, NotFound if nothing was ever pushed.
    """
    check_places(workspace)
    with opened(workspace) as remote:
        if not remote.exists():
            raise NotFound(f"{workspace.place} does not exist", hint="haiworkspace push makes it")
        with locked(workspace.local), _locked_remote(workspace, remote, options):
            return _pulled(workspace, remote, options)


def _pulled(workspace: Workspace, remote: Remote, options: Options) -> Plan:
    sides = _look(workspace, remote, options)
    plan = _compared(sides.remote, sides.local, sides.state)
    _approve(plan, options)
    contested = plan.paths(Change.CONFLICT)
    if contested and not options.force:
        raise Conflict(
            f"{_named(contested)} changed here and in {workspace.place}",
            hint="move your version away, or pull --force to overwrite it",
        )
    plan = _decided(plan, sides.remote, options)
    if options.dry_run:
        return plan
    transfer.remove(workspace.local, plan.removed)
    remote.fetch(workspace.local, plan.copied, clear=options.force)
    transfer.set_modes(workspace.local, plan.modes)
    sides.state.pulled_at = _now()
    _agree(workspace, remote, sides, plan, options)
    return plan


def _compared(source: Tree, target: Tree, state: SyncState) -> Plan:
    """How they differ; a directory whose mode is to change is a path with a slash at its end."""
    plan = compare(source.entries, target.entries, state.base, source.excluded)
    modes = changed_modes(source.directories, target.directories, state.directories)
    changes = {**plan.changes, **{f"{name}/": Change.CHANGED for name in modes}}
    return replace(plan, changes=changes, modes=modes)


def _locked_remote(
    workspace: Workspace, remote: Remote, options: Options
) -> AbstractContextManager[None]:
    # A dry run makes nothing there, not even the lock's folder.
    if options.dry_run:
        return nullcontext()
    return remote.locked(stat.S_IMODE(workspace.local.stat().st_mode) & 0o777 | 0o700)


def _approve(plan: Plan, options: Options) -> None:
    if options.approve:
        options.approve(plan)


def _look(workspace: Workspace, remote: Remote, options: Options) -> _Sides:
    state = read_state(workspace)
    rules = read_rules(workspace.local, use_files=options.use_ignore_files)
    local = Digests(state.local_digests) if options.checksum else None
    there = Digests(state.remote_digests) if options.checksum else None
    here = list_tree(workspace.local, rules, local)
    if workspace.via:
        here = _as_sftp_has_it(here)
    sides = _Sides(here, remote.tree(rules, there), state)
    if local and there:
        state.local_digests, state.remote_digests = local.seen, there.seen
    return sides


def _as_sftp_has_it(tree: Tree) -> Tree:
    """Times are whole seconds there, and names are UTF-8."""
    entries, excluded = {}, dict(tree.excluded)
    for name, one in tree.entries.items():
        if _is_text(name):
            entries[name] = replace(one, mtime_ns=one.mtime_ns // _SECOND * _SECOND)
        else:
            excluded[name] = "its name is not UTF-8, and SFTP cannot send it"
    return replace(tree, entries=entries, excluded=excluded)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


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


def _agree(
    workspace: Workspace, remote: Remote, sides: _Sides, plan: Plan, options: Options
) -> None:
    """Takes down where both sides are equal now; lists them again if anything was changed."""
    # a new content may have the size and the second of the one that the digest is of
    digests = sides.state.remote_digests
    sides.state.remote_digests = {n: digests[n] for n in digests.keys() - set(plan.copied)}
    write_state(workspace, sides.state)
    after = _look(workspace, remote, options) if _did_anything(plan) else sides
    local, there = after.local.entries, after.remote.entries
    base = {
        path: entry for path, entry in sides.state.base.items() if path in local or path in there
    }
    base.update({path: one for path, one in local.items() if one.is_same(there.get(path))})
    after.state.base = base
    here, opposite = after.local.directories, after.remote.directories
    known = {name: mode for name, mode in sides.state.directories.items() if name in here}
    after.state.directories = {**known, **dict(here.items() & opposite.items())}
    write_state(workspace, after.state)


def _did_anything(plan: Plan) -> bool:
    return bool(plan.copied or plan.removed or plan.modes)


def _named(paths: Iterable[str]) -> str:
    first, *rest = paths
    return f"{first} and {len(rest)} more" if rest else first


def _now() -> str:
    now = datetime.now(UTC)  # noqa: TID251 (only written down, nothing is decided by it)
    return now.isoformat(timespec="seconds").replace("+00:00", "Z")
