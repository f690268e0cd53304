"""Which waiting tasks stand in their line, and which stand in none."""

from typing import Any

import pytest

from hai.core.plan import Claim
from hai.core.planner import plan
from hai.core.state import SchedulerState
from hai.core.types import TaskId, WaitCode
from tests.unit.core.clusters import GROUP, nodes, started, state_of, waiting

NOW = 1000.0
ARRAY: dict[str, Any] = {"array": TaskId(1), "array_limit": 1}


def state_with(*claims: Claim) -> SchedulerState:
    return state_of(nodes(8), claims, now=NOW)


def in_line(state: SchedulerState) -> list[int]:
    return sorted(claim.task_id for claim in state.group(GROUP).queue.claims())


def starts(state: SchedulerState) -> list[int]:
    return [start.task_id for start in plan(state, state.now).starts]


def run_first(state: SchedulerState) -> None:
    """The first start of the tick is carried out."""
    start = plan(state, state.now).starts[0]
    claim = state.claims[start.task_id]
    state.put(started(claim, start.nodes, start.priority, state.now))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"held": True}, WaitCode.HELD),
        ({"waits_for": (TaskId(9),)}, WaitCode.DEPENDENCY),
        ({"not_before": NOW + 60}, WaitCode.BACKOFF),
        ({"spot": True}, WaitCode.SPOT),
        ({"held": True, "waits_for": (TaskId(9),), "not_before": NOW + 60}, WaitCode.HELD),
        ({"waits_for": (TaskId(9),), "spot": True}, WaitCode.DEPENDENCY),
        ({"held": True, **ARRAY}, WaitCode.HELD),
        ({"not_before": NOW + 60, **ARRAY}, WaitCode.BACKOFF),
    ],
)
def test_who_stands_in_no_line_until_it_is_changed(fields: dict[str, Any], code: WaitCode) -> None:
    state = state_with(waiting(1, **fields), waiting(2))
    assert state.eligibility.ineligible == {1: code}
    assert in_line(state) == [2]
    assert starts(state) == ([2, 1] if code is WaitCode.SPOT else [2])
    state.put(waiting(1))
    assert state.eligibility.ineligible == {}
    assert in_line(state) == [1, 2]
    assert starts(state) == [1, 2]


@pytest.mark.parametrize(
    "fields", [{"held": True}, {"not_before": NOW + 60, **ARRAY}, {"spot": True}, ARRAY, {}]
)
def test_nothing_is_left_of_whoever_ends(fields: dict[str, Any]) -> None:
    state = state_with(waiting(1, **fields))
    state.remove(TaskId(1), NOW)
    assert state.eligibility.ineligible == {}
    assert in_line(state) == []
    assert not state.has_waiting
    assert not starts(state)


def test_a_spot_task_waits_no_more_once_it_runs() -> None:
    state = state_with(waiting(1, spot=True))
    assert starts(state) == [1]
    run_first(state)
    assert not state.has_waiting
    assert not starts(state)


@pytest.mark.parametrize("not_before", [NOW - 60, NOW])
def test_a_backoff_that_is_over_keeps_nobody_out(not_before: float) -> None:
    state = state_with(waiting(1, not_before=not_before))
    assert in_line(state) == [1]
    assert state.next_due() != not_before


def test_a_backoff_ends_at_its_time_and_not_before() -> None:
    state = state_with(waiting(1, not_before=NOW + 60))
    assert state.next_due() == NOW + 60
    assert not state.advance(NOW + 59)
    assert not starts(state)
    assert state.advance(NOW + 60)
    assert state.eligibility.ineligible == {}
    assert starts(state) == [1]


@pytest.mark.parametrize("fields", [{"held": True}, {"waits_for": (TaskId(9),)}])
def test_nobody_is_woken_for_a_backoff_that_is_not_all_that_it_waits_for(
    fields: dict[str, Any],
) -> None:
    state = state_with(waiting(1, not_before=NOW + 60, **fields))
    assert state.next_due() is None
    assert not state.advance(NOW + 60)
    assert not starts(state)


def test_members_of_an_array_follow_one_another() -> None:
    """One at a time: the next one stands in the line when the one before it has ended."""
    state = state_with(*(waiting(number, **ARRAY) for number in (1, 2, 3)))
    for number, others in ((1, [2, 3]), (2, [3]), (3, [])):
        assert in_line(state) == [number]
        assert state.eligibility.ineligible == dict.fromkeys(others, WaitCode.ARRAY_LIMIT)
        run_first(state)
        assert in_line(state) == []
        assert not starts(state)
        state.remove(TaskId(number), NOW)
    assert not state.has_waiting


def test_a_member_that_is_held_leaves_its_place_to_the_next() -> None:
    state = state_with(*(waiting(number, **ARRAY) for number in (1, 2)))
    state.put(waiting(1, held=True, **ARRAY))
    assert in_line(state) == [2]
    assert state.eligibility.ineligible == {1: WaitCode.HELD}
    state.put(waiting(1, **ARRAY))
    assert in_line(state) == [1]
    assert state.eligibility.ineligible == {2: WaitCode.ARRAY_LIMIT}
