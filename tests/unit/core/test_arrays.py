"""ArrayLimits with a limit: who may stand in the line, whatever the order of changes."""

import pickle
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hai.core.plan import Claim
from hai.core.queue.arrays import ArrayLimits, is_limited
from hai.core.types import TaskId
from tests.unit.core.clusters import waiting

ARRAY = TaskId(1)


def member(task_id: int, limit: int = 2, **fields: float) -> Claim:
    return replace(waiting(task_id, **fields), array=ARRAY, array_limit=limit)  # type: ignore[arg-type]


def ids(claims: list[Claim]) -> list[int]:
    return [int(claim.task_id) for claim in claims]


@pytest.mark.parametrize(
    ("claim", "limited"),
    [(member(1), True), (member(1, 0), False), (replace(waiting(1), array_limit=3), False)],
)
def test_which_claims_are_limited(claim: Claim, limited: bool) -> None:
    assert is_limited(claim) is limited


def test_the_first_in_line_go_and_others_follow_as_room_comes() -> None:
    arrays = ArrayLimits()
    claims = [member(number) for number in range(1, 5)]
    for claim in claims:
        arrays.join(claim)
    assert [ids(side) for side in arrays.sort(claims[0])] == [[1, 2], []]
    arrays.leave(claims[0])
    arrays.activate(claims[0])
    assert [ids(side) for side in arrays.sort(claims[0])] == [[], []]
    arrays.deactivate(claims[0])
    assert [ids(side) for side in arrays.sort(claims[0])] == [[3], []]


def test_who_comes_back_in_front_takes_the_place_of_the_last() -> None:
    arrays = ArrayLimits()
    for number in (2, 3):
        arrays.join(member(number))
    arrays.sort(member(2))
    arrays.join(member(1))
    assert [ids(side) for side in arrays.sort(member(1))] == [[1], [3]]


def test_a_limit_may_change_with_its_members() -> None:
    arrays = ArrayLimits()
    for number in (1, 2, 3):
        arrays.join(member(number))
    arrays.sort(member(1))
    assert [ids(side) for side in arrays.sort(member(1, 3))] == [[3], []]
    assert [ids(side) for side in arrays.sort(member(1, 1))] == [[], [2, 3]]


def test_an_array_of_nobody_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="task 7 is in no array"):
        ArrayLimits().join(waiting(7))


def test_nothing_is_kept_of_arrays_that_have_ended() -> None:
    arrays = ArrayLimits()
    for number in range(1, 4):
        claim = replace(member(1), array=TaskId(number))
        arrays.join(claim)
        arrays.sort(claim)
        arrays.leave(claim)
        arrays.activate(claim)
        arrays.sort(claim)
        arrays.deactivate(claim)
        assert arrays.sort(claim) == ([], [])
    assert pickle.dumps(arrays) == pickle.dumps(ArrayLimits())


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 4), st.lists(st.integers(1, 8), max_size=30))
def test_never_more_go_than_the_limit_leaves_room_for(limit: int, steps: list[int]) -> None:
    """A step lets a waiting member run, or an active one end, or a new one join."""
    arrays = ArrayLimits()
    lined: set[int] = set()
    waits: set[int] = set()
    active: set[int] = set()
    for number in steps:
        claim = member(number, limit)
        if number in active:
            arrays.deactivate(claim)
            active.discard(number)
        elif number in lined:
            arrays.leave(claim)
            arrays.activate(claim)
            waits.discard(number)
            active.add(number)
        elif number not in waits:
            arrays.join(claim)
            waits.add(number)
        lined -= active
        go, wait = arrays.sort(claim)
        lined = (lined | set(ids(go))) - set(ids(wait))
        room = max(0, limit - len(active))
        assert lined == set(sorted(waits)[:room])
