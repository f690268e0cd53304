"""What a transfer has to do, from three listings: the source, the target, and the base, which is
how both were when they last agreed. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class FileEntry(NamedTuple):
    """One file or symbolic link of a tree. `digest` is None where contents are not compared. There
    are many thousands of them, and tuples are made the quickest."""

    mode: int  # permission bits; 0 for a link
    size: int  # bytes
    mtime_ns: int
    digest: str | None = None
    link: str | None = None  # where a symbolic link points

    def is_same(self, other: "FileEntry | None") -> bool:
        """Equal content and permissions. Without digests: equal size and time of change."""
        if other is None or (self.mode, self.link) != (other.mode, other.link):
            return False
        if self.link is not None:
            return True
        if self.digest is None or other.digest is None:
            return (self.size, self.mtime_ns) == (other.size, other.mtime_ns)
        return self.digest == other.digest


Listing = Mapping[str, FileEntry]


class FileChange(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"  # gone from the source since they agreed
    TARGET_ONLY = "only in the target"  # it alone has ever had it
    TARGET_CHANGED = "changed in the target"  # alone: going on would undo it
    CONFLICT = "changed on both sides"


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """Every path that differs, with how; and what was left out of the source, with why.

    `copied` and `removed` (from the target) are what a push or pull makes of it.
    """

    changes: Mapping[str, FileChange]
    excluded: Mapping[str, str]
    copied: Sequence[str] = ()
    removed: Sequence[str] = ()
    # by path: what of the target stands where it goes and was not touched since they agreed
    in_the_way: Mapping[str, Sequence[str]] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)  # of directories, to be set there

    @property
    def is_same(self) -> bool:
        return not self.changes

    def paths(self, *kinds: FileChange) -> list[str]:
        """The paths of the given kinds, in order."""
        return sorted(path for path, kind in self.changes.items() if kind in kinds)


def compare(
    source: Listing, target: Listing, base: Listing, excluded: Mapping[str, str] | None = None
) -> SyncPlan:
    """How `source` and `target` differ, path by path."""
    changes = {}
    for path in sorted({*source, *target}):
        kind = _kind(source.get(path), target.get(path), base.get(path))
        if kind:
            changes[path] = kind
    in_the_way = {}
    for path, blockers in _blocked(source, target):
        if changes[path] is FileChange.TARGET_CHANGED:
            continue  # the target made a file a directory, or the other way round: its own change
        if all(changes.get(one) is FileChange.REMOVED for one in blockers):
            in_the_way[path] = blockers
        else:
            changes[path] = FileChange.CONFLICT
    return SyncPlan(changes, excluded or {}, in_the_way=in_the_way)


def changed_modes(
    source: Mapping[str, int], target: Mapping[str, int], base: Mapping[str, int]
) -> dict[str, int]:
    """The modes of directories that the target is to take over.

    Those that the source changed since they agreed; where nothing is known of that, those that
    close a directory further.
    """
    found = {}
    for name in sorted({*source} & {*target}):
        mode, there = source[name], target[name]
        is_news = base[name] != mode if name in base else mode & ~there == 0
        if mode != there and is_news:
            found[name] = mode
    return found


def _kind(
    source: FileEntry | None, target: FileEntry | None, base: FileEntry | None
) -> FileChange | None:
    if source is None:
        return _kind_of_missing(target, base)
    if source.is_same(target):
        return None
    if target is None and base is None:
        return FileChange.ADDED
    if target is not None and target.is_same(base):
        return FileChange.CHANGED
    return FileChange.TARGET_CHANGED if source.is_same(base) else FileChange.CONFLICT


def _kind_of_missing(target: FileEntry | None, base: FileEntry | None) -> FileChange:
    if base is None:
        return FileChange.TARGET_ONLY
    return FileChange.REMOVED if base.is_same(target) else FileChange.CONFLICT


def _blocked(source: Listing, target: Listing) -> Iterable[tuple[str, list[str]]]:
    """Paths of `source` where the target has a directory, or a file in place of a directory; with
    the files of the target that make it so."""
    inside: dict[str, list[str]] = {name: [] for name in directories_of(target) & source.keys()}
    for path in target if inside else ():
        for parent in parents(path):
            if parent in inside:
                inside[parent].append(path)
    yield from inside.items()
    is_blocked = any(name in target for name in directories_of(source))
    for path in source if is_blocked else ():
        if blockers := [parent for parent in parents(path) if parent in target]:
            yield path, blockers


def directories_of(paths: Iterable[str]) -> set[str]:
    """All directories that hold one of `paths`."""
    nearest = {path.rpartition("/")[0] for path in paths}
    return {name for above in nearest if above for name in (above, *parents(above))}


def parents(path: str) -> list[str]:
    """The directories above a/b/c: a, a/b."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
