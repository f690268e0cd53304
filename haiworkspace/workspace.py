"""push, pull and diff of one workspace: list both sides, plan, check, copy, remember."""

import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from hai import files
from hai.core.moments import rfc3339
from hai.errors import Conflict, NotFound
from hai.workspace.digests import CHUNK_BYTES
from hai.workspace.listing import file_time
from haiworkspace import transfer
from haiworkspace.ignore import FILE_NAMES, Nested, Rule, Rules, default_rules, parse_rules
from haiworkspace.listing import KnownDigests, Tree, list_tree, with_digests
from haiworkspace.plan import FileChange, FileEntry, SyncPlan, changed_modes, compare
from haiworkspace.records import (
    SyncState,
    Workspace,
    check_places,
    find_workspace,
    locked,
    origin_text,
    read_state,
    write_state,
)
from haiworkspace.remotes import Remote, opened
from haiworkspace.remotes.push import OnItsWay, Push
from haiworkspace.remotes.refusals import no_snapshots

_SECOND = 1_000_000_000  # ns
_LARGE_BYTES = 32 << 20
_SENT = (FileChange.ADDED, FileChange.CHANGED)
_CONTESTED = (FileChange.CONFLICT, FileChange.TARGET_CHANGED)


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """How to transfer. `approve` sees the plan before anything is changed, and may raise."""

    force: bool = False  # overwrite what changed on the other side
    delete: bool = False  # also remove there what was removed here since both agreed
    checksum: bool = True  # False: equal size and time of change mean equal content
    use_ignore_files: bool = True
    dry_run: bool = False
    approve: Callable[[SyncPlan], None] | None = None


@dataclass(frozen=True, slots=True)
class CodeSnapshot:
    """Code that a task runs: `folder` on the machine that has it, beside the twin in `twin`.
    Without an id it is the twin itself, which may change."""

    id: str
    folder: str
    twin: str
    plan: SyncPlan


@dataclass(slots=True)
class _Sides:
    """Both trees as they are now, and what is remembered of them."""

    local: Tree
    remote: Tree
    state: SyncState
    digests: KnownDigests | None = None  # of what is here


def workspace_of(directory: Path) -> Workspace:
    """The workspace that holds `directory`. Raises NotFound."""
    return find_workspace(directory)


def diff(workspace: Workspace, options: TransferOptions) -> SyncPlan:
    """What push would do."""
    with opened(workspace) as remote, locked(workspace.local):
        sides = _look(workspace, remote, options)
        write_state(workspace, sides.state)
    return _compared(sides.local, sides.remote, sides.state)


def push(workspace: Workspace, options: TransferOptions) -> SyncPlan:
    """Sends what is new or changed. Raises Conflict if the remote changed since they agreed."""
    check_places(workspace)
    with opened(workspace) as remote:
        is_new = not remote.exists()
        with locked(workspace.local), _locked_remote(workspace, remote, options):
            return _pushed(workspace, remote, options, is_new=is_new)[0]


def snapshot(
    workspace: Workspace, options: TransferOptions, *, or_twin: bool = False
) -> CodeSnapshot:
    """Pushes what changed, and makes the snapshot of all that is sent. Raises as push does;
    InvalidInput where there can be none, unless the twin is as good."""
    check_places(workspace)
    options = replace(options, checksum=True, dry_run=False)
    with opened(workspace) as remote:
        is_new = not remote.exists()
        with locked(workspace.local), _locked_remote(workspace, remote, options):
            plan, tree = _pushed(workspace, remote, options, is_new=is_new)
            made = remote.snapshot(tree.entries)
            if made is None and not or_twin:
                raise no_snapshots()
            name, folder = made or ("", remote.folder)
        return CodeSnapshot(name, folder, remote.folder, plan)


def _pushed(
    workspace: Workspace, remote: Remote, options: TransferOptions, *, is_new: bool
) -> tuple[SyncPlan, Tree]:
    """What was done, and what is here."""
    sides = _look(workspace, remote, options, may_defer=not options.dry_run)
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
        return plan, sides.local
    now = _now()
    there = None
    if _did_anything(plan):
        there = _sent(workspace, remote, sides, plan, options.force)
    elif not remote.read_origin():
        remote.write_origin(origin_text(workspace, now))
    sides.state.pushed_at, sides.state.folder = now, remote.folder
    if there is not None:
        sides.remote = there
    is_known = there is not None or not _did_anything(plan)
    local = _agree(workspace, remote, sides, plan, options if not is_known else None)
    return plan, local


def _sent(
    workspace: Workspace, remote: Remote, sides: _Sides, plan: SyncPlan, force: bool
) -> Tree | None:
    """Has the plan done; what is there now, where the remote knows it."""

    def note(coming: OnItsWay) -> None:
        sides.local = replace(sides.local, entries={**sides.local.entries, **coming.entries})
        for path, stamp in coming.stamps.items():
            if sides.digests and (digest := coming.entries[path].digest):
                sides.digests.note(path, stamp, digest)
        for path, digest in coming.again.items():
            base, there = sides.state.base.get(path), sides.remote.entries.get(path)
            if base and there and base.digest == there.digest:
                sides.state.base[path] = base._replace(digest=digest)
        sides.state.pending = dict(coming.entries)
        write_state(workspace, sides.state)

    if not remote.reads_what_it_sends:
        _read(workspace, sides, plan.copied)
        note(OnItsWay({path: sides.local.entries[path] for path in plan.copied}))
    origin = origin_text(workspace, _now())
    return remote.change(Push(workspace.local, plan, force, origin, note))


def _surely_changed(sides: _Sides) -> set[str]:
    """Large files with another size or time than the one there, which is the one that both agreed
    on: to send them is to read them, and what is equal is not sent."""
    found = set()
    for path, one in sides.local.entries.items():
        there, base = sides.remote.entries.get(path), sides.state.base.get(path)
        if one.size < _LARGE_BYTES or one.digest or one.link or not there or not base:
            continue
        is_agreed = there.digest is not None and there.digest == base.digest
        if is_agreed and (one.size, one.mtime_ns) != (there.size, there.mtime_ns):
            found.add(path)
    return found


def _read(workspace: Workspace, sides: _Sides, paths: Iterable[str]) -> None:
    """Has the digests of `paths`, where contents are compared."""
    if sides.digests is None:
        return
    sides.digests.wanted = None
    tree = with_digests(workspace.local, sides.local, sides.digests, paths)
    sides.local = _as_the_remote_has_it(workspace, tree)


def pull(workspace: Workspace, options: TransferOptions) -> SyncPlan:
    """Fetches what is new or changed. What only changed here stays, unless `force`.

    Raises Conflict if a file changed on both sides, NotFound if nothing was ever pushed.
    """
    check_places(workspace)
    with opened(workspace) as remote:
        if not remote.exists():
            raise NotFound(f"{workspace.place} does not exist", hint="haiworkspace push makes it")
        with locked(workspace.local), _locked_remote(workspace, remote, options):
            return _pulled(workspace, remote, options)


def _pulled(workspace: Workspace, remote: Remote, options: TransferOptions) -> SyncPlan:
    sides = _look(workspace, remote, options)
    plan = _compared(sides.remote, sides.local, sides.state)
    _approve(plan, options)
    contested = plan.paths(FileChange.CONFLICT)
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
    _agree(workspace, remote, sides, plan, options if _did_anything(plan) else None)
    return plan


def _compared(source: Tree, target: Tree, state: SyncState) -> SyncPlan:
    """How they differ; a directory whose mode is to change is a path with a slash at its end."""
    plan = compare(source.entries, target.entries, state.base, source.excluded)
    modes = changed_modes(source.directories, target.directories, state.directories)
    changes = {**plan.changes, **{f"{name}/": FileChange.CHANGED for name in modes}}
    return replace(plan, changes=changes, modes=modes)


def _locked_remote(
    workspace: Workspace, remote: Remote, options: TransferOptions
) -> AbstractContextManager[None]:
    # A dry run makes nothing there, not even the lock's folder.
    if options.dry_run:
        return nullcontext()
    return remote.locked(stat.S_IMODE(workspace.local.stat().st_mode) & 0o777 | 0o700)


def _approve(plan: SyncPlan, options: TransferOptions) -> None:
    if options.approve:
        options.approve(plan)


def _look(
    workspace: Workspace, remote: Remote, options: TransferOptions, *, may_defer: bool = False
) -> _Sides:
    """`may_defer`: what has surely changed need not be read now, because it is sent."""
    state = read_state(workspace)
    rules = read_rules(workspace.local, use_files=options.use_ignore_files)
    local = there = None
    if options.checksum:
        now, then = _file_time(workspace.local), _file_time(workspace.remote)
        form, like = remote.by_chunks, _recorded(state.base)
        local = KnownDigests(state.local_digests, now=now, wanted=(), chunked=form, like=like)
        there = KnownDigests(state.remote_digests, now=then, chunked=form, like=like)
    here = _as_the_remote_has_it(workspace, list_tree(workspace.local, rules, local))
    known = here.entries.keys() | state.base.keys() | state.pending.keys()
    if there:
        there.wanted = known  # nothing is compared with the rest
    sides = _Sides(here, remote.tree(rules, there), state, local)
    compared = sides.remote.entries.keys() | state.base.keys()
    if may_defer and remote.reads_what_it_sends:
        compared -= _surely_changed(sides)
    _read(workspace, sides, here.entries.keys() & compared)
    arrived = state.pending.items()
    state.base |= {
        path: one for path, one in arrived if one.is_same(sides.remote.entries.get(path))
    }
    if local and there:
        state.local_digests, state.remote_digests = local.seen, there.seen
    return sides


def _recorded(base: Mapping[str, FileEntry]) -> dict[str, str]:
    """The digests of long files, which an older release had of the whole content."""
    return {path: one.digest for path, one in base.items() if one.digest and one.size > CHUNK_BYTES}


def _file_time(folder: Path) -> int | None:
    try:
        with files.opened_folder(folder.resolve()) as root:
            return file_time(root)
    except OSError:  # it is elsewhere
        return None


def _as_the_remote_has_it(workspace: Workspace, tree: Tree) -> Tree:
    """Behind SFTP times are whole seconds, and names are UTF-8."""
    if not workspace.via or workspace.is_by_api:
        return tree
    entries, excluded = {}, dict(tree.excluded)
    for name, one in tree.entries.items():
        if _is_text(name):
            entries[name] = one._replace(mtime_ns=one.mtime_ns // _SECOND * _SECOND)
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
    """The default rules, then those of the ignore files at the top; those in subdirectories are
    read when somebody asks for what is there. There one that is a link is none, as for git."""
    if not use_files:
        return Rules(default_rules())

    def nested(directory: str) -> tuple[Rule, ...] | None:
        folder = local / directory
        if folder.is_symlink() or not folder.is_dir():
            return None
        return _rules_in(folder, directory + "/")

    return Rules(default_rules() + _rules_in(local, ""), Nested(nested))


def _rules_in(folder: Path, prefix: str) -> tuple[Rule, ...]:
    rules: tuple[Rule, ...] = ()
    for name in FILE_NAMES:
        path = folder / name
        if path.is_file() and (not prefix or not path.is_symlink()):
            rules += parse_rules(path.read_bytes(), prefix + name)
    return rules


def _decided(plan: SyncPlan, source: Tree, options: TransferOptions) -> SyncPlan:
    """The plan with what is to be done about it."""
    kinds = (*_SENT, *_CONTESTED) if options.force else _SENT
    gone = [FileChange.REMOVED] if options.delete else []
    if options.delete and options.force:
        gone += [FileChange.TARGET_ONLY, *_CONTESTED]
    copied = [path for path in plan.paths(*kinds) if path in source.entries]
    removed = {path for path in plan.paths(*gone) if path not in source.entries}
    removed.update(one for path in copied for one in plan.in_the_way.get(path, ()))
    return replace(plan, copied=copied, removed=sorted(removed))


def _agree(
    workspace: Workspace,
    remote: Remote,
    sides: _Sides,
    plan: SyncPlan,
    options: TransferOptions | None,
) -> Tree:
    """Takes down where both sides are equal now; lists them again by `options`, if there are any.
    What is here."""
    after = sides
    if options:
        # a new content may have the size and the second of the one that the digest is of
        digests = sides.state.remote_digests
        sides.state.remote_digests = {n: digests[n] for n in digests.keys() - set(plan.copied)}
        write_state(workspace, sides.state)  # whatever happens now, this much is known
        after = _look(workspace, remote, options)
    local, there = after.local.entries, after.remote.entries
    base = {
        path: entry for path, entry in after.state.base.items() if path in local or path in there
    }
    base.update({path: one for path, one in local.items() if one.is_same(there.get(path))})
    after.state.base, after.state.pending = base, {}
    here, opposite = after.local.directories, after.remote.directories
    known = {name: mode for name, mode in sides.state.directories.items() if name in here}
    after.state.directories = {**known, **dict(here.items() & opposite.items())}
    write_state(workspace, after.state)
    return after.local


def _did_anything(plan: SyncPlan) -> bool:
    return bool(plan.copied or plan.removed or plan.modes)


def _named(paths: Iterable[str]) -> str:
    first, *rest = paths
    return f"{first} and {len(rest)} more" if rest else first


def _now() -> str:
    now = datetime.now(UTC)  # noqa: TID251 (only written down, nothing is decided by it)
    return rfc3339(now.timestamp(), "seconds")
