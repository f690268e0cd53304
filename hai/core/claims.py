"""The one way from a task and its latest attempt to the claim that the planner sees."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypedDict, Unpack

from hai.core.plan import Claim
from hai.core.resources import Resources
from hai.core.task import Attempt, Task
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName


class LatestAttempt(NamedTuple):
    """What a claim tells of a task's latest attempt; times are Unix seconds."""

    nodes: tuple[NodeName, ...]
    priority: Priority
    created_at: float
    started_at: float | None
    saved_at: float | None
    backfill: bool
    for_task: TaskId | None
    gpu_indices: Sequence[Sequence[int]]  # by rank; nothing on whole nodes


class _TaskFields(TypedDict):
    task_id: TaskId
    user: UserName
    group: GroupName
    nodes: int
    priority: Priority
    state: TaskState
    submitted_at: float


class TaskFields(_TaskFields, total=False):
    """What a claim tells of the task itself."""

    held: bool
    custom_rank: float
    queued_at: float | None
    suspended_at: float | None
    ran_seconds: float
    first: bool
    not_before: float | None
    waits_for: tuple[TaskId, ...]
    array: TaskId | None
    array_limit: int
    asks: Resources | None
    spot: bool


class Wishes(Protocol):
    """What a task asks for, before it has a place in any line: a draft or a claim."""

    @property
    def user(self) -> UserName: ...

    @property
    def group(self) -> GroupName: ...

    @property
    def nodes(self) -> int: ...

    @property
    def priority(self) -> Priority: ...

    @property
    def waits_for(self) -> tuple[TaskId, ...]: ...

    @property
    def asks(self) -> Resources | None: ...

    @property
    def spot(self) -> bool: ...


def make_claim(attempt: LatestAttempt | None, **task: Unpack[TaskFields]) -> Claim:
    """An active task holds the nodes of its attempt and tells of it; a waiting one only knows
    them, and for whom it left."""
    if attempt is None:
        return Claim(**task)
    if not task["state"].is_active:
        return Claim(**task, knows=attempt.nodes, for_task=attempt.for_task)
    return Claim(
        **task,
        holds=attempt.nodes,
        charged=attempt.priority,
        since=attempt.created_at,
        running_since=attempt.started_at,
        saved_at=attempt.saved_at,
        backfill=attempt.backfill,
        for_task=attempt.for_task,
        gpu_indices=tuple(tuple(one) for one in attempt.gpu_indices),
    )


def claim_of(task: Task) -> Claim:
    """Of an unfinished task."""
    return make_claim(
        None if task.attempt is None else _told(task.attempt),
        task_id=task.id,
        user=task.user,
        group=task.group,
        nodes=task.nodes,
        priority=task.priority,
        state=task.state,
        submitted_at=task.submitted_at,
        held=task.held,
        custom_rank=task.custom_rank,
        queued_at=task.queued_at,
        suspended_at=task.yielded_at,
        ran_seconds=task.ran_seconds,
        first=task.first,
        not_before=task.not_before,
        waits_for=task.waits_for,
        array=task.array_id,
        array_limit=task.array_limit,
        asks=task.asks,
        spot=task.spot,
    )


def submitted_now(wishes: Wishes, task_id: TaskId, now: float) -> Claim:
    """The same wishes as a new task: it has no place in the line and no past."""
    return make_claim(
        None,
        task_id=task_id,
        user=wishes.user,
        group=wishes.group,
        nodes=wishes.nodes,
        priority=wishes.priority,
        state=TaskState.QUEUED,
        submitted_at=now,
        waits_for=wishes.waits_for,
        asks=wishes.asks,
        spot=wishes.spot,
    )


def _told(attempt: Attempt) -> LatestAttempt:
    ranks = [worker.gpu_indices for worker in attempt.workers]
    return LatestAttempt(
        attempt.nodes,
        attempt.priority,
        attempt.created_at,
        attempt.started_at,
        attempt.saved_at,
        attempt.backfill,
        attempt.for_task,
        ranks if any(ranks) else (),
    )
