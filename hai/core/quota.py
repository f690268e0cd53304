"""How many nodes a user may hold at once, per group and priority.

A row for the user wins over the row for everybody (`EVERYONE`); without a row the limit is 0.
On the wire and in the original's tables the same thing is spelled `node-<group>-<PRIORITY>`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hai.core.types import GroupName, Priority, UserName

EVERYONE = UserName("*")


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
