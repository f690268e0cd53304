"""Workers that were lost: what was lost, whose trouble that is, and how often a task may come back.

A machine that goes away says nothing about the task. An agent that dies may have been killed by the
program itself (it used up the memory, say), so a task comes back from that only so often. A program
that was never started is not even a try: its task is put off for a moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hai.core.lifecycle.retry import NODE_LOST as LOST_CAUSE
from hai.core.lifecycle.retry import Retry
from hai.core.task import Attempt, Task, Worker
from hai.core.types import Outcome, WorkerState

NODE_LOST = "node lost"  # how the detail of a worker begins whose machine went away
KILLED = "killed"  # detail of a worker that did not leave in time
CUT_OFF = "killed: still running after SIGTERM"  # the agent's word for that
NOT_STARTED = "not started"  # how the agent and the launcher begin
TIME_IS_UP = 124  # exit code of a task whose time limit is over, as timeout(1) has it
MOST_LOSSES = 10  # of agents, for a task without a rule of its own
POSTPONE_SECONDS = 10.0
_LOSS_RULE = Retry(most=MOST_LOSSES, on=frozenset({LOST_CAUSE}))


def first_of(workers: Iterable[Worker]) -> Worker | None:
    """The first that ended, by time and then rank."""
    return min(workers, key=lambda worker: (worker.ended_at or 0.0, worker.rank), default=None)


def first_broken(attempt: Attempt) -> Worker | None:
    """The first worker that ended badly."""
    return first_of(
        worker
        for worker in attempt.workers
        if worker.state is WorkerState.LOST
        or (worker.state is WorkerState.EXITED and worker.exit_code != 0)
    )


def is_postponed(attempt: Attempt) -> bool:
    """What was lost is an attempt whose program was never started."""
    worker = _first_lost(attempt)
    never_started = worker is not None and worker.detail.startswith(NOT_STARTED)
    return attempt.started_at is None or never_started


def rule_of(task: Task, attempt: Attempt, outcome: Outcome) -> Retry | None:
    """What decides whether the task is tried again; None: nothing but the outcome itself."""
    own = Retry.of(task.options)
    if outcome is not Outcome.NODE_LOST:
        return own
    if is_postponed(attempt):
        return None
    worker = _first_lost(attempt)
    is_machine = worker is None or worker.detail.startswith(NODE_LOST)
    return own if is_machine else own or _LOSS_RULE


def _first_lost(attempt: Attempt) -> Worker | None:
    return first_of(w for w in attempt.workers if w.state is WorkerState.LOST)


def node_loss(why: str) -> str:
    """The detail of such a worker; `why` is what its launcher says, if anything."""
    return f"{NODE_LOST}: {why}" if why else NODE_LOST


def loss_text(worker: Worker) -> str:
    """One line for people: which worker was lost, and how."""
    return f"rank {worker.rank} on {worker.node}: {worker.detail or 'its agent died'}"


@dataclass(frozen=True, slots=True)
class Final:
    """What a verdict has come to when the last worker has left."""

    outcome: Outcome
    why: str


def final(attempt: Attempt, verdict: Outcome) -> Final:
    """Two verdicts are given before all is known: a program may fail because a worker of its gang
    was lost, which is heard of later; and one that did not answer the notice may save on SIGTERM.
    """
    if verdict is Outcome.FAILED and attempt.exit_code not in (None, TIME_IS_UP):
        lost = first_of(
            worker
            for worker in attempt.workers
            if worker.state is WorkerState.LOST and worker.detail != KILLED
        )
        if lost is not None:
            return Final(Outcome.NODE_LOST, loss_text(lost))
    if verdict is Outcome.SUSPENDED_DIRTY and _has_saved(attempt):
        return Final(Outcome.SUSPENDED_CLEAN, f"{attempt.why}, but it saved before it left")
    return Final(verdict, attempt.why)


def _has_saved(attempt: Attempt) -> bool:
    """Some rank has, and the one that usually writes the checkpoint was not killed at it."""
    first = attempt.workers[0]
    was_cut_off = first.detail in (CUT_OFF, KILLED) and not first.saved
    return any(worker.saved for worker in attempt.workers) and not was_cut_off
