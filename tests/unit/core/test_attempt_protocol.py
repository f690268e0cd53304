"""Reports in, conclusions and orders out: start, failure, and every way a suspension can go."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hai.core.lifecycle import attempt_protocol, transitions
from hai.core.lifecycle.attempt_protocol import Checkpoint, WorkerReport
from hai.core.lifecycle.losses import TIME_IS_UP
from hai.core.task import Task
from hai.core.types import Outcome, TaskState
from tests.unit.core.attempts import (
    NOW,
    TIMING,
    W,
    outcome,
    report,
    running,
    starting,
    suspending,
    tell,
)


def test_the_gang_goes_only_when_all_are_ready() -> None:
    task = tell(starting(), report(0, W.READY, address="10.0.0.1", port=4000))
    assert task.state is TaskState.STARTING
    assert not attempt_protocol.order_of(task, 1, 0).go
    task = tell(task, report(1, W.READY))
    assert task.state is TaskState.RUNNING
    order = attempt_protocol.order_of(task, 1, 1)
    assert (order.go, order.master_addr, order.master_port) == (True, "10.0.0.1", 4000)


def test_success_needs_every_rank() -> None:
    task = tell(running(), report(0, W.EXITED, exit_code=0))
    assert task.state is TaskState.RUNNING
    task = tell(task, report(1, W.EXITED, exit_code=0))
    assert (task.state, task.exit_code) == (TaskState.SUCCEEDED, 0)


def test_one_failing_rank_stops_the_gang_and_is_named() -> None:
    task = tell(running(), report(1, W.EXITED, exit_code=3))
    assert task.state is TaskState.STOPPING
    assert attempt_protocol.order_of(task, 1, 0).stop
    task = tell(task, report(0, W.EXITED, exit_code=143))
    assert (task.state, task.exit_code) == (TaskState.FAILED, 3)
    assert task.why == "rank 1 on node-1 exited with code 3"


def test_a_lost_worker_ends_the_attempt_and_not_the_task() -> None:
    died = tell(running(), report(1, W.LOST, detail="agent died"))
    assert died.state is TaskState.STOPPING
    died = tell(died, report(0, W.EXITED, exit_code=143))
    assert (died.state, died.why) == (TaskState.SUSPENDED, "rank 1 on node-1: agent died")
    assert (outcome(died), died.first, died.failures) == (Outcome.NODE_LOST, True, 1)
    gone = tell(running(), report(1, W.LOST, node_lost=True))
    gone = tell(gone, report(0, W.EXITED, exit_code=143))
    assert gone.state is TaskState.SUSPENDED
    assert outcome(gone) is Outcome.NODE_LOST
    assert not gone.held


def test_a_rank_that_never_comes_up_fails_the_start() -> None:
    task = tell(starting(), report(0, W.READY))
    assert attempt_protocol.settle(task, NOW + 29, TIMING) is None
    change = attempt_protocol.settle(task, NOW + 31, TIMING)
    assert change is not None
    assert change.task.state is TaskState.STOPPING
    assert "rank 1 on node-1 did not come up in 30 s" in change.task.why
    assert attempt_protocol.deadline(task, TIMING) == NOW + 30


def test_no_clock_runs_while_the_server_is_down() -> None:
    up = replace(TIMING, up_since=NOW + 1000)
    assert attempt_protocol.settle(starting(), NOW + 1029, up) is None
    assert attempt_protocol.deadline(starting(), up) == NOW + 1030
    late = attempt_protocol.settle(suspending(), NOW + 1004, up)
    assert late is None
    assert attempt_protocol.deadline(suspending(), up) == NOW + 1005


def test_late_and_repeated_reports_change_nothing() -> None:
    task = running()
    assert attempt_protocol.fold(task, [report(0, W.READY)], NOW, TIMING) is None
    assert attempt_protocol.fold(task, [report(0, W.RUNNING)], NOW, TIMING) is None
    other = replace(report(0, W.EXITED, exit_code=9), attempt=2)
    assert attempt_protocol.fold(task, [other], NOW, TIMING) is None


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(
            [
                (1, report(0, W.RUNNING, acked=True)),
                (1, report(1, W.RUNNING, acked=True)),
                (2, report(1, W.RUNNING, acked=True, saved=True)),
                (3, report(0, W.RUNNING, acked=True, saved=True)),
            ],
            (Outcome.SUSPENDED_CLEAN, 3),
            id="both ranks save",
        ),
        pytest.param(
            [
                (1, report(1, W.RUNNING, acked=True, saved=True)),
                (4, report(0, W.RUNNING, acked=True)),
                (20, report(0, W.RUNNING, acked=True, saved=True)),
            ],
            (Outcome.SUSPENDED_CLEAN, 20),
            id="rank 1 is early: rank 0 gets its time",
        ),
        pytest.param(
            [(1, report(0, W.RUNNING, acked=True, saved=True)), (4.9, None), (5, None)],
            (Outcome.SUSPENDED_CLEAN, 5),
            id="only rank 0 answers, as the original's programs do: the notice time is everybody's",
        ),
        pytest.param(
            [
                (1, report(0, W.RUNNING, acked=True, saved=True)),
                (4, report(1, W.RUNNING, acked=True)),
                (20, report(1, W.RUNNING, acked=True, saved=True)),
            ],
            (Outcome.SUSPENDED_CLEAN, 20),
            id="rank 0 is early: a rank that acknowledges in time gets its grace",
        ),
        pytest.param(
            [(1, report(1, W.RUNNING, acked=True, saved=True)), (5, None)],
            (Outcome.SUSPENDED_CLEAN, 5),
            id="only rank 1 answers: when rank 0's notice time is over",
        ),
        pytest.param(
            [
                (1, report(1, W.RUNNING, acked=True)),
                (2, report(0, W.RUNNING, saved=True)),
                (3, report(1, W.RUNNING, saved=True)),
            ],
            (Outcome.SUSPENDED_CLEAN, 3),
            id="rank 0 heard it from rank 1 and never acknowledged",
        ),
        pytest.param([(4.9, None), (5, None)], (Outcome.SUSPENDED_DIRTY, 5), id="nobody answers"),
        pytest.param(
            [(2, report(0, W.RUNNING, acked=True)), (61, None), (62, None)],
            (Outcome.SUSPENDED_DIRTY, 62),
            id="seen, and not saved in the grace time",
        ),
    ],
)
def test_suspension_is_decided(
    events: list[tuple[float, WorkerReport | None]], expected: tuple[Outcome, float]
) -> None:
    task = suspending()
    decided: tuple[Outcome, float] | None = None
    for after, told in events:
        task = tell(task, *([told] if told else []), now=NOW + after)
        assert task.attempt is not None
        if decided is None and task.attempt.verdict is not None:
            decided = (task.attempt.verdict, after)
    assert decided == expected
    assert attempt_protocol.order_of(task, 1, 0).stop
    task = tell(task, *(report(rank, W.EXITED, exit_code=143) for rank in (0, 1)), now=NOW + 99)
    assert task.state is TaskState.SUSPENDED
    assert outcome(task) is expected[0]
    assert task.suspend_count == 1


def test_a_task_may_ask_for_a_longer_grace_up_to_the_cap() -> None:
    task = tell(suspending(options={"grace_seconds": 500}), report(0, W.RUNNING, acked=True))
    assert attempt_protocol.deadline(task, TIMING) == NOW + 100


@pytest.mark.parametrize(
    ("first", "second", "state", "result"),
    [
        pytest.param(
            report(0, W.EXITED, exit_code=0),
            report(1, W.EXITED, exit_code=0),
            TaskState.SUCCEEDED,
            Outcome.SUCCEEDED,
            id="it was just done",
        ),
        pytest.param(
            report(0, W.EXITED, exit_code=0, acked=True),
            report(1, W.EXITED, exit_code=0, acked=True),
            TaskState.SUSPENDED,
            Outcome.SUSPENDED_CLEAN,
            id="it saw the notice and left by itself",
        ),
        pytest.param(
            report(0, W.EXITED, exit_code=2),
            report(1, W.EXITED, exit_code=143),
            TaskState.FAILED,
            Outcome.FAILED,
            id="it crashed without having seen the notice",
        ),
        pytest.param(
            report(0, W.EXITED, exit_code=2, acked=True),
            report(1, W.EXITED, exit_code=1),
            TaskState.FAILED,
            Outcome.FAILED,
            id="it crashed while saving",
        ),
    ],
)
def test_programs_that_end_during_a_suspension(
    first: WorkerReport, second: WorkerReport, state: TaskState, result: Outcome
) -> None:
    task = tell(tell(suspending(), first), second)
    assert task.state is state
    assert outcome(task) is result


def test_stop_during_a_suspension_wins() -> None:
    change = transitions.stop(suspending(), actor="alice", why="no", now=NOW)
    assert change is not None
    task = tell(change.task, *(report(rank, W.EXITED, exit_code=143) for rank in (0, 1)))
    assert task.state is TaskState.STOPPED


def test_orders_for_workers_that_are_not_wanted() -> None:
    task = running()
    assert attempt_protocol.order_of(task, 2, 0).over
    assert attempt_protocol.order_of(task, 1, 5).over
    done = tell(task, *(report(rank, W.EXITED, exit_code=0) for rank in (0, 1)))
    assert attempt_protocol.order_of(done, 1, 0) == attempt_protocol.Order(stop=True, over=True)


REPORTS = st.builds(
    report,
    st.integers(0, 2),
    st.sampled_from([W.READY, W.RUNNING, W.EXITED, W.LOST]),
    exit_code=st.sampled_from([0, 1, 143]),
    acked=st.booleans(),
    saved=st.booleans(),
    node_lost=st.booleans(),
)
STEPS = st.lists(
    st.tuples(
        st.floats(0, 40), st.one_of(REPORTS, st.sampled_from(["suspend", "hold", "stop", "time"]))
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_any_history_is_legal_and_ends_when_all_workers_have_left(
    steps: list[tuple[float, WorkerReport | str]],
) -> None:
    task, now = starting(3), NOW
    for pause, step in steps:
        now += pause
        before = task
        task = _apply(task, step, now)
        if task.state is not before.state:
            assert _reachable(before.state, task.state)
        if before.state.is_final:
            assert task == before
    for rank in range(3):
        task = tell(task, report(rank, W.EXITED, exit_code=0), now=now)
    if task.state.is_active:
        task = tell(task, now=now + 1000)
    assert not task.state.is_active
    assert outcome(task) is not None


def _apply(task: Task, step: WorkerReport | str, now: float) -> Task:
    if isinstance(step, WorkerReport):
        return tell(task, step, now=now)
    if task.state.is_final or task.state is TaskState.STOPPING or step == "time":
        return tell(task, now=now)
    if step == "stop":
        change = transitions.stop(task, actor="a", why="", now=now)
    else:
        change = transitions.suspend(task, actor="a", why="", hold=step == "hold", now=now)
    return task if change is None else change.task


def _reachable(start: TaskState, end: TaskState) -> bool:
    seen, todo = set(), [start]
    while todo:
        state = todo.pop()
        if state not in seen:
            seen.add(state)
            todo += transitions.TRANSITIONS[state]
    return end in seen


def test_time_is_up_over_all_attempts() -> None:
    task = replace(running(), time_limit_seconds=100.0, ran_seconds=40.0)
    assert attempt_protocol.deadline(task, TIMING) == NOW + 60
    assert attempt_protocol.settle(task, NOW + 59, TIMING) is None
    change = attempt_protocol.settle(task, NOW + 60, TIMING)
    assert change is not None
    attempt = change.task.attempt
    assert attempt is not None
    assert (attempt.verdict, attempt.exit_code) == (Outcome.FAILED, TIME_IS_UP)
    assert change.task.why == "its time limit of 1m40s is over"


def test_a_program_that_ends_in_time_has_ended_by_itself() -> None:
    task = replace(running(1), time_limit_seconds=100.0)
    done = tell(task, report(0, W.EXITED, exit_code=0), now=NOW + 200)
    assert done.state is TaskState.SUCCEEDED


def saved_at(task: Task) -> float | None:
    assert task.attempt is not None
    return task.attempt.saved_at


def test_checkpoints_are_recorded_once_a_minute_and_before_a_suspend() -> None:
    task = running()
    later = NOW + 30
    change = attempt_protocol.fold(
        task,
        [report(0, W.RUNNING, checkpoint=Checkpoint(NOW + 10, 5, "c.npz"))],
        later,
        TIMING,
    )
    assert change is not None
    assert saved_at(change.task) == NOW + 10
    (event,) = change.events
    assert (event.kind, event.data) == (
        "task.checkpoint",
        {"attempt": 1, "step": 5, "path": "c.npz"},
    )
    task = change.task
    for at, now in ((NOW + 10, later), (NOW + 69, NOW + 69), (NOW - 5, NOW + 90)):
        assert (
            attempt_protocol.fold(
                task, [report(0, W.RUNNING, checkpoint=Checkpoint(at))], now, TIMING
            )
            is None
        )
    task = tell(task, report(1, W.RUNNING, checkpoint=Checkpoint(NOW + 999)), now=NOW + 80)
    assert saved_at(task) == NOW + 80  # by the server's clock, whatever the agent's says
    asked = transitions.suspend(task, actor="a", why="w", hold=False, now=NOW + 81)
    assert asked is not None
    told = tell(asked.task, report(0, W.RUNNING, acked=True, saved=True), now=NOW + 82)
    assert saved_at(told) == NOW + 82


def test_a_checkpoint_of_another_life_says_nothing() -> None:
    assert saved_at(tell(running(), report(0, W.RUNNING, checkpoint=Checkpoint(NOW - 1)))) is None
    assert saved_at(tell(starting(), report(0, W.READY, checkpoint=Checkpoint(NOW)))) is None
