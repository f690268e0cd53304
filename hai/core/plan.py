"""What the planner is given and what it answers: values only; planner.py makes the decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hai.core.reasons.kinds import Reason
from hai.core.resources import GpuIndices, Resources
from hai.core.types import (
    GroupName,
    NodeName,
    Priority,
    TaskId,
    TaskState,
    UserName,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One unfinished task as the planner sees it. Times are Unix seconds.

    Waiting: `holds` is empty, `knows` lists the nodes of its last attempt, `queued_at` is when it
    last joined its line (None: at `submitted_at`).
    Active: `holds` are its nodes, `charged` is the level that its quota is charged at, `since` is
    when this attempt was created, `running_since` when its gang began to run, `saved_at` its last
    checkpoint. Both: `suspended_at` is when it was last given notice for another task's sake.
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
    running_since: float | None = None
    queued_at: float | None = None
    suspended_at: float | None = None
    saved_at: float | None = None
    ran_seconds: float = 0.0  # running time of all earlier attempts
    backfill: bool = False  # this attempt runs in the shadow of a gang: it carries no slice
    for_task: TaskId | None = None  # who gets the nodes of the attempt that was suspended last
    first: bool = False  # back at the head of its user's line: its node was lost
    not_before: float | None = None  # it is tried again later: retry backoff
    waits_for: tuple[TaskId, ...] = ()  # dependencies that have not ended
    array: TaskId | None = None  # the first member's id names the array
    array_limit: int = 0  # members that may be active at once; 0: all
    asks: Resources | None = None  # of each of its nodes, which others may share; None: all of it
    gpu_indices: GpuIndices = ()  # those of each rank on its shared node
    spot: bool = False  # it runs where nobody else waits, takes no quota and yields to everybody

    @property
    def line_since(self) -> float:
        """When it joined the line that it stands in."""
        return self.submitted_at if self.queued_at is None else self.queued_at

    @property
    def slice_since(self) -> float:
        """When the slice of the running attempt began."""
        began = self.since if self.running_since is None else self.running_since
        return 0.0 if began is None else began

    @property
    def level(self) -> Priority:
        """The level that an active claim's nodes are booked at."""
        level = self.priority if self.charged is None else self.charged
        return Priority.LOW if level is Priority.AUTO else level


@dataclass(frozen=True, slots=True)
class Start:
    """Give these nodes (rank 0 first) to the task, charged at this level. A `backfill` carries no
    slice and yields as soon as the gang that waits for these nodes fits. `gpu_indices`: on shared
    nodes, the GPUs of each rank."""

    task_id: TaskId
    nodes: tuple[NodeName, ...]
    priority: Priority
    backfill: bool = False
    gpu_indices: GpuIndices = ()


@dataclass(frozen=True, slots=True)
class Suspend:
    """Ask the victim to leave so that `for_task` can start."""

    task_id: TaskId
    for_task: TaskId


@dataclass(frozen=True, slots=True)
class Demotion:
    """The task has run its time at a high level and asks for this one from now on."""

    task_id: TaskId
    priority: Priority


@dataclass(frozen=True, slots=True)
class Plan:
    """What one tick decided. `handovers` are starts to come: their nodes are set aside, and the
    task starts when the last holder has left. `reasons` are those of the tasks that the tick
    looked at and that go on waiting; reasons.finding finds that of any other one."""

    starts: tuple[Start, ...] = ()
    suspends: tuple[Suspend, ...] = ()
    demotions: tuple[Demotion, ...] = ()
    handovers: tuple[Start, ...] = ()
    reasons: Mapping[TaskId, Reason] = field(default_factory=dict)

    @property
    def decides(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.starts or self.suspends or self.demotions)
