"""Active claims as possible victims: holds, costs, and who is chosen."""

from dataclasses import replace

import pytest

from hai.core.plan import Claim
from hai.core.policy import Policy
from hai.core.preemption.victims import (
    ActiveClaims,
    Hold,
    capped_at,
    defended_level,
    lost_since,
    slice_end,
)
from hai.core.types import Priority, TaskId
from tests.unit.core.clusters import active

LOW, NORMAL, ABOVE, HIGH = Priority.LOW, Priority.NORMAL, Priority.ABOVE_NORMAL, Priority.HIGH
POLICY = Policy()
SLICE, CAP = POLICY.slice_seconds, POLICY.lost_work_cap_seconds
NOW = 1_000_000.0


def running(*claims: Claim, now: float = NOW) -> ActiveClaims:
    """All their nodes are healthy, and in one zone."""
    found = ActiveClaims(POLICY)
    for claim in claims:
        found.add(claim, {"": len(claim.holds)}, now)
    return found


def chosen(found: ActiveClaims, level: Priority, needed: int) -> list[int] | None:
    victims = found.victims(level, ("",), needed, lambda claim, level, hold: True)
    return None if victims is None else [int(claim.task_id) for claim in victims]


@pytest.mark.parametrize(
    ("asked", "charged", "level"),
    [
        (NORMAL, NORMAL, NORMAL),
        (NORMAL, ABOVE, NORMAL),  # fallen: it is charged above until it leaves
        (HIGH, NORMAL, NORMAL),  # raised: it has not got it yet
        (Priority.AUTO, LOW, LOW),
    ],
)
def test_defended_level(asked: Priority, charged: Priority, level: Priority) -> None:
    assert defended_level(active(1, ["n0"], asked, charged=charged)) is level


def test_the_slice_of_a_backfill_is_over_at_once() -> None:
    claim = active(1, ["n0"], since=NOW)
    assert slice_end(claim, POLICY) == NOW + SLICE
    assert slice_end(replace(claim, backfill=True), POLICY) == NOW


@pytest.mark.parametrize(("saved_at", "since"), [(None, NOW), (NOW - 5, NOW), (NOW + 5, NOW + 5)])
def test_work_is_lost_since_the_last_checkpoint_of_this_attempt(
    saved_at: float | None, since: float
) -> None:
    assert lost_since(active(1, ["n0"], since=NOW, saved_at=saved_at)) == since


def test_without_a_checkpoint_all_of_the_attempt_is_lost() -> None:
    """Also of one that began when the clock did, as in a simulation."""
    assert lost_since(active(1, ["n0"], since=0.0)) == 0.0


def test_a_claim_is_stale_when_its_slice_ends_and_when_it_is_capped() -> None:
    claim = active(1, ["n0"], since=NOW)
    found = running(claim)
    assert slice_end(claim, POLICY) == NOW + SLICE
    assert capped_at(claim, POLICY) == NOW + CAP
    assert not found.is_stale(claim, NOW + SLICE - 1)
    assert found.is_stale(claim, NOW + SLICE)
    found.remove(claim.task_id)
    found.add(claim, {"": 1}, NOW + SLICE)
    assert found.hold_of(claim, NOW + SLICE) is Hold.EXPIRED
    assert not found.is_stale(claim, NOW + CAP - 1)
    assert found.is_stale(claim, NOW + CAP)


def test_removing_twice_is_harmless() -> None:
    found = running(active(1, ["n0"]))
    found.remove(TaskId(1))
    found.remove(TaskId(1))
    assert len(found) == 0
    assert found.reach(HIGH, ("",)) == 0


def test_reach_counts_lower_levels_whole_and_of_equals_what_may_go() -> None:
    found = running(
        active(1, ["a", "b"], LOW, since=NOW),
        active(2, ["c"], NORMAL, since=NOW),  # safe
        active(3, ["d"], NORMAL, since=NOW - SLICE),
        active(4, ["e"], NORMAL, since=NOW, backfill=True),
        active(5, ["f"], HIGH, since=NOW - SLICE),
    )
    assert found.reach(LOW, ("",)) == 0
    assert found.reach(NORMAL, ("",)) == 4
    assert found.reach(HIGH, ("",)) == 6
    assert found.reach(HIGH, ("elsewhere",)) == 0


def test_the_order_of_victims() -> None:
    found = running(
        active(1, ["a"], NORMAL, since=NOW - SLICE - 100),
        active(2, ["b"], NORMAL, since=NOW, backfill=True),
        active(3, ["c"], LOW, since=NOW - 10),
        active(4, ["d"], LOW, since=NOW - SLICE - 10),
        active(5, ["e"], LOW, since=NOW - 900, backfill=True),
    )
    order = [5, 3, 4, 2, 1]
    for needed in range(1, 6):
        assert sorted(chosen(found, NORMAL, needed) or []) == sorted(order[:needed])
    assert chosen(found, NORMAL, 6) is None


def test_whoever_may_not_be_taken_is_passed_over() -> None:
    found = running(active(1, ["a"], LOW, since=NOW), active(2, ["b"], LOW, since=NOW - 9))
    victims = found.victims(NORMAL, ("",), 1, lambda claim, level, hold: claim.task_id != 1)
    assert [claim.task_id for claim in victims or []] == [2]
    assert found.victims(NORMAL, ("",), 2, lambda claim, level, hold: claim.task_id != 1) is None


def test_victims_give_only_what_lies_in_the_zones_asked_for() -> None:
    found = ActiveClaims(POLICY)
    found.add(active(1, ["e0", "w0"], LOW, since=NOW), {"east": 1, "west": 1}, NOW)
    found.add(active(2, ["w1", "w2"], LOW, since=NOW - 5), {"west": 2}, NOW)
    victims = found.victims(NORMAL, ("east",), 1, lambda claim, level, hold: True)
    assert [claim.task_id for claim in victims or []] == [1]
    assert found.victims(NORMAL, ("east",), 2, lambda claim, level, hold: True) is None


def test_whoever_has_nothing_in_those_zones_stays_however_cheap() -> None:
    found = ActiveClaims(POLICY)
    found.add(active(1, ["w0"], LOW, since=NOW), {"west": 1}, NOW)  # the least lost
    found.add(active(2, ["e0"], LOW, since=NOW - 5), {"east": 1}, NOW)
    victims = found.victims(NORMAL, ("east",), 1, lambda claim, level, hold: True)
    assert [claim.task_id for claim in victims or []] == [2]


@pytest.mark.parametrize(
    ("widths", "needed", "taken"),
    [
        pytest.param([1, 1, 3], 4, [1, 3], id="one of two alike stays, not both: the dearer"),
        pytest.param([1, 1, 3], 3, [3], id="the last gives all that is needed"),
        pytest.param([2, 1, 4], 5, [1, 3], id="of those that may stay the dearest"),
        pytest.param([1, 2, 3], 6, [1, 2, 3], id="all are needed"),
    ],
)
def test_nobody_leaves_who_could_stay(widths: list[int], needed: int, taken: list[int]) -> None:
    """The cheapest first."""
    found = running(
        *(
            active(number, [f"{number}-{rank}" for rank in range(width)], LOW, since=NOW - number)
            for number, width in enumerate(widths, 1)
        )
    )
    assert chosen(found, NORMAL, needed) == taken
