"""How many nodes a user may hold at once, per group and priority.

A row for the user wins over the row for everybody (`EVERYONE`); without a row the limit is 0.
On the wire and in the original's tables the same thing is spelled `node-<group>-<PRIORITY>`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hai.core.identity import User
from hai.core.types import GroupName, Priority, UserName

EVERYONE = UserName("*")

LEVELS: tuple[Priority, ...] = tuple(sorted(set(Priority) - {Priority.AUTO}, reverse=True))
"""The real levels, highest first."""


@dataclass(frozen=True, slots=True)
class Quota:
    """`nodes` is a limit on nodes held at once."""

    user: UserName  # or EVERYONE
    group: GroupName
    priority: Priority
    nodes: int

    @property
    def resource(self) -> str:
        """The original's spelling: node-<group>-<PRIORITY>."""
        return f"node-{self.group}-{self.priority.name}"


def parse_resource(resource: str) -> tuple[GroupName, Priority]:
    """Group and priority of `node-<group>-<PRIORITY>`; ValueError if it is something else."""
    kind, _, rest = resource.partition("-")
    group, _, level = rest.rpartition("-")
    if kind != "node" or not group or level not in Priority.__members__ or level == "AUTO":
        raise ValueError(f"{resource!r} is not of the form node-<group>-<PRIORITY>")
    return GroupName(group), Priority[level]


def effective(quotas: Sequence[Quota], users: Iterable[User]) -> list[Quota]:
    """The rows of users and of everybody, and what rows of groups mean: for each member without a
    row of its own, the largest of its groups' rows and everybody's. Ordered as a store's rows."""
    own = {(q.user, q.group, q.priority): q for q in quotas}
    by_owner: dict[str, list[Quota]] = {}
    for row in quotas:
        by_owner.setdefault(row.user, []).append(row)
    found = dict(own)
    for user in users:
        for name in user.owns_as - {user.name}:
            for row in by_owner.get(name, ()):
                key = (user.name, row.group, row.priority)
                if key not in own:
                    sofar = found.get(key) or own.get((EVERYONE, row.group, row.priority))
                    found[key] = Quota(*key, max(row.nodes, sofar.nodes if sofar else 0))
    return [found[key] for key in sorted(found)]


@dataclass(frozen=True, slots=True)
class QuotaTable:
    """Limits by (user, group, priority)."""

    limits: Mapping[tuple[UserName, GroupName, Priority], int] = field(default_factory=dict)

    @classmethod
    def of(cls, quotas: Iterable[Quota]) -> "QuotaTable":
        return cls({(q.user, q.group, q.priority): q.nodes for q in quotas})

    def limit(self, user: UserName, group: GroupName, priority: Priority) -> int:
        """Nodes that `user` may hold at `priority` in `group`."""
        own = self.limits.get((user, group, priority))
        return self.limits.get((EVERYONE, group, priority), 0) if own is None else own

    def highest(self, user: UserName, group: GroupName) -> int:
        """The widest gang that the user could ever run in the group, at any level."""
        levels = (p for p in Priority if p is not Priority.AUTO)
        return max((self.limit(user, group, level) for level in levels), default=0)


class UserQuota:
    """What one user may hold and holds in one group, in nodes by level.

    `used` counts everything that is charged now, `leaving` the part of it that is on its way out.
    """

    __slots__ = ("_levels", "leaving", "limits", "used")

    def __init__(self, limits: Mapping[Priority, int]) -> None:
        self.limits = limits
        self._levels = tuple(level for level in LEVELS if limits[level] > 0)
        self.used = dict.fromkeys(LEVELS, 0)
        self.leaving = dict.fromkeys(LEVELS, 0)

    def room(self, level: Priority) -> int:
        """Nodes that may be charged at `level` now; negative when a limit was lowered."""
        return self.limits[level] - self.used[level]

    def level_for(
        self, asked: Priority, nodes: int, group_size: float = math.inf
    ) -> Priority | None:
        """The level at which a gang of `nodes` can be charged now; for AUTO the highest one. A
        limit of no fewer nodes than the group has keeps nobody out: where the nodes are to be had,
        there is room."""
        limits, used = self.limits, self.used
        for level in self._levels if asked is Priority.AUTO else (asked,):
            limit = limits[level]
            if limit - used[level] >= nodes or limit >= group_size:
                return level
        return None

    def level_later(self, asked: Priority, nodes: int) -> Priority | None:
        """The same, once everything that leaves has left."""
        limits, used, leaving = self.limits, self.used, self.leaving
        for level in self._levels if asked is Priority.AUTO else (asked,):
            if limits[level] - used[level] + leaving[level] >= nodes:
                return level
        return None

    def level_to_blame(self, asked: Priority, nodes: int) -> Priority:
        """The level to name when there is no room: the highest that could ever hold the gang,
        otherwise the one with the highest limit."""
        if asked is not Priority.AUTO:
            return asked
        wide_enough = (level for level in LEVELS if self.limits[level] >= nodes)
        return next(wide_enough, max(LEVELS, key=lambda level: self.limits[level]))


class UserQuotas:
    """The quota of every user in one group."""

    def __init__(self, quotas: QuotaTable, group: GroupName) -> None:
        self._quotas = quotas
        self._group = group
        self._by_user: dict[UserName, UserQuota] = {}

    def reset(self, quotas: QuotaTable) -> None:
        """New limits, and nothing is charged."""
        self._quotas = quotas
        self._by_user.clear()

    def user_quota(self, user: UserName) -> UserQuota:
        quota = self._by_user.get(user)
        if quota is None:
            limits = {level: self._quotas.limit(user, self._group, level) for level in LEVELS}
            quota = self._by_user[user] = UserQuota(limits)
        return quota
