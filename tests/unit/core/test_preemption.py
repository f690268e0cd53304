from dataclasses import replace

import pytest

from hai.core.plan import Claim
from hai.core.preemption import Victims, charged_level
from hai.core.quota import Ledger, Quota, QuotaTable
from hai.core.types import Priority, UserName
from tests.unit.core.clusters import AMPLE, GROUP, active

LOW, UNDER, NORMAL, HIGH = Priority.LOW, Priority.UNDER_NORMAL, Priority.NORMAL, Priority.HIGH


def victims(*claims: Claim, quotas: tuple[Quota, ...] = AMPLE) -> Victims:
    ledger = Ledger(QuotaTable.of(quotas))
    for claim in claims:
        ledger.account(claim.user, claim.group).used[charged_level(claim)] += len(claim.holds)
    return Victims(claims, {claim.task_id: claim.holds for claim in claims}, ledger, 1000.0)


def width(task_id: int, count: int, priority: Priority = LOW, *, since: float = 0.0) -> Claim:
    return active(task_id, [f"t{task_id}.{rank}" for rank in range(count)], priority, since=since)


@pytest.mark.parametrize(
    ("claims", "needed", "taken"),
    [
        pytest.param([width(1, 1, NORMAL), width(2, 1, LOW)], 1, [2], id="lowest level"),
        pytest.param([width(1, 1, since=5), width(2, 1, since=9)], 1, [2], id="least time run"),
        pytest.param([width(1, 2), width(2, 1)], 1, [2], id="fewest nodes"),
        pytest.param([width(1, 1), width(2, 1)], 1, [2], id="highest id"),
        pytest.param([width(1, 1), width(2, 1), width(3, 1)], 2, [3, 2], id="as many as needed"),
        pytest.param(
            [width(1, 1, since=9), width(2, 1, since=8), width(3, 4, since=7)],
            4,
            [3],
            id="unnecessary ones stay",
        ),
        pytest.param([width(1, 1)], 0, [], id="none needed"),
        pytest.param([width(1, 1), width(2, 1, HIGH)], 1, [1], id="never a better one"),
    ],
)
def test_choice(claims: list[Claim], needed: int, taken: list[int]) -> None:
    chosen = victims(*claims).take(HIGH, needed)
    assert [int(claim.task_id) for claim in chosen] == taken


def test_a_victim_is_offered_once() -> None:
    offered = victims(width(1, 1), width(2, 2), width(3, 1, NORMAL))
    assert offered.nodes_below(HIGH) == 4
    assert offered.nodes_below(NORMAL) == 3
    assert offered.nodes_below(LOW) == 0
    assert [claim.task_id for claim in offered.take(HIGH, 1)] == [1]
    assert offered.nodes_below(HIGH) == 3
    assert [claim.task_id for claim in offered.take(HIGH, 3)] == [2, 3]
    assert offered.nodes_below(HIGH) == 0


def test_a_start_without_a_time_has_lost_nothing_yet() -> None:
    timed = active(1, ["a"], LOW, since=999.0)
    untimed = replace(active(2, ["b"], LOW), since=None)
    assert victims(timed, untimed).take(HIGH, 1) == [untimed]


def test_room_given_back_raises_the_users_other_tasks() -> None:
    """Task 1 holds the HIGH room of its user; once it leaves, AUTO task 2 would come back there.
    The others stay where they are: one has no such wish, one another user."""
    bob = UserName("bob")
    offered = victims(
        active(1, ["a", "b", "c", "d"], HIGH),
        active(2, ["e"], Priority.AUTO, charged=LOW),
        active(3, ["f"], LOW),
        active(4, ["g"], Priority.AUTO, user="eve", charged=LOW),
        quotas=(Quota(bob, GROUP, HIGH, 4), Quota(bob, GROUP, LOW, 9)),
    )
    assert offered.nodes_below(NORMAL) == 3
    assert [claim.task_id for claim in offered.take(Priority.EXTREME_HIGH, 4)] == [1]
    assert offered.nodes_below(NORMAL) == 2
    assert offered.nodes_below(Priority.VERY_HIGH) == 3


@pytest.mark.parametrize(
    ("priority", "charged", "level"),
    [
        pytest.param(HIGH, UNDER, UNDER, id="as charged"),
        pytest.param(Priority.AUTO, NORMAL, NORMAL, id="auto as charged"),
        pytest.param(Priority.AUTO, Priority.AUTO, LOW, id="never AUTO itself"),
    ],
)
def test_charged_level(priority: Priority, charged: Priority, level: Priority) -> None:
    assert charged_level(active(1, ["a"], priority, charged=charged)) is level
