"""Rows of `storage`: who gets which files where, as admins write it; and what one worker gets."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from hai.core.conditions import parse_condition
from hai.core.identity import PUBLIC
from hai.core.mounts import HostPathType, Mount, MountKind
from hai.core.placeholders import Facts, filled, names_in

RESERVED = ("/proc", "/sys", "/hai")  # they, and what lies in them, belong to the platform
_RESERVED_ALONE = ("/", "/dev", "/dev/shm", "/dev/pts")  # noqa: S108 - a name, not a file
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Storage:
    """One row. `source` and `mount_path` may have placeholders (see hai.core.placeholders).

    It counts for a user whom one of `owners` names: by name, by group, or as "public". A row that
    `removes` takes the same source away from its owners again. `name` is unique.
    """

    name: str
    source: str
    mount_path: str
    kind: MountKind = MountKind.HOST_PATH
    host_path_type: HostPathType = HostPathType.ANY
    sub_path: str = ""
    owners: tuple[str, ...] = (PUBLIC,)
    conditions: tuple[str, ...] = ()
    read_only: bool = False
    removes: bool = False
    active: bool = True


def check_storage(row: Storage) -> None:
    """ValueError says what makes no sense in a row, before it is written."""
    if row.kind is MountKind.HOST_PATH:
        _check_path("host path", row.source)
        if row.sub_path:
            raise ValueError("a host path has no sub path: write it as one path")
    else:
        _check_object(row)
    _check_path("mount path", row.mount_path)
    if not names_in(row.mount_path):
        _check_free(row.mount_path)
    if not row.owners or not all(row.owners):
        raise ValueError(f"it needs owners: names of users or groups, or {PUBLIC}")
    for condition in row.conditions:
        parse_condition(condition)


def _check_object(row: Storage) -> None:
    """Of a claim's or config map's name, and of the path in it."""
    names_in(row.source)
    plain = row.source.replace("{", "").replace("}", "")
    if not plain or len(plain) > 253 or not all(c.isalnum() or c in "-._" for c in plain):
        raise ValueError(f"{row.source!r} is no name of a {row.kind}")
    if row.sub_path:
        _check_path("sub path", f"/{row.sub_path}")
    if row.host_path_type is not HostPathType.ANY:
        raise ValueError(f"a {row.kind} has no host path type")


def _check_path(what: str, path: str) -> None:
    names_in(path)
    if not path.startswith("/"):
        raise ValueError(f"the {what} {path!r} is not absolute")
    if len(path) > _LONGEST or not path.isprintable() or set(":\\") & set(path):
        raise ValueError(f"the {what} {path!r} has characters that a path here cannot have")
    if any(part in (".", "..") for part in path.split("/")):
        raise ValueError(f"the {what} {path!r} leads back with . or ..")


def _check_free(path: str) -> None:
    path = tidy(path)
    if path in _RESERVED_ALONE or any(path == r or path.startswith(f"{r}/") for r in RESERVED):
        raise ValueError(f"nothing can be mounted at {path}: it belongs to the platform")


def tidy(path: str) -> str:
    """Without double and trailing slashes."""
    return "/" + "/".join(part for part in path.split("/") if part)


def mounts_for(rows: Iterable[Storage], facts: Facts, groups: Collection[str]) -> tuple[Mount, ...]:
    """What one worker gets: outer mounts before those within them.

    `groups` are all names that owners can mean for this user, with the user's own. Where several
    rows want one place, the user's own row wins over a group's, that over everybody's, then the
    first by name. ValueError, naming the row, when a placeholder's value cannot be part of a path.
    """
    found: dict[str, _Ranked] = {}
    removed: set[tuple[str, str]] = set()
    for row in rows:
        if not row.active or not _counts(row, facts, groups):
            continue
        mount = _resolved(row, facts)
        if row.removes:
            removed.add((mount.source, mount.mount_path))
            continue
        rank = (_distance(row, facts, groups), row.name)
        earlier = found.get(mount.mount_path)
        if earlier is None or rank < earlier.rank:
            found[mount.mount_path] = _Ranked(rank, mount)
    mounts = (one.mount for one in found.values())
    kept = [mount for mount in mounts if (mount.source, mount.mount_path) not in removed]
    return tuple(sorted(kept, key=lambda one: (one.mount_path.count("/"), one.mount_path)))


class _Ranked(NamedTuple):
    """The lowest rank wins a place: how near the row's owner is, then the row's name."""

    rank: tuple[int, str]
    mount: Mount


def _counts(row: Storage, facts: Facts, groups: Collection[str]) -> bool:
    if not any(owner in groups for owner in row.owners):
        return False
    try:
        return all(parse_condition(text).holds(facts) for text in row.conditions)
    except ValueError as error:
        raise ValueError(f"mount {row.name}: {error}") from None


def _distance(row: Storage, facts: Facts, groups: Collection[str]) -> int:
    """0 for the user's own row, 1 for a group's, 2 for everybody's."""
    if facts["user.user_name"] in row.owners:
        return 0
    return 1 if any(owner in groups and owner != PUBLIC for owner in row.owners) else 2


def _resolved(row: Storage, facts: Facts) -> Mount:
    try:
        mount_path = tidy(filled(row.mount_path, facts))
        _check_free(mount_path)
        source = filled(row.source, facts)
        return Mount(
            name=row.name,
            kind=row.kind,
            source=tidy(source) if row.kind is MountKind.HOST_PATH else source,
            mount_path=mount_path,
            read_only=row.read_only,
            host_path_type=row.host_path_type,
            sub_path=filled(row.sub_path, facts),
            personal=facts["user.user_name"] in row.owners,
        )
    except ValueError as error:
        raise ValueError(f"mount {row.name}: {error}") from None
