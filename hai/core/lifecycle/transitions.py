"""The state machine of a task: which verbs are legal when, and what each of them changes.

Every verb takes the task as read and returns a `TaskChange` (new value and events), or None
when there is nothing to change. gang.py folds what workers report into the same values.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from hai.core.lifecycle import losses
from hai.core.lifecycle.retry import NextTry, next_try
from hai.core.plan import Demotion, Start
from hai.core.task import Attempt, EventDraft, Task, TaskChange, Worker
from hai.core.types import Outcome, Priority, TaskId, TaskState
from hai.errors import Conflict

S = TaskState

TRANSITIONS: Mapping[TaskState, frozenset[TaskState]] = {
    S.QUEUED: frozenset({S.STARTING, S.SUSPENDED, S.STOPPED}),
    S.STARTING: frozenset(
        {S.RUNNING, S.SUSPENDING, S.STOPPING, S.SUSPENDED, S.SUCCEEDED, S.FAILED, S.STOPPED}
    ),
    S.RUNNING: frozenset({S.SUSPENDING, S.STOPPING, S.SUSPENDED, S.SUCCEEDED, S.FAILED, S.STOPPED}),
    S.SUSPENDING: frozenset({S.SUSPENDED, S.STOPPING, S.SUCCEEDED, S.FAILED, S.STOPPED}),
    S.SUSPENDED: frozenset({S.QUEUED, S.STARTING, S.STOPPED}),
    S.STOPPING: frozenset({S.SUSPENDED, S.SUCCEEDED, S.FAILED, S.STOPPED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.STOPPED: frozenset(),
}

FINAL_OF: Mapping[Outcome, TaskState] = {
    Outcome.SUCCEEDED: S.SUCCEEDED,
    Outcome.FAILED: S.FAILED,
    Outcome.STOPPED: S.STOPPED,
    Outcome.SUSPENDED_CLEAN: S.SUSPENDED,
    Outcome.SUSPENDED_DIRTY: S.SUSPENDED,
    Outcome.NODE_LOST: S.SUSPENDED,
}


def move(task: Task, to: TaskState) -> Task:
    """The task in state `to`; Conflict if no such step exists."""
    if to not in TRANSITIONS[task.state]:
        raise Conflict(f"task {task.id} is {task.state} and cannot become {to}")
    return replace(task, state=to)


def event(
    task: Task,
    kind: str,
    actor: str,
    now: float,
    *,
    why: str = "",
    data: Mapping[str, object] | None = None,
) -> EventDraft:
    """An event about this task."""
    return EventDraft(
        kind=f"task.{kind}",
        actor=actor,
        at=now,
        task_id=task.id,
        user=task.user,
        why=why,
        data=data or {},
    )


def begin(task: Task, start: Start, now: float) -> TaskChange:
    """A planner's start: the next attempt, its workers created on the nodes that were picked.

    Conflict while the task has to wait for others or for its next try.
    """
    if task.waits_for:
        raise Conflict(f"task {task.id} waits for task {task.waits_for[0]}")
    if task.not_before is not None and now < task.not_before:
        raise Conflict(f"task {task.id} is tried again in {task.not_before - now:.0f} s")
    number = task.attempts + 1
    attempt = Attempt(
        number=number,
        priority=start.priority,
        created_at=now,
        workers=tuple(_workers(start)),
        backfill=start.backfill,
    )
    begun = replace(
        move(task, S.STARTING),
        attempts=number,
        attempt=attempt,
        why="",
        first=False,
        not_before=None,
    )
    data: dict[str, object] = {
        "attempt": number,
        "nodes": list(start.nodes),
        "priority": start.priority.name,
        "backfill": start.backfill,
    }
    if start.gpu_indices:
        data["gpu_indices"] = [list(one) for one in start.gpu_indices]
    return TaskChange(begun, (event(begun, "starting", "scheduler", now, data=data),))


def _workers(start: Start) -> Iterator[Worker]:
    for rank, node in enumerate(start.nodes):
        gpus = start.gpu_indices[rank] if rank < len(start.gpu_indices) else ()
        yield Worker(rank, node, gpu_indices=gpus)


def suspend(
    task: Task,
    *,
    actor: str,
    why: str,
    hold: bool,
    now: float,
    for_task: TaskId | None = None,
) -> TaskChange | None:
    """Give notice to a running task, or take a waiting one out of the line (`hold`).

    A held task waits until a person resumes it; otherwise it goes back in the queue. `for_task` is
    who gets its nodes.
    """
    if task.state.is_final or task.state is S.STOPPING:
        raise Conflict(f"task {task.id} is {task.state}: there is nothing to suspend")
    if task.state.is_waiting:
        return _hold_waiting(task, actor=actor, why=why, now=now) if hold else None
    if task.state is S.SUSPENDING:
        if not hold or task.held:
            return None
        held = replace(task, held=True)
        return TaskChange(held, (event(held, "held", actor, now, why=why),))
    attempt = _attempt(task)
    if task.state is S.STARTING:  # no program runs yet: nothing to save, nothing to wait for
        attempt = replace(attempt, verdict=Outcome.SUSPENDED_CLEAN, terminate_at=now)
    attempt = replace(attempt, suspend_at=now, why=why, for_task=for_task)
    leaving = replace(move(task, S.SUSPENDING), attempt=attempt, held=task.held or hold, why=why)
    if for_task is not None:
        leaving = replace(leaving, yielded_at=now)
    data = {} if for_task is None else {"for_task": for_task}
    return TaskChange(leaving, (event(leaving, "suspending", actor, now, why=why, data=data),))


def _hold_waiting(task: Task, *, actor: str, why: str, now: float) -> TaskChange | None:
    if task.held:
        return None
    resting = task if task.state is S.SUSPENDED else move(task, S.SUSPENDED)
    held = replace(resting, held=True, why=why)
    return TaskChange(held, (event(held, "held", actor, now, why=why),))


def resume(task: Task, *, actor: str, why: str, now: float) -> TaskChange | None:
    """Let a held task stand in line again. None when it does already."""
    if task.state.is_final:
        raise Conflict(
            f"task {task.id} has {task.state} and cannot be resumed",
            hint="submit it again",
        )
    if not task.held:
        return None
    back = replace(task, held=False)
    if back.state is S.SUSPENDED and back.attempts == 0:
        back = move(back, S.QUEUED)
    return TaskChange(back, (event(back, "resumed", actor, now, why=why),))


def stop(task: Task, *, actor: str, why: str, now: float) -> TaskChange | None:
    """End the task for good. None when it is on its way out already."""
    if task.state.is_final:
        raise Conflict(f"task {task.id} has {task.state} already")
    if task.state.is_waiting:
        ended = replace(move(task, S.STOPPED), ended_at=now, why=why, held=False)
        return TaskChange(ended, (event(ended, "stopped", actor, now, why=why),))
    attempt = _attempt(task)
    if task.state is S.STOPPING and not _comes_back(task, attempt):
        return None
    leaving = condemn(task, Outcome.STOPPED, why=why, now=now)
    return TaskChange(leaving, (event(leaving, "stopping", actor, now, why=why),))


def remove(task: Task, *, actor: str, now: float) -> TaskChange | None:
    """Take an ended dev container out of those that can be started again. Conflict before its
    end."""
    if not task.state.is_final:
        raise Conflict(
            f"task {task.id} is {task.state}, and only what has ended can be removed",
            hint=f"hai-cli stop {task.id}",
        )
    if task.removed:
        return None
    gone = replace(task, removed=True)
    return TaskChange(gone, (event(gone, "removed", actor, now),))


def _comes_back(task: Task, attempt: Attempt) -> bool:
    """Whether a task that leaves its nodes would stand in its line again afterwards."""
    if attempt.verdict is Outcome.FAILED:
        return _next_try(task, attempt, attempt.verdict, attempt.terminate_at or 0.0) is not None
    return attempt.verdict in (None, Outcome.NODE_LOST)


def condemn(
    task: Task, verdict: Outcome, *, why: str, now: float, exit_code: int | None = None
) -> Task:
    """Decide how the attempt ends and order its workers to leave."""
    attempt = replace(
        _attempt(task), verdict=verdict, why=why, terminate_at=now, exit_code=exit_code
    )
    suspended = verdict in (Outcome.SUSPENDED_CLEAN, Outcome.SUSPENDED_DIRTY)
    if (suspended and task.state is S.SUSPENDING) or task.state is S.STOPPING:
        return replace(task, attempt=attempt, why=why)
    return replace(move(task, S.STOPPING), attempt=attempt, why=why)


def finish(task: Task, outcome: Outcome, now: float) -> TaskChange:
    """The last worker has left: record the outcome; the task ends, or goes back in its line.

    A task that lost a worker goes to the head of its line, and one that ran as a backfill, which
    was no turn, to where it was. A retry rule of its own decides about failures, and then also
    about lost workers; see losses.py for who has none.
    """
    attempt = replace(_attempt(task), outcome=outcome, ended_at=now)
    again = _next_try(task, attempt, outcome, now)
    state = FINAL_OF[outcome]
    lost = outcome is Outcome.NODE_LOST
    if again is not None:
        state = S.SUSPENDED
    elif lost and losses.rule_of(task, attempt, outcome) is not None:
        state = S.FAILED
        attempt = replace(attempt, exit_code=1, why=_last_loss(task, attempt))
    done = replace(move(task, state), attempt=attempt, why=attempt.why, ran_seconds=task.ran(now))
    if state.is_final:
        done = replace(done, ended_at=now, exit_code=attempt.exit_code, held=False)
    elif again is not None:
        done = replace(
            done,
            queued_at=now,
            failures=task.failures + 1,
            not_before=again.not_before,
            first=lost,
        )
    elif lost and losses.is_postponed(attempt):
        done = replace(done, not_before=now + losses.POSTPONE_SECONDS, first=True)
    else:
        count = task.suspend_count + 1
        since = task.queued_at if attempt.backfill else now
        done = replace(done, queued_at=since, suspend_count=count, first=lost)
    data = {"attempt": attempt.number, "outcome": outcome.value, "exit_code": attempt.exit_code}
    events = [event(done, state.value, "gang", now, why=attempt.why, data=data)]
    if again is not None:
        tried = {"rule": again.rule, "try": again.number, "max": again.most}
        events.append(event(done, "retry", "gang", now, why=again.why, data=tried))
    return TaskChange(done, tuple(events))


def _last_loss(task: Task, attempt: Attempt) -> str:
    if not task.failures:
        return attempt.why
    return f"{attempt.why}; it is not tried again after {task.failures} failed tries"


def _next_try(task: Task, attempt: Attempt, outcome: Outcome, now: float) -> NextTry | None:
    """The next try that the task's own rule allows; never when its time is over."""
    limit = task.time_limit_seconds
    if limit is not None and task.ran(now) >= limit:
        return None
    return next_try(
        losses.rule_of(task, attempt, outcome),
        outcome=outcome,
        exit_code=attempt.exit_code,
        failures=task.failures,
        now=now,
    )


def set_priority(task: Task, priority: Priority, *, actor: str, now: float) -> TaskChange | None:
    """What the task asks for from now on; a running attempt keeps the level that it is charged."""
    if task.state.is_final:
        raise Conflict(f"task {task.id} has {task.state} already")
    if task.priority is priority:
        return None
    changed = replace(task, priority=priority)
    data = {"from": task.priority.name, "to": priority.name}
    return TaskChange(changed, (event(changed, "priority", actor, now, data=data),))


def falls_at_once(task: Task, priority: Priority, demote_after: float, now: float) -> bool:
    """Whether the task would fall from that priority at once: it has run for `demote_after`
    seconds, in all attempts (0: nobody falls)."""
    if priority is not Priority.ABOVE_NORMAL or not demote_after or task.state.is_final:
        return False
    return task.ran(now) >= demote_after


def set_rank(task: Task, rank: float, *, actor: str, now: float) -> TaskChange | None:
    """Its place among its user's own tasks: the lowest first."""
    if task.state.is_final:
        raise Conflict(f"task {task.id} has {task.state} already")
    if task.custom_rank == rank:
        return None
    changed = replace(task, custom_rank=rank)
    data = {"from": task.custom_rank, "to": rank}
    return TaskChange(changed, (event(changed, "rank", actor, now, data=data),))


def demote(task: Task, demotion: Demotion, now: float) -> TaskChange | None:
    """It had its time at a high level: from now on it asks for this one. A running attempt stays
    charged where it is, for the user's quota there may have no room."""
    if task.state.is_final or task.state.is_leaving or task.priority <= demotion.priority:
        return None
    lower = replace(task, priority=demotion.priority)
    data = {"from": task.priority.name, "to": demotion.priority.name}
    return TaskChange(lower, (event(lower, "demoted", "scheduler", now, data=data),))


def set_whole_life_state(task: Task, value: int) -> TaskChange | None:
    """The user's own number that outlives attempts. A program may set it at every step, and it
    concerns nobody else: the event log is spared it."""
    if task.whole_life_state == value:
        return None
    return TaskChange(replace(task, whole_life_state=value), ())


def _attempt(task: Task) -> Attempt:
    if task.attempt is None:
        raise Conflict(f"task {task.id} is {task.state} and has no attempt")
    return task.attempt
