"""What the workers of one attempt tell, what follows from it, and what they are told.

Pure: `fold` takes reports in, `settle` concludes what time and reports allow, `order_of` says what
one rank should do now. All are levels: doing any of them twice changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hai.core.duration import duration_text
from hai.core.lifecycle.losses import (
    NOT_STARTED,
    TIME_IS_UP,
    final,
    first_broken,
    loss_text,
    node_loss,
)
from hai.core.lifecycle.transitions import condemn, event, finish, move
from hai.core.logs_told import log_events
from hai.core.task import Attempt, Task, TaskChange, Worker
from hai.core.types import Outcome, TaskState, WorkerState

S = TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds of the suspend handshake and of start-up; see settings [suspend] and [agent].

    `up_since`: nobody could hear or answer before the server was up, so no clock starts earlier.
    """

    up_since: float = 0.0
    notice_seconds: float = 5.0
    term_seconds: float = 5.0
    grace_seconds: float = 60.0
    grace_cap_seconds: float = 600.0
    start_timeout_seconds: float = 60.0
    pending_timeout_seconds: float = 1800.0  # of a worker whose launcher says what keeps it

    def clock(self, began: float) -> float:
        """When the clock of something that began then started to count."""
        return max(began, self.up_since)

    def grace(self, task: Task) -> float:
        """Seconds that an acknowledged save of this task may take."""
        asked = task.options.get("grace_seconds", self.grace_seconds)
        seconds = float(asked) if isinstance(asked, int | float) else self.grace_seconds
        return min(seconds, self.grace_cap_seconds)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the program said about its last checkpoint; `at` by the agent's clock."""

    at: float
    step: int | None = None
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """All that is known of one worker now, from its agent or from its launcher."""

    rank: int
    attempt: int
    state: WorkerState
    exit_code: int | None = None
    detail: str = ""
    acked: bool = False
    saved: bool = False
    address: str = ""
    port: int = 0
    node_lost: bool = False
    checkpoint: Checkpoint | None = None
    usage: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """What one worker should do now; see hai.schema.agent.AgentOrder."""

    go: bool = False
    master_addr: str = ""
    master_port: int = 0
    suspend: bool = False
    stop: bool = False
    over: bool = False


_RANK_OF_STATE = {
    WorkerState.CREATED: 0,
    WorkerState.READY: 1,
    WorkerState.RUNNING: 2,
    WorkerState.LOST: 3,
    WorkerState.EXITED: 3,
}

CHECKPOINT_SECONDS = 60.0  # checkpoints that follow each other sooner are not recorded


def fold(
    task: Task, reports: Sequence[WorkerReport], now: float, timing: Timing
) -> TaskChange | None:
    """Take reports of the current attempt in and draw the conclusions. None: nothing new.

    A worker never goes back: reports of an earlier phase, or of another attempt, are ignored.
    """
    attempt = task.attempt
    if attempt is None or attempt.outcome is not None or not task.state.is_active:
        return None
    noted = _checkpoint(task, attempt, reports, now)
    change = _fold_workers(noted.task if noted else task, reports, now, timing)
    if noted is None or change is None:
        return change or noted
    return TaskChange(change.task, (*noted.events, *change.events))


def _fold_workers(
    task: Task, reports: Sequence[WorkerReport], now: float, timing: Timing
) -> TaskChange | None:
    attempt = task.attempt
    if attempt is None:
        return None
    workers = list(attempt.workers)
    for report in reports:
        if report.attempt == attempt.number and 0 <= report.rank < len(workers):
            workers[report.rank] = _advance(workers[report.rank], report, now)
    if tuple(workers) != attempt.workers:
        acked_at = attempt.acked_at
        if acked_at is None and any(worker.acked for worker in workers):
            acked_at = now
        told = log_events(task, attempt.workers, workers, now)
        attempt = replace(attempt, workers=tuple(workers), acked_at=acked_at)
        heard = replace(task, attempt=attempt)
        change = settle(heard, now, timing) or TaskChange(heard, ())
        return TaskChange(change.task, (*told, *change.events))
    return settle(task, now, timing)


def _checkpoint(
    task: Task, attempt: Attempt, reports: Sequence[WorkerReport], now: float
) -> TaskChange | None:
    """A checkpoint that is worth recording; a save before a suspend always is."""
    if attempt.started_at is None:
        return None
    mine = [report for report in reports if report.attempt == attempt.number]
    told = [report.checkpoint for report in mine if report.checkpoint is not None]
    last = max(told, key=lambda one: one.at, default=None)
    data: dict[str, object] = {"attempt": attempt.number}
    if any(report.saved for report in mine) and not any(w.saved for w in attempt.workers):
        at = now
    elif last is not None and _is_worth_it(attempt, last.at):
        at = min(last.at, now)
        if last.step is not None:
            data["step"] = last.step
        if last.path:
            data["path"] = last.path
    else:
        return None
    noted = replace(task, attempt=replace(attempt, saved_at=at))
    return TaskChange(noted, (event(noted, "checkpoint", "agent", now, data=data),))


def _is_worth_it(attempt: Attempt, at: float) -> bool:
    if attempt.saved_at is not None:
        return at >= attempt.saved_at + CHECKPOINT_SECONDS
    return attempt.started_at is not None and at >= attempt.started_at


def _advance(worker: Worker, report: WorkerReport, now: float) -> Worker:
    if worker.state.is_over:
        return worker
    if _RANK_OF_STATE[report.state] < _RANK_OF_STATE[worker.state]:
        return worker
    began = report.state is WorkerState.RUNNING and worker.started_at is None
    moved = worker.state is not report.state
    told = replace(
        worker,
        state=report.state,
        # who saved has seen the notice, be it from its peers
        acked=worker.acked or report.acked or report.saved,
        saved=worker.saved or report.saved,
        address=report.address or worker.address,
        port=report.port or worker.port,
        started_at=now if began else worker.started_at,
        # figures change all the time: they are stored with a step, and live on the bus otherwise
        usage=dict(report.usage) if moved and report.usage else worker.usage,
    )
    if not report.state.is_over:
        return replace(told, detail=report.detail)  # what keeps it from coming up, or out of sight
    detail = node_loss(report.detail) if report.node_lost else report.detail
    return replace(told, exit_code=report.exit_code, detail=detail, ended_at=now)


def settle(task: Task, now: float, timing: Timing) -> TaskChange | None:
    """The conclusions that follow from the workers' states and the clock; None if there are none.
    Called after every report and whenever `deadline` passes."""
    attempt = task.attempt
    if attempt is None or attempt.outcome is not None or not task.state.is_active:
        return None
    if attempt.verdict is not None:
        return _leave(task, attempt, now)
    change = _CONCLUDE[task.state](task, attempt, now, timing)
    if change is None or change.task.attempt is None or change.task.attempt.verdict is None:
        return change
    if not _all_over(change.task.attempt):
        return change
    left = _leave(change.task, change.task.attempt, now)
    return TaskChange(left.task, (*change.events, *left.events)) if left else change


def _leave(task: Task, attempt: Attempt, now: float) -> TaskChange | None:
    if attempt.verdict is None or not _all_over(attempt):
        return None
    end = final(attempt, attempt.verdict)
    return finish(replace(task, attempt=replace(attempt, why=end.why)), end.outcome, now)


def _all_over(attempt: Attempt) -> bool:
    return all(worker.state.is_over for worker in attempt.workers)


def _starting(task: Task, attempt: Attempt, now: float, timing: Timing) -> TaskChange | None:
    broken = first_broken(attempt)
    if broken is not None:
        return _fail(task, broken, now)
    late = [worker for worker in attempt.workers if worker.state is WorkerState.CREATED]
    overdue = _overdue(late, now - timing.clock(attempt.created_at), timing)
    if overdue is not None:
        return _not_up(task, overdue, now, timing)
    if late:
        return None
    running = replace(
        move(task, S.RUNNING),
        attempt=replace(attempt, started_at=now),
        started_at=task.started_at or now,
    )
    data = {"attempt": attempt.number, "nodes": list(attempt.nodes)}
    return TaskChange(running, (event(running, "running", "gang", now, data=data),))


def _overdue(late: Sequence[Worker], seconds: float, timing: Timing) -> Worker | None:
    """The first that has not come up in its time."""
    for worker in late:
        if seconds > _patience(worker, timing):
            return worker
    return None


def _patience(worker: Worker, timing: Timing) -> float:
    """Longer for who is on its way; a start that was refused for now is tried elsewhere."""
    is_pending = worker.detail and not worker.detail.startswith(NOT_STARTED)
    return timing.pending_timeout_seconds if is_pending else timing.start_timeout_seconds


def _not_up(task: Task, worker: Worker, now: float, timing: Timing) -> TaskChange:
    """Nobody knows why it did not come up: the attempt has failed. If its launcher said what kept
    it, that is the node's trouble and not the task's, which goes back to its line."""
    where = f"rank {worker.rank} on {worker.node} did not come up in"
    if worker.detail:
        limit = duration_text(_patience(worker, timing))
        return _condemned(task, Outcome.NODE_LOST, f"{where} {limit}: {worker.detail}", now)
    why = f"{where} {timing.start_timeout_seconds:.0f} s"
    return _condemned(task, Outcome.FAILED, why, now, exit_code=1)


def _running(task: Task, attempt: Attempt, now: float, _timing: Timing) -> TaskChange | None:
    broken = first_broken(attempt)
    if broken is not None:
        return _fail(task, broken, now)
    if _all_over(attempt):
        return _succeeded(task, attempt, now)
    limit = task.time_limit_seconds
    if limit is None or task.ran(now) < limit:
        return None
    why = f"its time limit of {duration_text(limit)} is over"
    return _condemned(task, Outcome.FAILED, why, now, exit_code=TIME_IS_UP)


def _suspending(task: Task, attempt: Attempt, now: float, timing: Timing) -> TaskChange | None:
    lost = next((w for w in attempt.workers if w.state is WorkerState.LOST), None)
    broken = first_broken(attempt)
    acked = any(worker.acked for worker in attempt.workers)
    if lost is not None or (broken is not None and not acked):
        return _fail(task, lost or broken, now)
    why = attempt.why
    if _all_over(attempt):
        if not acked:
            return _succeeded(task, attempt, now)
        if broken is not None and not any(worker.saved for worker in attempt.workers):
            return _fail(task, broken, now)
        return _condemned(task, Outcome.SUSPENDED_CLEAN, why, now)
    suspend_at = attempt.suspend_at if attempt.suspend_at is not None else now
    noticed = now - timing.clock(suspend_at) >= timing.notice_seconds
    if _is_saved(attempt, noticed=noticed):
        return _condemned(task, Outcome.SUSPENDED_CLEAN, why, now)
    if attempt.acked_at is None:
        if not noticed:
            return None
        silent = f"{why} (no answer to the notice in {timing.notice_seconds:g} s)"
        return _condemned(task, Outcome.SUSPENDED_DIRTY, silent, now)
    grace = timing.grace(task)
    if now - timing.clock(attempt.acked_at) >= grace:
        late = f"{why} (no checkpoint in the {grace:g} s allowed)"
        return _condemned(task, Outcome.SUSPENDED_DIRTY, late, now)
    return None


def _stopping(_task: Task, _attempt: Attempt, _now: float, _timing: Timing) -> TaskChange | None:
    return None  # leaves by its verdict


_CONCLUDE = {
    S.STARTING: _starting,
    S.RUNNING: _running,
    S.SUSPENDING: _suspending,
    S.STOPPING: _stopping,
}


def _is_saved(attempt: Attempt, *, noticed: bool) -> bool:
    """Every rank has saved or left. Once the notice time is over, those that did not see the notice
    are not waited for; before, each of them may be about to say that it saves, too."""
    if not any(worker.saved for worker in attempt.workers):
        return False
    asked = attempt.workers if not noticed else (w for w in attempt.workers if w.acked)
    return all(worker.saved or worker.state.is_over for worker in asked)


def _fail(task: Task, worker: Worker | None, now: float) -> TaskChange:
    if worker is None:
        return _condemned(task, Outcome.FAILED, "failed", now, exit_code=1)
    where = f"rank {worker.rank} on {worker.node}"
    if worker.state is WorkerState.LOST:
        return _condemned(task, Outcome.NODE_LOST, loss_text(worker), now)
    why = f"{where} exited with code {worker.exit_code}"
    if worker.detail:
        why = f"{where}: {worker.detail}"
    return _condemned(task, Outcome.FAILED, why, now, exit_code=worker.exit_code)


def _succeeded(task: Task, attempt: Attempt, now: float) -> TaskChange:
    clean = replace(task, attempt=replace(attempt, exit_code=0, why=""))
    return finish(clean, Outcome.SUCCEEDED, now)


def _condemned(
    task: Task, verdict: Outcome, why: str, now: float, *, exit_code: int | None = None
) -> TaskChange:
    gone = condemn(task, verdict, why=why, now=now, exit_code=exit_code)
    data: dict[str, object] = {"verdict": verdict.value}
    if gone.state is task.state:
        return TaskChange(gone, ())
    return TaskChange(gone, (event(gone, gone.state.value, "gang", now, why=why, data=data),))


def order_of(task: Task, attempt_number: int, rank: int) -> Order:
    """What this rank of that attempt should do now."""
    attempt = task.attempt
    current = (
        attempt is not None
        and attempt.number == attempt_number
        and attempt.outcome is None
        and task.state.is_active
        and rank < len(attempt.workers)
    )
    if attempt is None or not current:
        return Order(stop=True, over=True)
    first = attempt.workers[0]
    return Order(
        go=attempt.started_at is not None,
        master_addr=first.address,
        master_port=first.port,
        suspend=attempt.suspend_at is not None and attempt.started_at is not None,
        stop=attempt.terminate_at is not None,
        over=attempt.workers[rank].state.is_over,
    )


def deadline(task: Task, timing: Timing) -> float | None:
    """When `settle` should be called again if no report comes before; None: only reports matter."""
    attempt = task.attempt
    if attempt is None or attempt.verdict is not None:
        return None
    if task.state is S.STARTING:
        late = [w for w in attempt.workers if w.state is WorkerState.CREATED]
        limits = (_patience(worker, timing) for worker in late)
        return timing.clock(attempt.created_at) + min(limits, default=timing.start_timeout_seconds)
    if task.state is S.RUNNING and task.time_limit_seconds is not None:
        return (attempt.started_at or 0.0) + task.time_limit_seconds - task.ran_seconds
    if task.state is S.SUSPENDING and attempt.suspend_at is not None:
        notice = timing.clock(attempt.suspend_at) + timing.notice_seconds
        if attempt.acked_at is None:
            return notice
        grace = timing.clock(attempt.acked_at) + timing.grace(task)
        saved = any(worker.saved for worker in attempt.workers)
        return min(notice, grace) if saved else grace
    return None
