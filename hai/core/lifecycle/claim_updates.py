"""What becomes of a claim when a decision is carried out: it starts, leaves, is back in line."""

from dataclasses import replace

from hai.core.plan import Claim, Start
from hai.core.types import TaskId, TaskState


def starting(claim: Claim, start: Start, now: float) -> Claim:
    """A waiting claim that was given nodes."""
    return _given(claim, start, now, TaskState.STARTING, None)


def running(claim: Claim, start: Start, now: float) -> Claim:
    """A waiting claim that was given nodes and runs there at once."""
    return _given(claim, start, now, TaskState.RUNNING, now)


def _given(
    claim: Claim, start: Start, now: float, state: TaskState, running_since: float | None
) -> Claim:
    return replace(
        claim,
        state=state,
        holds=start.nodes,
        knows=(),
        charged=start.priority,
        since=now,
        running_since=running_since,
        saved_at=None,
        backfill=start.backfill,
        first=False,
        for_task=None,
        gpu_indices=start.gpu_indices,
    )


def leaving(victim: Claim, for_task: TaskId, now: float) -> Claim:
    """A running claim that was asked to leave for another."""
    return replace(victim, state=TaskState.SUSPENDING, suspended_at=now, for_task=for_task)


def back_in_line(claim: Claim, now: float, stopped_at: float | None = None) -> Claim:
    """A suspended claim that has left its nodes; it ran until `stopped_at` (None: now). It joins
    its line anew, but after a backfill, which was no turn, it is where it was."""
    stopped = now if stopped_at is None else stopped_at
    return replace(
        claim,
        state=TaskState.SUSPENDED,
        holds=(),
        knows=claim.holds,
        charged=None,
        gpu_indices=(),
        since=None,
        running_since=None,
        saved_at=None,
        backfill=False,
        queued_at=claim.queued_at if claim.backfill else now,
        ran_seconds=claim.ran_seconds + max(0.0, stopped - claim.slice_since),
    )
