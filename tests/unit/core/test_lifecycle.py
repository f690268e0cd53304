"""Which verbs are legal in which state, and what they leave behind."""

from dataclasses import replace

import pytest

from hai.core.lifecycle import transitions
from hai.core.lifecycle.claim_updates import back_in_line
from hai.core.lifecycle.losses import MOST_LOSSES, NODE_LOST
from hai.core.plan import Demotion, Start
from hai.core.task import Task, TaskChange
from hai.core.types import (
    NodeName,
    Outcome,
    Priority,
    TaskId,
    TaskState,
    WorkerState,
)
from hai.errors import Conflict
from hai.wording.refusals import require_time_left
from tests.unit.core.attempts import NOW, queued, starting
from tests.unit.core.clusters import active


def in_state(state: TaskState) -> Task:
    if state is TaskState.QUEUED:
        return queued()
    return replace(starting(), state=state)


def the(change: TaskChange | None) -> TaskChange:
    assert change is not None
    return change


def test_begin_makes_the_next_attempt_with_one_worker_per_node() -> None:
    task = starting(3)
    assert task.state is TaskState.STARTING
    assert task.attempts == 1
    assert task.attempt is not None
    assert [(w.rank, w.node) for w in task.attempt.workers] == [
        (0, "node-0"),
        (1, "node-1"),
        (2, "node-2"),
    ]


@pytest.mark.parametrize("state", list(TaskState))
def test_every_move_is_in_the_table_or_a_conflict(state: TaskState) -> None:
    task = in_state(state)
    for to in TaskState:
        if to in transitions.TRANSITIONS[state]:
            assert transitions.move(task, to).state is to
        else:
            with pytest.raises(Conflict):
                transitions.move(task, to)


def test_final_states_lead_nowhere_and_every_outcome_has_a_state() -> None:
    for state in TaskState:
        assert (not transitions.TRANSITIONS[state]) == state.is_final
    assert set(transitions.FINAL_OF) == set(Outcome)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(TaskState.QUEUED, TaskState.STOPPED, id="waiting ends at once"),
        pytest.param(TaskState.SUSPENDED, TaskState.STOPPED, id="suspended ends at once"),
        pytest.param(TaskState.STARTING, TaskState.STOPPING, id="starting leaves first"),
        pytest.param(TaskState.RUNNING, TaskState.STOPPING, id="running leaves first"),
        pytest.param(TaskState.SUSPENDING, TaskState.STOPPING, id="stop beats suspend"),
    ],
)
def test_stop(state: TaskState, expected: TaskState) -> None:
    change = the(transitions.stop(in_state(state), actor="alice", why="enough", now=NOW))
    assert change.task.state is expected
    assert change.task.why == "enough"
    assert change.events[0].kind == f"task.{expected}"
    if expected is TaskState.STOPPING:
        assert change.task.attempt is not None
        assert change.task.attempt.verdict is Outcome.STOPPED
        assert change.task.attempt.terminate_at == NOW


@pytest.mark.parametrize("state", [s for s in TaskState if s.is_final])
def test_an_ended_task_can_not_be_changed(state: TaskState) -> None:
    task = in_state(state)
    with pytest.raises(Conflict):
        transitions.stop(task, actor="a", why="", now=NOW)
    with pytest.raises(Conflict):
        transitions.suspend(task, actor="a", why="", hold=True, now=NOW)
    with pytest.raises(Conflict):
        transitions.resume(task, actor="a", why="", now=NOW)
    with pytest.raises(Conflict):
        transitions.set_priority(task, Priority.HIGH, actor="a", now=NOW)


def test_stopping_twice_changes_nothing() -> None:
    once = the(transitions.stop(in_state(TaskState.RUNNING), actor="a", why="x", now=NOW)).task
    assert transitions.stop(once, actor="b", why="y", now=NOW + 1) is None


def test_a_waiting_task_that_is_held_and_resumed_stands_in_line_as_before() -> None:
    held = the(transitions.suspend(queued(), actor="a", why="later", hold=True, now=NOW)).task
    assert (held.state, held.held) == (TaskState.SUSPENDED, True)
    assert transitions.suspend(held, actor="a", why="", hold=True, now=NOW) is None
    back = the(transitions.resume(held, actor="a", why="", now=NOW)).task
    assert (back.state, back.held) == (TaskState.QUEUED, False)
    assert back.submitted_at == queued().submitted_at
    assert transitions.resume(back, actor="a", why="", now=NOW) is None


def test_the_planner_does_not_suspend_what_waits() -> None:
    assert transitions.suspend(queued(), actor="scheduler", why="", hold=False, now=NOW) is None


def test_suspending_a_task_whose_program_has_not_started_stops_its_workers_at_once() -> None:
    change = the(transitions.suspend(starting(), actor="s", why="w", hold=False, now=NOW))
    attempt = change.task.attempt
    assert attempt is not None
    assert attempt.terminate_at == NOW
    assert attempt.verdict is Outcome.SUSPENDED_CLEAN


def test_a_hold_during_a_suspension_sticks() -> None:
    running = in_state(TaskState.RUNNING)
    leaving = the(transitions.suspend(running, actor="s", why="w", hold=False, now=NOW)).task
    held = the(transitions.suspend(leaving, actor="alice", why="h", hold=True, now=NOW)).task
    assert held.held
    done = transitions.finish(held, Outcome.SUSPENDED_CLEAN, NOW + 1).task
    assert (done.state, done.held, done.suspend_count) == (TaskState.SUSPENDED, True, 1)


def test_finish_keeps_the_exit_code_of_a_failure() -> None:
    failed = transitions.condemn(
        in_state(TaskState.RUNNING), Outcome.FAILED, why="rank 1", now=NOW, exit_code=3
    )
    done = transitions.finish(failed, Outcome.FAILED, NOW + 1).task
    assert (done.state, done.exit_code, done.why) == (TaskState.FAILED, 3, "rank 1")
    assert done.ended_at == NOW + 1


def test_demotion_changes_the_wish_for_good_and_no_charge() -> None:
    """The user's quota at the lower level may be in use."""
    running = in_state(TaskState.RUNNING)
    assert running.attempt is not None
    charged = replace(running.attempt, priority=Priority.ABOVE_NORMAL)
    running = replace(running, priority=Priority.ABOVE_NORMAL, attempt=charged)
    fallen = Demotion(running.id, Priority.NORMAL)
    lower = the(transitions.demote(running, fallen, NOW)).task
    assert lower.priority is Priority.NORMAL
    assert lower.attempt == running.attempt
    assert transitions.demote(lower, fallen, NOW) is None


def test_who_waits_is_demoted_too_and_who_leaves_is_not() -> None:
    waiting = replace(queued(), priority=Priority.ABOVE_NORMAL)
    fallen = Demotion(waiting.id, Priority.NORMAL)
    assert the(transitions.demote(waiting, fallen, NOW)).task.priority is Priority.NORMAL
    for state in (TaskState.SUSPENDING, TaskState.SUCCEEDED):
        other = replace(in_state(state), priority=Priority.ABOVE_NORMAL)
        assert transitions.demote(other, fallen, NOW) is None


def test_nobody_is_raised_to_where_it_has_had_its_time() -> None:
    spent = replace(queued(), ran_seconds=1800.0)
    with pytest.raises(Conflict, match=r"has run for 30 min: ABOVE_NORMAL is for a task's first"):
        require_time_left(spent, Priority.ABOVE_NORMAL, 1800.0, NOW)
    require_time_left(spent, Priority.HIGH, 1800.0, NOW)
    require_time_left(spent, Priority.ABOVE_NORMAL, 0.0, NOW)
    require_time_left(replace(spent, ran_seconds=1799.0), Priority.ABOVE_NORMAL, 1800.0, NOW)


def test_a_rank_changes_only_when_it_differs() -> None:
    task = queued()
    change = the(transitions.set_rank(task, -1.5, actor="alice", now=NOW))
    assert change.task == replace(task, custom_rank=-1.5)
    assert [(one.kind, one.data) for one in change.events] == [
        ("task.rank", {"from": 0.0, "to": -1.5})
    ]
    assert transitions.set_rank(change.task, -1.5, actor="alice", now=NOW) is None
    with pytest.raises(Conflict):
        transitions.set_rank(in_state(TaskState.FAILED), 1.0, actor="alice", now=NOW)


def test_whole_life_state_and_priority_change_only_when_they_differ() -> None:
    task = queued()
    assert transitions.set_whole_life_state(task, 0) is None
    change = the(transitions.set_whole_life_state(task, 5))
    assert change.task.whole_life_state == 5
    assert not change.events  # a program may say it at every step
    assert transitions.set_priority(task, Priority.NORMAL, actor="a", now=NOW) is None
    raised = the(transitions.set_priority(task, Priority.HIGH, actor="a", now=NOW))
    assert raised.task.priority is Priority.HIGH
    assert raised.events[0].data == {"from": "NORMAL", "to": "HIGH"}


def left(
    task: Task, outcome: Outcome, *, now: float = NOW + 100, code: int | None = None
) -> TaskChange:
    """The end of an attempt that ran for 90 seconds."""
    assert task.attempt is not None
    attempt = replace(task.attempt, started_at=now - 90, exit_code=code)
    return transitions.finish(
        replace(task, state=TaskState.STOPPING, attempt=attempt), outcome, now
    )


def kinds(change: TaskChange) -> list[str]:
    return [event.kind for event in change.events]


def test_an_attempt_knows_whether_it_is_backfill_and_for_whom_it_leaves() -> None:
    start = Start(TaskId(7), (NodeName("a"), NodeName("b")), Priority.NORMAL, backfill=True)
    begun = transitions.begin(replace(queued(), first=True, not_before=NOW), start, NOW).task
    assert begun.attempt is not None
    assert begun.attempt.backfill
    assert (begun.first, begun.not_before) == (False, None)
    asked = the(
        transitions.suspend(
            begun, actor="scheduler", why="w", hold=False, now=NOW, for_task=TaskId(9)
        )
    )
    assert asked.task.attempt is not None
    assert asked.task.attempt.for_task == 9
    assert asked.events[0].data == {"for_task": 9}


@pytest.mark.parametrize("changes", [{"waits_ok": (TaskId(1),)}, {"not_before": NOW + 1}])
def test_who_has_to_wait_does_not_begin(changes: dict[str, object]) -> None:
    waiting = replace(queued(), **changes)  # type: ignore[arg-type]
    start = Start(TaskId(7), (NodeName("a"), NodeName("b")), Priority.NORMAL)
    with pytest.raises(Conflict):
        transitions.begin(waiting, start, NOW)


def test_running_time_adds_up_and_a_line_is_joined_anew() -> None:
    task = left(replace(starting(), ran_seconds=10.0), Outcome.SUSPENDED_CLEAN).task
    assert (task.ran_seconds, task.queued_at, task.first) == (100.0, NOW + 100, False)
    assert task.ran(NOW + 1000) == 100.0
    assert task.suspend_count == 1


@pytest.mark.parametrize("since", [None, NOW - 500])
def test_after_a_backfill_run_a_task_is_where_it_was(since: float | None) -> None:
    """In the platform's books and in the planner's alike."""
    task = replace(starting(), queued_at=since)
    assert task.attempt is not None
    task = replace(task, attempt=replace(task.attempt, backfill=True))
    assert left(task, Outcome.SUSPENDED_CLEAN).task.queued_at == since
    claim = active(7, ["a"], queued_at=since, backfill=True)
    assert back_in_line(claim, NOW).queued_at == since
    assert back_in_line(replace(claim, backfill=False), NOW).queued_at == NOW


def test_a_lost_node_sends_the_task_to_the_head_of_its_line() -> None:
    change = left(starting(), Outcome.NODE_LOST)
    assert (change.task.state, change.task.first) == (TaskState.SUSPENDED, True)
    assert (change.task.queued_at, change.task.failures) == (NOW + 100, 0)
    assert kinds(change) == ["task.suspended"]


def with_retry(**rule: object) -> Task:
    return replace(starting(), spec={"options": {"retry": rule}})


def test_a_failure_that_its_rule_names_is_tried_again_later() -> None:
    change = left(with_retry(max=2, on=[75]), Outcome.FAILED, code=75)
    task = change.task
    assert (task.state, task.failures, task.not_before) == (TaskState.SUSPENDED, 1, NOW + 110)
    assert (task.queued_at, task.first, task.exit_code) == (NOW + 100, False, None)
    assert kinds(change) == ["task.suspended", "task.retry"]
    assert change.events[1].data == {"rule": "exit code 75", "try": 1, "max": 2}


def test_other_failures_and_the_last_one_are_the_end() -> None:
    for task, code in (
        (with_retry(max=2, on=[75]), 1),
        (replace(with_retry(max=2, on=[75]), failures=2), 75),
        (replace(with_retry(max=2), time_limit_seconds=90.0), 124),
        (starting(), 75),
    ):
        change = left(task, Outcome.FAILED, code=code)
        assert (change.task.state, change.task.exit_code) == (TaskState.FAILED, code)
        assert kinds(change) == ["task.failed"]


def test_a_rule_decides_about_lost_nodes_too() -> None:
    again = left(with_retry(max=1), Outcome.NODE_LOST)
    assert (again.task.first, again.task.not_before, again.task.failures) == (True, None, 1)
    assert kinds(again) == ["task.suspended", "task.retry"]
    over = left(with_retry(max=1, on=[75]), Outcome.NODE_LOST)
    assert (over.task.state, over.task.exit_code) == (TaskState.FAILED, 1)


def losing(task: Task, detail: str, *, started: bool = True) -> Task:
    """With a worker that was lost, as `left` will find it."""
    attempt = task.attempt
    assert attempt is not None
    workers = (
        replace(attempt.workers[0], state=WorkerState.LOST, detail=detail),
        *attempt.workers[1:],
    )
    attempt = replace(attempt, workers=workers, why=f"rank 0: {detail}")
    return replace(task, attempt=attempt if started else replace(attempt, started_at=None))


AGENT_DIED = "the agent was killed by signal 9"


def test_a_lost_agent_sends_the_task_to_the_head_of_its_line_so_often() -> None:
    task = losing(starting(), AGENT_DIED)
    change = left(task, Outcome.NODE_LOST)
    assert (change.task.state, change.task.first) == (TaskState.SUSPENDED, True)
    assert (change.task.failures, change.task.not_before) == (1, None)
    assert change.events[1].data == {"rule": "node_lost", "try": 1, "max": MOST_LOSSES}
    over = left(replace(task, failures=MOST_LOSSES), Outcome.NODE_LOST).task
    assert (over.state, over.exit_code) == (TaskState.FAILED, 1)
    assert over.why == f"rank 0: {AGENT_DIED}; it is not tried again after 10 failed tries"


def test_a_lost_machine_is_counted_by_nobody_but_the_rule_of_the_task() -> None:
    task = replace(losing(starting(), NODE_LOST), failures=MOST_LOSSES)
    assert left(task, Outcome.NODE_LOST).task.state is TaskState.SUSPENDED
    ruled = replace(losing(with_retry(max=1), NODE_LOST), failures=1)
    assert left(ruled, Outcome.NODE_LOST).task.state is TaskState.FAILED


def test_the_rule_of_the_task_bounds_its_lost_agents() -> None:
    for rule, failures, state in (
        ({"max": 2, "on": ["node_lost"]}, 1, TaskState.SUSPENDED),
        ({"max": 2, "on": ["node_lost"]}, 2, TaskState.FAILED),
        ({"max": 20}, MOST_LOSSES, TaskState.SUSPENDED),
        ({"max": 2, "on": [75]}, 0, TaskState.FAILED),
    ):
        task = replace(losing(with_retry(**rule), AGENT_DIED), failures=failures)
        assert left(task, Outcome.NODE_LOST).task.state is state


@pytest.mark.parametrize("rule", [None, {"max": 1}, {"max": 1, "on": [75]}])
@pytest.mark.parametrize("was_started", [True, False])
def test_a_program_that_could_not_be_started_is_put_off(
    rule: dict[str, object] | None, was_started: bool
) -> None:
    """Its rank could not, or the gang never went: no try was made, so none is counted."""
    task = starting() if rule is None else with_retry(**rule)
    task = losing(task, "not started: No space left on device", started=was_started)
    for failures in (0, 1, MOST_LOSSES):
        change = left(replace(task, failures=failures), Outcome.NODE_LOST)
        back = change.task
        assert (back.state, back.first, back.failures) == (TaskState.SUSPENDED, True, failures)
        assert (back.not_before, back.suspend_count) == (NOW + 110, 0)
        assert kinds(change) == ["task.suspended"]


def test_a_stop_is_final_even_between_failure_and_retry() -> None:
    failing = transitions.condemn(
        replace(with_retry(max=5), state=TaskState.RUNNING),
        Outcome.FAILED,
        why="exited with code 1",
        now=NOW,
        exit_code=1,
    )
    stopped = the(transitions.stop(failing, actor="alice", why="enough", now=NOW))
    assert stopped.task.attempt is not None
    assert stopped.task.attempt.verdict is Outcome.STOPPED
    final = replace(failing, spec={})
    assert transitions.stop(final, actor="alice", why="enough", now=NOW) is None


def test_nobody_is_demoted_upwards() -> None:
    running = in_state(TaskState.RUNNING)
    assert transitions.demote(running, Demotion(running.id, Priority.HIGH), NOW) is None
