"""What the planner is given and what it answers: values only; planner.py makes the decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hai.core.node import Node
from hai.core.quota import QuotaTable
from hai.core.types import (
    GroupName,
    NodeName,
    Priority,
    TaskId,
    TaskState,
    UserName,
    WaitCode,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One unfinished task as the planner sees it.

    Waiting: `holds` is empty and `knows` lists the nodes of its last attempt. Active: `holds` are
    its nodes, `charged` the level its quota is charged at, `since` when this attempt was created.
    """

    task_id: TaskId
    user: UserName
    group: GroupName
    nodes: int
    priority: Priority
    state: TaskState
    submitted_at: float
    held: bool = False
    custom_rank: float = 0.0
    holds: tuple[NodeName, ...] = ()
    knows: tuple[NodeName, ...] = ()
    charged: Priority | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a task waits: a code and its evidence (numbers, task ids, node names)."""

    code: WaitCode
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterState:
    """All that a decision may depend on."""

    nodes: tuple[Node, ...]
    claims: tuple[Claim, ...]
    quotas: QuotaTable


@dataclass(frozen=True, slots=True)
class Policy:
    """Knobs of the planner. Time sharing adds its own beside these."""

    preemption: bool = True


@dataclass(frozen=True, slots=True)
class Start:
    """Give these nodes (rank 0 first) to the task, charged at this level."""

    task_id: TaskId
    nodes: tuple[NodeName, ...]
    priority: Priority


@dataclass(frozen=True, slots=True)
class Suspend:
    """Ask the victim to leave so that `for_task` can start."""

    task_id: TaskId
    for_task: TaskId


@dataclass(frozen=True, slots=True)
class Demotion:
    """Charge a running task at a lower level from now on."""

    task_id: TaskId
    priority: Priority


@dataclass(frozen=True, slots=True)
class Plan:
    """What one tick decided. `reasons` has one entry for every task that goes on waiting."""

    starts: tuple[Start, ...] = ()
    suspends: tuple[Suspend, ...] = ()
    demotions: tuple[Demotion, ...] = ()
    reasons: Mapping[TaskId, Reason] = field(default_factory=dict)
