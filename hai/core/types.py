"""Names and enumerations that the whole platform shares.

Times inside core are Unix seconds (UTC) as floats, so that a virtual clock is a number; the edges
(store, wire) turn them into timestamps.
"""

from enum import IntEnum, StrEnum
from typing import Literal, NewType, TypeAlias

TaskId = NewType("TaskId", int)
UserName = NewType("UserName", str)
GroupName = NewType("GroupName", str)
NodeName = NewType("NodeName", str)


class Priority(IntEnum):
    """Named levels, higher first. AUTO means: the highest level with quota left."""

    AUTO = -1
    LOW = 0
    BELOW_NORMAL = 5
    UNDER_NORMAL = 8
    NORMAL = 10
    ABOVE_NORMAL = 20
    HIGH = 30
    VERY_HIGH = 40
    EXTREME_HIGH = 50


class TaskState(StrEnum):
    """Past participle for rest, -ing for transitions."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_waiting(self) -> bool:
        """Holds no nodes and may get some (unless the task is held)."""
        return self in (TaskState.QUEUED, TaskState.SUSPENDED)

    @property
    def is_active(self) -> bool:
        """Holds nodes."""
        return self in ACTIVE_STATES

    @property
    def is_final(self) -> bool:
        return self in FINAL_STATES

    @property
    def is_leaving(self) -> bool:
        """Holds nodes and is about to free them."""
        return self in (TaskState.SUSPENDING, TaskState.STOPPING)


ACTIVE_STATES = frozenset(
    {TaskState.STARTING, TaskState.RUNNING, TaskState.SUSPENDING, TaskState.STOPPING}
)
FINAL_STATES = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.STOPPED})


class ChainStatus(StrEnum):
    """The four words that users of the original platform know."""

    WAITING_INIT = "waiting_init"
    RUNNING = "running"
    SUSPENDED = "suspended"
    FINISHED = "finished"


def chain_status(state: TaskState) -> ChainStatus:
    """The original's word for a task state."""
    if state.is_final:
        return ChainStatus.FINISHED
    if state.is_active:
        return ChainStatus.RUNNING
    return ChainStatus.SUSPENDED if state is TaskState.SUSPENDED else ChainStatus.WAITING_INIT


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    SUSPENDED_CLEAN = "suspended-clean"  # the program saved and said so
    SUSPENDED_DIRTY = "suspended-dirty"  # it did not: work since its last checkpoint is lost
    NODE_LOST = "node-lost"  # a worker was lost, or could not start: the task goes back to its line


class WorkerState(StrEnum):
    """One node's share of an attempt."""

    CREATED = "created"  # asked of the launcher; no word from its agent yet
    READY = "ready"  # the agent waits at the gang barrier
    RUNNING = "running"  # the user's program runs
    EXITED = "exited"  # the program ended; exit_code is set
    LOST = "lost"  # agent or node died without a report

    @property
    def is_over(self) -> bool:
        return self in (WorkerState.EXITED, WorkerState.LOST)


class WaitCode(StrEnum):
    """Why a task waits. Never free text: evidence goes beside it."""

    HELD = "held"  # suspended by a person until resumed
    DEPENDENCY = "dependency"  # other tasks have to end first
    BACKOFF = "backoff"  # it is tried again later
    ARRAY_LIMIT = "array_limit"  # enough members of its array run
    GROUP_UNKNOWN = "group_unknown"
    GROUP_TOO_SMALL = "group_too_small"  # more nodes than the group has, healthy or not
    UNHEALTHY = "unhealthy"  # more nodes than the group has in good health now
    NO_QUOTA = "no_quota"  # the limit is below what the task needs
    QUOTA_EXCEEDED = "quota_exceeded"  # the limit is in use by the user's other tasks
    SPOT = "spot"  # a spot container: it runs where nobody else waits
    NO_ROOM = "no_room"  # no node has as much free as the container asks for
    NO_FREE_NODES = "no_free_nodes"  # first in its line, and the gang does not fit
    BEHIND = "behind"  # others of the same group come first
    HANDOVER = "handover"  # its nodes are chosen; their holders are leaving
    PAUSED = "paused"  # the platform is going down, or was about to
    NOT_PLANNED = "not_planned"  # no tick has looked at it yet


IneligibleCode: TypeAlias = Literal[
    WaitCode.HELD, WaitCode.DEPENDENCY, WaitCode.BACKOFF, WaitCode.ARRAY_LIMIT, WaitCode.SPOT
]
"""Why a waiting task stands in no line, whatever nodes and quota there are."""


class Keeper(StrEnum):
    """Who keeps a claim out whatever its equals do."""

    HIGHER = "higher"  # higher levels, or those who would come back there
    OWN = "own"  # its user's own tasks


class Loss(StrEnum):
    """What a claim may not cost one of its own user's that comes before it."""

    NODES = "nodes"
    QUOTA = "quota"
    TURN = "turn"
