"""A task in each phase of an attempt, and the reports of its workers."""

from dataclasses import replace

from hai.core.lifecycle import attempt_protocol, transitions
from hai.core.lifecycle.attempt_protocol import Timing, WorkerReport
from hai.core.plan import Start
from hai.core.task import Task
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

NOW = 1000.0
TIMING = Timing(notice_seconds=5, grace_seconds=60, grace_cap_seconds=100, start_timeout_seconds=30)
W = WorkerState


def queued(nodes: int = 2, options: dict[str, object] | None = None) -> Task:
    return Task(
        id=TaskId(7),
        chain_id="c",
        user=UserName("alice"),
        name="train.py",
        group=GroupName("training"),
        nodes=nodes,
        priority=Priority.NORMAL,
        spec={"options": options or {}},
        submitted_at=NOW - 60,
    )


def starting(nodes: int = 2, options: dict[str, object] | None = None) -> Task:
    task = queued(nodes, options)
    names = tuple(NodeName(f"node-{rank}") for rank in range(nodes))
    return transitions.begin(task, Start(task.id, names, Priority.NORMAL), NOW).task


def report(rank: int, state: W, **more: object) -> WorkerReport:
    return replace(WorkerReport(rank=rank, attempt=1, state=state), **more)  # type: ignore[arg-type]


def tell(task: Task, *reports: WorkerReport, now: float = NOW) -> Task:
    change = attempt_protocol.fold(task, reports, now, TIMING)
    return task if change is None else change.task


def running(nodes: int = 2, options: dict[str, object] | None = None) -> Task:
    task = starting(nodes, options)
    for rank in range(nodes):
        task = tell(task, report(rank, W.READY, address="127.0.0.1", port=4000 + rank))
    assert task.state is TaskState.RUNNING
    for rank in range(nodes):
        task = tell(task, report(rank, W.RUNNING))
    return task


def suspending(nodes: int = 2, options: dict[str, object] | None = None) -> Task:
    change = transitions.suspend(
        running(nodes, options), actor="scheduler", why="needed", hold=False, now=NOW
    )
    assert change is not None
    return change.task


def outcome(task: Task) -> Outcome | None:
    assert task.attempt is not None
    return task.attempt.outcome
