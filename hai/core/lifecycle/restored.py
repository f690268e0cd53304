"""What becomes of tasks that ran in a place which the platform has left, by a backup of it."""

from dataclasses import replace

from hai.core.lifecycle.transitions import finish
from hai.core.task import Task, TaskChange, Worker
from hai.core.types import Outcome, TaskState, WorkerState

WHY = "the platform was restored from a backup, in which it ran somewhere else"
_IN_LINE = (Outcome.NODE_LOST, Outcome.SUSPENDED_CLEAN, Outcome.SUSPENDED_DIRTY)


def left_behind(task: Task, taken_at: float) -> TaskChange | None:
    """The end of an attempt whose workers nobody hears any more; None for a task without one.

    It was of no fault of the task: it goes to the head of its line, and no try of it is used up.
    A task that was about to end for another reason ends for that. `taken_at`: the backup's
    moment, up to which it ran (Unix seconds).
    """
    attempt = task.attempt
    if attempt is None or not task.state.is_active or attempt.outcome is not None:
        return None
    verdict = attempt.verdict
    goes_back = verdict is None or verdict in _IN_LINE
    workers = tuple(_gone(worker, taken_at) for worker in attempt.workers)
    ended = replace(attempt, workers=workers, why=WHY if goes_back else attempt.why)
    outcome = Outcome.SUSPENDED_DIRTY if goes_back or verdict is None else verdict
    if verdict is Outcome.SUSPENDED_CLEAN:
        outcome = verdict
    done = finish(replace(task, attempt=ended), outcome, taken_at)
    if done.task.state is not TaskState.SUSPENDED or not goes_back:
        return done
    return replace(done, task=replace(done.task, first=True))


def _gone(worker: Worker, taken_at: float) -> Worker:
    if worker.state.is_over:
        return worker
    return replace(worker, state=WorkerState.LOST, detail=WHY, ended_at=taken_at)
