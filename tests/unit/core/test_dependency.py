"""What options.after may say, and what the end of one task means for another."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.core.lifecycle.dependency import After, Dependency, parse_after, release
from hai.core.task import Task
from hai.core.types import TaskId, TaskState
from tests import factories as make

OK, ANY = After.OK, After.ANY
NOW = make.NOW


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (12, [(OK, "12")]),
        ("12,13", [(OK, "12"), (OK, "13")]),
        ("afterok:12:13,afterany:14", [(OK, "12"), (OK, "13"), (ANY, "14")]),
        ([12, "afterany:train.py"], [(OK, "12"), (ANY, "train.py")]),
        ("12,12", [(OK, "12")]),
        ("@last", [(OK, "@last")]),
        ("12_[*]", [(OK, "12_[*]")]),
        ("my:name", [(OK, "my:name")]),
        ([], []),
    ],
)
def test_what_it_may_say(value: object, found: list[tuple[After, str]]) -> None:
    assert parse_after(value) == tuple(Dependency(mode, ref) for mode, ref in found)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("afternotok:1", "'afternotok' is unknown"),
        ("afterok:", "is missing"),
        ("", "is missing"),
        ("1,,2", "is missing"),
        (True, "True names no task"),
        ([None], "None names no task"),
        (list(range(1001)), "more than 1000 tasks"),
    ],
)
def test_what_it_may_not_say(value: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_after(value)


@given(st.lists(st.tuples(st.sampled_from(After), st.integers(1, 10**9)), max_size=20))
def test_what_is_kept_can_be_read_again(wanted: list[tuple[After, int]]) -> None:
    told = tuple(dict.fromkeys(Dependency(mode, str(number)) for mode, number in wanted))
    assert parse_after([str(one) for one in told]) == told


def other(task_id: int, state: TaskState) -> Task:
    return make.task(id=TaskId(task_id), state=state)


def released(task: Task, *others: Task) -> Task:
    change = release(task, {one.id: one for one in others}, NOW)
    assert change is not None
    assert change.events
    return change.task


def test_the_last_dependency_lets_go() -> None:
    task = make.task(waits_ok=(TaskId(1),), waits_any=(TaskId(2),))
    S = TaskState
    assert release(task, {TaskId(1): other(1, S.RUNNING)}, NOW) is None
    half = released(task, other(1, S.SUCCEEDED), other(2, S.RUNNING))
    assert (half.waits_for, half.queued_at, half.state) == ((2,), None, S.QUEUED)
    free = released(half, other(2, S.FAILED))
    assert (free.waits_for, free.queued_at, free.state) == ((), NOW, S.QUEUED)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (TaskState.FAILED, "its dependency task 1 failed"),
        (TaskState.STOPPED, "its dependency task 1 was stopped"),
    ],
)
def test_who_needed_a_success_ends_with_a_failure(state: TaskState, why: str) -> None:
    task = make.task(waits_ok=(TaskId(1),), held=True)
    over = released(task, other(1, state))
    assert (over.state, over.why, over.ended_at) == (TaskState.STOPPED, why, NOW)
    again = replace(task, waits_ok=(), waits_any=(TaskId(1),))
    assert released(again, other(1, state)).state is TaskState.QUEUED
