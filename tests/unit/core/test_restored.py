"""Tasks of a backup that ran in the old place."""

from typing import Any

import pytest

from hai.core.lifecycle.restored import WHY, left_behind
from hai.core.task import Task
from hai.core.types import Outcome, TaskState, WorkerState
from tests.factories import NOW, attempt, run_spec, task

S = TaskState


def held_by_workers(state: TaskState, options: dict[str, object] | None = None, **of: Any) -> Task:
    """On two nodes for 100 s, unless told otherwise."""
    tried = attempt("a", "b", **{"started_at": NOW, **of})
    spec = run_spec(options=options or {})
    return task(state=state, attempts=1, attempt=tried, spec=spec, started_at=NOW, nodes=2)


@pytest.mark.parametrize("state", [S.STARTING, S.RUNNING, S.SUSPENDING])
def test_who_ran_goes_to_the_head_of_the_line(state: TaskState) -> None:
    """With the time that it ran, and whatever rule it has for tries."""
    for options in ({}, {"retry": {"max": 1, "on": ["node_lost"]}}, {"retry": 0}):
        change = left_behind(held_by_workers(state, dict(options)), NOW + 100)
        assert change is not None
        after = change.task
        assert (after.state, after.first, after.why, after.failures) == (S.SUSPENDED, True, WHY, 0)
        assert after.ran_seconds == 100
        assert after.attempt is not None
        assert after.attempt.outcome is Outcome.SUSPENDED_DIRTY
        assert {worker.state for worker in after.attempt.workers} == {WorkerState.LOST}
        assert after.attempt.ended_at == NOW + 100
        assert [one.why for one in change.events] == [WHY]
        assert left_behind(after, NOW + 200) is None


def test_who_was_about_to_end_has_ended() -> None:
    for verdict, state in ((Outcome.STOPPED, S.STOPPED), (Outcome.FAILED, S.FAILED)):
        leaving = held_by_workers(S.STOPPING, verdict=verdict, why="because", exit_code=3)
        change = left_behind(leaving, NOW + 1)
        assert change is not None
        assert (change.task.state, change.task.why) == (state, "because")


def test_who_was_held_stays_held_and_a_saved_one_is_clean() -> None:
    from dataclasses import replace

    leaving = held_by_workers(S.SUSPENDING, verdict=Outcome.SUSPENDED_CLEAN, why="asked")
    change = left_behind(replace(leaving, held=True), NOW + 1)
    assert change is not None
    assert change.task.held
    assert change.task.attempt is not None
    assert change.task.attempt.outcome is Outcome.SUSPENDED_CLEAN


@pytest.mark.parametrize("state", [S.QUEUED, S.SUSPENDED, S.SUCCEEDED, S.FAILED, S.STOPPED])
def test_all_others_are_left_alone(state: TaskState) -> None:
    assert left_behind(task(state=state), NOW) is None
    assert left_behind(held_by_workers(state, outcome=Outcome.SUSPENDED_CLEAN), NOW) is None
