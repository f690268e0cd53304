"""Why a task waits: one value for each code, with its evidence.

Fields are told to clients and written into the decision log under their names, by codec.py. Times
are Unix seconds, `seconds` are left. A few codes have two kinds: gangs count nodes, containers on
shared nodes count cpus, memory and GPUs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from hai.core.container_quota import ContainerLimits
from hai.core.resources import Resources
from hai.core.types import GroupName, Keeper, Loss, NodeName, Priority, TaskId, WaitCode


@dataclass(frozen=True, slots=True)
class Containers:
    """So many containers, and what they ask for or hold together."""

    count: int
    resources: Resources

    def as_data(self) -> dict[str, object]:
        return {**self.resources.as_data(), "containers": self.count}


# in no line


@dataclass(frozen=True, slots=True)
class Held:
    """A person took it out of its line; `group` where the scheduler knows it."""

    code: ClassVar = WaitCode.HELD
    group: GroupName | None = None


@dataclass(frozen=True, slots=True)
class UnmetDependency:
    code: ClassVar = WaitCode.DEPENDENCY
    group: GroupName
    tasks: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True)
class Backoff:
    code: ClassVar = WaitCode.BACKOFF
    group: GroupName
    until: float
    seconds: int


@dataclass(frozen=True, slots=True)
class ArrayLimit:
    code: ClassVar = WaitCode.ARRAY_LIMIT
    group: GroupName
    array: TaskId | None
    limit: int


@dataclass(frozen=True, slots=True)
class Spot:
    code: ClassVar = WaitCode.SPOT
    group: GroupName


Ineligible: TypeAlias = Held | UnmetDependency | Backoff | ArrayLimit | Spot


# refused by the nodes that there are, or by the quota


@dataclass(frozen=True, slots=True, kw_only=True)
class _NodesShort:
    """`in_two_zones`: the most healthy nodes of any two zones, if that is less than all."""

    group: GroupName
    needed: int
    nodes: int
    healthy: int
    in_two_zones: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupUnknown(_NodesShort):
    code: ClassVar = WaitCode.GROUP_UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTooSmall(_NodesShort):
    code: ClassVar = WaitCode.GROUP_TOO_SMALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhealthy(_NodesShort):
    code: ClassVar = WaitCode.UNHEALTHY


TooWide: TypeAlias = GroupUnknown | GroupTooSmall | Unhealthy


@dataclass(frozen=True, slots=True, kw_only=True)
class _QuotaShort:
    group: GroupName
    level: Priority
    needed: int
    limit: int
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoQuota(_QuotaShort):
    code: ClassVar = WaitCode.NO_QUOTA


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaExceeded(_QuotaShort):
    code: ClassVar = WaitCode.QUOTA_EXCEEDED


@dataclass(frozen=True, slots=True, kw_only=True)
class NoContainerQuota:
    """`short` names what is asked for beyond the limits."""

    code: ClassVar = WaitCode.NO_QUOTA
    group: GroupName
    level: Priority
    asks: Containers
    limits: ContainerLimits
    short: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerQuotaExceeded:
    """`short` names what is over its limit together with what is in use."""

    code: ClassVar = WaitCode.QUOTA_EXCEEDED
    group: GroupName
    level: Priority
    asks: Containers
    limits: ContainerLimits
    short: tuple[str, ...]
    in_use: Containers


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesTooSmall:
    """No node has what the container asks for, whoever is there; `largest` is the most of each."""

    code: ClassVar = WaitCode.NO_ROOM
    group: GroupName
    needed: int
    nodes: int
    healthy: int
    asks: Resources
    largest: Resources
    short: tuple[str, ...]


Refused: TypeAlias = (
    TooWide | NoQuota | QuotaExceeded | NoContainerQuota | ContainerQuotaExceeded | NodesTooSmall
)


# in a line


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRoom:
    """`node` is where least is missing, `free` what it has, `short` names what is missing."""

    code: ClassVar = WaitCode.NO_ROOM
    group: GroupName
    level: Priority
    needed: int
    nodes: int
    healthy: int
    asks: Resources
    short: tuple[str, ...]
    node: NodeName
    free: Resources
    held_by: tuple[TaskId, ...]
    held_by_more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """Who holds the nodes that a gang waits for, those who leave first named first. `own` and
    `higher` count the nodes of its user's own tasks and of those who stand above it: no slice
    frees them. `fitting` of the free nodes can be had by one task."""

    fitting: int
    held_by: tuple[TaskId, ...]
    held_by_more: int
    safe_until: Mapping[TaskId, float]
    own: int
    higher: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoFreeNodes:
    """`holders` are found when somebody asks; the planner does not need them."""

    code: ClassVar = WaitCode.NO_FREE_NODES
    group: GroupName
    level: Priority
    needed: int
    nodes: int
    healthy: int
    free: int
    leaving: int
    preemptible: int
    kept_out_by: Keeper | None = None
    holders: Holders | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """`head` is who comes first; `spares` is what of the head's it would take if it ran meanwhile;
    `as_backfill`: it may run meanwhile, without a slice."""

    code: ClassVar = WaitCode.BEHIND
    group: GroupName
    level: Priority
    needed: int | None = None
    free: int | None = None
    position: int | None = None
    head: TaskId | None = None
    spares: Loss | None = None
    as_backfill: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """It gets these nodes once these tasks have left them."""

    code: ClassVar = WaitCode.HANDOVER
    group: GroupName
    level: Priority
    nodes: tuple[NodeName, ...]
    tasks: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True)
class Paused:
    code: ClassVar = WaitCode.PAUSED
    seconds: int


@dataclass(frozen=True, slots=True)
class NotPlanned:
    code: ClassVar = WaitCode.NOT_PLANNED


InLine: TypeAlias = NoRoom | NoFreeNodes | Behind | Handover | Paused | NotPlanned

Reason: TypeAlias = Ineligible | Refused | InLine
