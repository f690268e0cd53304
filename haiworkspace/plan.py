"""What a transfer has to do, from three listings: the source, the target, and the base, which is
how both were when they last agreed. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or symbolic link of a tree. `digest` is None where contents are not compared."""

    mode: int  # permission bits; 0 for a link
    size: int  # bytes
    mtime_ns: int
    digest: str | None = None
    link: str | None = None  # where a symbolic link points

    def is_same(self, other: "Entry | None") -> bool:
        """Equal content and permissions. Without digests: equal size and time of change."""
        if other is None or (self.mode, self.link) != (other.mode, other.link):
            return False
        if self.link is not None:
            return True
        if self.digest is None or other.digest is None:
            return (self.size, self.mtime_ns) == (other.size, other.mtime_ns)
        return self.digest == other.digest


Listing = Mapping[str, Entry]


class Change(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"  # gone from the source since they agreed
    TARGET_ONLY = "only in the target"  # it alone has ever had it
    TARGET_CHANGED = "changed in the target"  # alone: going on would undo it
    CONFLICT = "changed on both sides"


@dataclass(frozen=True, slots=True)
class Plan:
    """Every path that differs, with how; and what was left out of the source, with why.

    `copied` and `removed` (from the target) are what a push or pull makes of it.
    """

    changes: Mapping[str, Change]
    excluded: Mapping[str, str]
    copied: Sequence[str] = ()
    removed: Sequence[str] = ()

    @property
    def is_same(self) -> bool:
        return not self.changes

    def paths(self, *kinds: Change) -> list[str]:
        """The paths of the given kinds, in order."""
        return sorted(path for path, kind in self.changes.items() if kind in kinds)


def compare(
    source: Listing, target: Listing, base: Listing, excluded: Mapping[str, str] | None = None
) -> Plan:
    """How `source` and `target` differ, path by path."""
    changes = {}
    for path in sorted({*source, *target}):
        kind = _kind(source.get(path), target.get(path), base.get(path))
        if kind:
            changes[path] = kind
    for path in _blocked(source, target):
        changes[path] = Change.CONFLICT
    return Plan(changes, excluded or {})


def _kind(source: Entry | None, target: Entry | None, base: Entry | None) -> Change | None:
    if source is None:
        return _kind_of_missing(target, base)
    if source.is_same(target):
        return None
    if target is None and base is None:
        return Change.ADDED
    if target is not None and target.is_same(base):
        return Change.CHANGED
    return Change.TARGET_CHANGED if source.is_same(base) else Change.CONFLICT


def _kind_of_missing(target: Entry | None, base: Entry | None) -> Change:
    if base is None:
        return Change.TARGET_ONLY
    return Change.REMOVED if base.is_same(target) else Change.CONFLICT


def _blocked(source: Listing, target: Listing) -> Iterable[str]:
    """Paths of `source` where the target has a directory, or a file in place of a directory."""
    directories = {parent for path in target for parent in parents(path)}
    for path in source:
        if path in directories or any(parent in target for parent in parents(path)):
            yield path


def parents(path: str) -> list[str]:
    """The directories above a/b/c: a, a/b."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
