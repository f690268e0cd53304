"""The nouns of a run: task, attempt, worker. Values only; lifecycle.py says how they change."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hai.core.resources import Resources
from hai.core.types import (
    GroupName,
    NodeName,
    Outcome,
    Priority,
    TaskId,
    TaskState,
    UserName,
    WorkerState,
)


@dataclass(frozen=True, slots=True, order=True)
class WorkerKey:
    """Names one worker for ever; launches and stops are idempotent under this name."""

    task_id: TaskId
    attempt: int
    rank: int

    def __str__(self) -> str:
        return f"{self.task_id}.{self.attempt}.{self.rank}"

    @classmethod
    def parse(cls, text: str) -> "WorkerKey":
        """Inverse of str(); ValueError if the text is no worker key."""
        task_id, attempt, rank = (int(part) for part in text.split("."))
        return cls(TaskId(task_id), attempt, rank)


@dataclass(frozen=True, slots=True)
class Worker:
    """One node's share of an attempt; `rank` is its number.

    `exit_code` follows the shell (128 + signal number for a killed program). `acked` and `saved`
    are the program's own words in the suspend handshake: notice seen, checkpoint written.
    """

    rank: int
    node: NodeName
    state: WorkerState = WorkerState.CREATED
    exit_code: int | None = None
    detail: str = ""  # why it ended, when the exit code does not say: "watchdog", "agent died", ...
    acked: bool = False
    saved: bool = False
    address: str = ""  # where other ranks reach this one
    port: int = 0  # free port that rank 0 offers as MASTER_PORT
    started_at: float | None = None
    ended_at: float | None = None
    usage: Mapping[str, float] = field(default_factory=dict)  # last figures: cpu, memory_bytes, ...
    gpu_indices: tuple[int, ...] = ()  # of its part of a shared node


@dataclass(frozen=True, slots=True)
class Attempt:
    """One scheduled run of a task.

    `verdict` is the outcome decided while workers still have to leave; `outcome` is set when the
    last one has left, and `ended_at` with it. `priority` is the level that the planner charged.
    The suspend clock: `suspend_at` notice given, `acked_at` first acknowledgement,
    `terminate_at` when SIGTERM was ordered.
    """

    number: int
    priority: Priority
    created_at: float
    workers: tuple[Worker, ...]
    started_at: float | None = None  # the gang passed the barrier
    ended_at: float | None = None
    suspend_at: float | None = None
    acked_at: float | None = None
    terminate_at: float | None = None
    verdict: Outcome | None = None
    outcome: Outcome | None = None
    exit_code: int | None = None
    why: str = ""  # the reason of the verdict, one line, for people
    backfill: bool = False  # it runs in the shadow of a gang and carries no slice
    for_task: TaskId | None = None  # who gets its nodes, when it was suspended for somebody
    saved_at: float | None = None  # the program's last checkpoint

    @property
    def nodes(self) -> tuple[NodeName, ...]:
        return tuple(worker.node for worker in self.workers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a user submitted; its identity survives suspension.

    `nodes` is the gang's width; `spec` the submitted document (run yaml, version 2) as JSON data.
    `version` grows with every saved change and guards against stale writers.
    `attempt` is the latest one, `attempts` how many there were. `waits_ok` and `waits_any` are the
    tasks that have to succeed, or only to end, before it may run; whoever has ended is taken out.
    `array_id` is the id of its array's first member.
    """

    id: TaskId
    chain_id: str
    user: UserName
    name: str
    group: GroupName
    nodes: int
    priority: Priority
    spec: Mapping[str, object]
    submitted_at: float
    state: TaskState = TaskState.QUEUED
    held: bool = False
    custom_rank: float = 0.0
    whole_life_state: int = 0
    attempts: int = 0
    suspend_count: int = 0
    exit_code: int | None = None
    why: str = ""  # how it ended or why it was suspended, one line, for people
    started_at: float | None = None  # of the first attempt
    ended_at: float | None = None
    version: int = 0
    attempt: Attempt | None = None
    ran_seconds: float = 0.0  # running time of all attempts that have ended
    queued_at: float | None = None  # when it last went back to its line
    yielded_at: float | None = None  # when it was last given notice for another task's sake
    first: bool = False  # at the head of its user's line: its node was lost
    not_before: float | None = None  # it is not tried again earlier
    failures: int = 0  # attempts that failed and were tried again
    time_limit_seconds: float | None = None  # of running time, over all attempts
    waits_ok: tuple[TaskId, ...] = ()
    waits_any: tuple[TaskId, ...] = ()
    array_id: TaskId | None = None
    array_index: int | None = None
    array_limit: int = 0  # members that may be active at once; 0: all
    asks: Resources | None = None  # of each of its nodes, which others may share; None: all of it
    spot: bool = False  # a container on whole nodes that nobody else needs
    removed: bool = False  # its user does not want to see it among the dev containers any more

    @property
    def options(self) -> Mapping[str, object]:
        """The free-form `options` of the spec ({} when absent)."""
        options = self.spec.get("options")
        return options if isinstance(options, Mapping) else {}

    @property
    def task_type(self) -> str:
        """ "training", or "jupyter" for a dev container."""
        return str(self.spec.get("task_type") or "training")

    @property
    def waits_for(self) -> tuple[TaskId, ...]:
        """The tasks that have to end before this one may run."""
        return self.waits_ok + self.waits_any

    def ran(self, now: float) -> float:
        """Seconds that it has run up to now, in all attempts."""
        attempt = self.attempt
        if attempt is None or attempt.started_at is None or attempt.outcome is not None:
            return self.ran_seconds
        return self.ran_seconds + max(0.0, now - attempt.started_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDraft:
    """A validated submission that has no id yet. `request_id` makes a repeated submit harmless.
    Drafts of one batch with the same `array` become the members of one array, all or none."""

    user: UserName
    name: str
    group: GroupName
    nodes: int
    priority: Priority
    spec: Mapping[str, object]
    chain_id: str
    request_id: str | None = None
    whole_life_state: int = 0
    time_limit_seconds: float | None = None
    waits_ok: tuple[TaskId, ...] = ()
    waits_any: tuple[TaskId, ...] = ()
    array: str | None = None
    array_index: int | None = None
    array_limit: int = 0
    asks: Resources | None = None
    spot: bool = False

    @property
    def waits_for(self) -> tuple[TaskId, ...]:
        """The tasks that have to end before this one may run."""
        return self.waits_ok + self.waits_any


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """One line for the event log: who did what to which task, why, with which data."""

    kind: str  # "task.submitted", "task.running", "node.drained", ...
    actor: str  # a user name, or "scheduler", "agent", "reconcile", ...
    at: float
    task_id: TaskId | None = None
    user: UserName | None = None  # whose task it is
    why: str = ""
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """An event as stored. Ids grow in commit order: a reader that has seen id N missed none
    below N."""

    id: int
    draft: EventDraft


@dataclass(frozen=True, slots=True)
class TaskChange:
    """A new value of a task (with `version` as it was read) and the events that explain it.
    The store writes all of it, or nothing when the version is stale."""

    task: Task
    events: tuple[EventDraft, ...]


def used_nodes(active: Iterable[Task]) -> Counter[tuple[UserName, GroupName, Priority]]:
    """Nodes that are held now, by user, group and charged level."""
    used: Counter[tuple[UserName, GroupName, Priority]] = Counter()
    for task in active:
        if task.attempt is not None:
            used[task.user, task.group, task.attempt.priority] += len(task.attempt.nodes)
    return used
