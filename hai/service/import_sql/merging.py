"""What a document would change of what is written: pure."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from hai.core.allowance import Allowance, Membership
from hai.core.identity import Role, User
from hai.core.images import Image
from hai.core.quota import Quota
from hai.core.rowset import Host, RowSet
from hai.core.storage import Storage
from hai.service.import_sql.reading import Document

T = TypeVar("T", bound="User | Membership | Quota | Allowance | Image | Storage | Host")

ROOT = "root"  # the original's group of admins


@dataclass(frozen=True, slots=True)
class Merged:
    """`changes`: one line each, without values that may be secret; `rows` what to write."""

    rows: RowSet
    changes: tuple[str, ...]
    unchanged: int


class Merge:
    """Folds a document, in its order, over the rows that are there."""

    def __init__(self, document: Document, before: RowSet, now: float) -> None:
        self._document = document
        self._before = before
        self._now = now
        self._changes: list[str] = []
        self._unchanged = 0

    def merged(self) -> Merged:
        before = self._before
        memberships = self._of("group", Membership, before.memberships, _member_key)
        rows = RowSet(
            users=self._users((*before.memberships, *memberships)),
            memberships=memberships,
            quotas=self._of("quota", Quota, before.quotas, _quota_key),
            allowances=self._of("quota", Allowance, before.allowances, _allowance_key),
            images=self._of("image", Image, before.images, lambda one: one.name),
            storage=self._of("mount", Storage, before.storage, lambda one: one.name),
            hosts=self._of("host", Host, before.hosts, lambda one: one.node),
        )
        return Merged(rows, tuple(self._changes), self._unchanged)

    def _users(self, memberships: Sequence[Membership]) -> tuple[User, ...]:
        """With the role of an admin for the members of root; nobody loses it by an import."""
        old = {user.name: replace(user, groups=()) for user in self._before.users}
        wanted = self._folded(User, old, lambda one: one.name)
        admins = {one.member for one in memberships if one.group == ROOT}
        for user in old.values():
            if user.name in admins and user.role is not Role.ADMIN:
                wanted.setdefault(user.name, user)
        for user in list(wanted.values()):
            name = user.name
            earlier = old.get(name)
            is_admin = name in admins or (earlier is not None and earlier.role is Role.ADMIN)
            created_at = self._now if earlier is None else earlier.created_at
            role = Role.ADMIN if is_admin else Role.USER
            gid = earlier.gid if earlier is not None else None
            wanted[name] = replace(user, role=role, created_at=created_at, gid=gid)
        return self._changed("user", wanted, old)

    def _of(
        self, what: str, kind: type[T], before: Sequence[T], key: Callable[[T], Hashable]
    ) -> tuple[T, ...]:
        old = {key(one): one for one in before}
        return self._changed(what, self._folded(kind, old, key), old)

    def _folded(
        self, kind: type[T], old: Mapping[Any, T], key: Callable[[T], Hashable]
    ) -> dict[Hashable, T]:
        wanted: dict[Hashable, T] = {}
        for item, row in self._document.of(kind):
            name = key(item)
            if row.keeps and name in old and name not in wanted:
                self._unchanged += 1
            elif not (row.keeps and name in wanted):
                wanted[name] = item
        return wanted

    def _changed(
        self, what: str, wanted: Mapping[Hashable, T], old: Mapping[Any, T]
    ) -> tuple[T, ...]:
        changed = []
        for name, item in wanted.items():
            earlier = old.get(name)
            if earlier == item:
                self._unchanged += 1
                continue
            changed.append(item)
            shown = " ".join(map(str, name)) if isinstance(name, tuple) else str(name)
            self._changes.append(_line(what, shown, earlier, item))
        return tuple(changed)


def _line(what: str, name: str, earlier: object, item: Any) -> str:
    if isinstance(item, Membership):
        return f"add {item.member} to the group {item.group}"
    amount = next((getattr(item, key) for key in ("nodes", "amount") if hasattr(item, key)), None)
    if earlier is None:
        return f"add {what} {name}" + ("" if amount is None else f" = {amount}")
    differing = [
        one.name for one in fields(item) if getattr(item, one.name) != getattr(earlier, one.name)
    ]
    return f"change {what} {name}: " + ", ".join(differing) + _to(item, earlier, differing)


def _to(item: object, earlier: object, differing: Sequence[str]) -> str:
    key = next((one for one in differing if one in ("nodes", "amount")), None)
    return "" if key is None else f" {getattr(earlier, key)} -> {getattr(item, key)}"


def _member_key(one: Membership) -> Hashable:
    return (one.member, one.group)


def _quota_key(one: Quota) -> Hashable:
    return (one.user, one.resource)


def _allowance_key(one: Allowance) -> Hashable:
    return (one.owner, one.resource)
