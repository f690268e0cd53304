"""Gangs and their shadow, victims, promises and lines."""

import pytest

from hai.core.plan import Claim, Suspend
from hai.core.planner import plan
from hai.core.policy import HOUR
from hai.core.quota import EVERYONE, Quota
from hai.core.reasons.codec import evidence
from hai.core.types import Priority, TaskId, TaskState, UserName, WaitCode
from tests.unit.core.clusters import (
    GROUP,
    SimulatedCluster,
    active,
    node,
    nodes,
    state_of,
    waiting,
)
from tests.unit.core.sharing import (
    HIGH,
    LOW,
    NORMAL,
    NOW,
    SLICE,
    backfilled,
    decide,
    fresh,
    ran,
    started,
    victims,
)


def test_others_run_in_the_shadow_of_a_gang_and_yield_when_it_fits() -> None:
    cluster = SimulatedCluster(
        state_of(
            nodes(4),
            [
                active(1, ["n0", "n1"], user="bob", **ran(0)),
                fresh(2, 4, user="ada", submitted_at=NOW - 50),
                fresh(3, 2, user="eve", submitted_at=NOW - 40),
            ],
            now=NOW,
        ),
        NOW,
    )
    first = cluster.tick()
    assert backfilled(first) == [3]
    assert first.reasons[TaskId(2)].code is WaitCode.NO_FREE_NODES
    assert not cluster.tick().decides  # the gang does not fit yet: nobody is disturbed
    cluster.finish(TaskId(1))
    assert cluster.tick().suspends == (Suspend(TaskId(3), TaskId(2)),)
    cluster.leave(TaskId(3))
    assert started(cluster.tick()) == [2]


@pytest.mark.parametrize(("limit", "filled"), [(4, [4]), (5, [3, 4])])
def test_the_shadow_leaves_a_gang_the_quota_that_it_needs(limit: int, filled: list[int]) -> None:
    """Its user's own tasks would take its place in the line with the quota, and then its nodes. (A
    quota as wide as the group would be no limit.)"""
    quotas = [
        Quota(EVERYONE, GROUP, NORMAL, 5),
        Quota(UserName("ada"), GROUP, NORMAL, limit),
    ]
    claims = [
        active(1, ["n0"], user="bob", **ran(0)),
        fresh(2, 4, user="ada", submitted_at=NOW - 50),
        fresh(3, 1, user="ada", submitted_at=NOW - 40),
        fresh(4, 1, user="eve", submitted_at=NOW - 30),
    ]
    cluster = SimulatedCluster(
        state_of((*nodes(4), node("n4", ready=False)), claims, quotas, now=NOW), NOW
    )
    assert sorted(backfilled(cluster.tick())) == filled
    again = cluster.tick()
    assert not again.decides
    assert again.reasons[TaskId(2)].code is WaitCode.NO_FREE_NODES


@pytest.mark.parametrize(("user", "fills"), [("ada", False), ("eve", True)])
def test_low_tasks_of_its_user_do_not_cost_a_gang_its_turn(user: str, *, fills: bool) -> None:
    """Else it would be bob's turn, and his gang fits by kim's node and the one just given."""
    claims = [
        active(1, ["n0"], user="uma", **ran(0)),
        active(2, ["n1"], user="kim", **ran(2 * SLICE)),
        fresh(3, 3, user="ada", submitted_at=NOW - 50),
        fresh(4, 2, user="bob", submitted_at=NOW - 40),
        fresh(5, 1, LOW, user=user, submitted_at=NOW - 30),
    ]
    cluster = SimulatedCluster(state_of(nodes(3), claims, now=NOW), NOW)
    decided = cluster.tick()
    assert started(decided) == ([5] if fills else [])
    assert not cluster.tick().decides
    if not fills:
        told = evidence(decided.reasons[TaskId(5)])
        assert (told["head"], told["spares"]) == (3, "turn")


def test_low_tasks_of_its_user_do_not_end_a_gangs_patience() -> None:
    """Ada has used more than bob, and comes first because of her long wait alone."""
    claims = [
        active(1, ["n0"], user="uma", **ran(0)),
        active(2, ["n1"], user="ada", **ran(2 * SLICE)),
        active(6, ["n2"], user="kim", **ran(2 * SLICE)),
        fresh(3, 3, user="ada", submitted_at=NOW - SLICE),
        fresh(4, 2, user="bob", submitted_at=NOW - 40),
        fresh(5, 1, LOW, user="ada", submitted_at=NOW - 30),
    ]
    decided = decide(nodes(4), claims)
    assert not decided.decides
    assert evidence(decided.reasons[TaskId(5)])["spares"] == "turn"


def test_backfill_yields_although_it_has_just_begun() -> None:
    claims = [
        active(1, ["n0"], user="eve", backfill=True, **ran(1)),
        fresh(2, 2, user="ada"),
    ]
    assert victims(decide(nodes(2), claims)) == [1]


def test_a_task_that_was_suspended_lately_fills_a_gap_too() -> None:
    head = fresh(2, 2, user="ada", submitted_at=NOW - 50)
    holder = active(1, ["n0"], user="bob", **ran(0))
    lately = fresh(
        3, 1, user="eve", state=TaskState.SUSPENDED, suspended_at=NOW - 1, queued_at=NOW - 1
    )
    assert backfilled(decide(nodes(2), [holder, head, lately])) == [3]


def test_nobody_is_suspended_twice_within_a_slice_by_equals() -> None:
    for ago, leave in ((SLICE - 1, []), (SLICE, [1])):
        lately = active(1, ["n0"], user="eve", backfill=True, suspended_at=NOW - ago, **ran(1))
        assert victims(decide(nodes(2), [lately, fresh(2, 2, user="ada")])) == leave


def test_a_higher_priority_does_not_wait_for_that() -> None:
    lately = active(1, ["n0"], LOW, user="eve", backfill=True, suspended_at=NOW - 1, **ran(1))
    assert victims(decide(nodes(2), [lately, fresh(2, 2, user="ada")])) == [1]


def test_the_gang_does_not_wait_for_narrow_tasks_that_come_later() -> None:
    """Without reservation a stream of narrow tasks would keep the gang out for ever."""
    cluster = SimulatedCluster(
        state_of(nodes(2), [active(1, ["n0"], user="bob", **ran(0))], now=NOW), NOW
    )
    cluster.change(fresh(2, 2, user="ada"))
    for number in range(3, 8):
        cluster.change(fresh(number, 1, user=f"u{number}", submitted_at=NOW))
        cluster.tick(60.0)
    cluster.finish(TaskId(1))
    cluster.settle()
    assert cluster.state.claims[TaskId(2)].state is TaskState.RUNNING


def test_a_gang_that_tasks_which_would_come_back_above_keep_out_holds_up_nobody() -> None:
    """Ada has room at HIGH meanwhile, so that her task is not asked; kim's turn comes all the
    same."""
    quotas = [Quota(EVERYONE, GROUP, NORMAL, 9), Quota(UserName("ada"), GROUP, HIGH, 1)]
    auto = active(1, ["n0"], Priority.AUTO, user="ada", charged=NORMAL, **ran(SLICE))
    equal = active(2, ["n1"], user="eve", **ran(SLICE))
    gang = fresh(3, 2, user="bob", submitted_at=NOW - 50)
    narrow = fresh(4, 1, user="kim", submitted_at=NOW - 40)
    decided = plan(state_of(nodes(2), [auto, equal, gang, narrow], quotas, now=NOW), NOW)
    assert decided.suspends == (Suspend(TaskId(2), TaskId(4)),)
    assert evidence(decided.reasons[TaskId(3)])["kept_out_by"] == "higher"
    state = state_of(nodes(2), [auto, equal, gang, narrow], quotas[:1], now=NOW)
    assert decided.reasons[TaskId(3)] != plan(state, NOW).reasons[TaskId(3)]
    own = fresh(3, 2, user="ada", submitted_at=NOW - 2 * SLICE)  # her task is counted once
    third = active(5, ["n2"], **ran(SLICE))
    state = state_of(nodes(3), [auto, equal, third, own], quotas, now=NOW)
    assert set(victims(plan(state, NOW))) == {2, 5}


# victims


@pytest.mark.parametrize(
    ("claims", "taken"),
    [
        pytest.param(
            [
                active(1, ["n0"], LOW, **ran(HOUR)),
                active(2, ["n1"], LOW, saved_at=NOW - 60, **ran(2 * HOUR)),
            ],
            2,
            id="saved a minute ago",
        ),
        pytest.param(
            [active(1, ["n0"], LOW, **ran(HOUR)), active(2, ["n1"], LOW, **ran(600))],
            2,
            id="least lost",
        ),
        pytest.param(
            [active(1, ["n0"], LOW, **ran(600)), active(2, ["n1"], NORMAL, **ran(1))],
            1,
            id="lower level first",
        ),
        pytest.param(
            [active(1, ["n0", "n1"], LOW, **ran(600)), active(2, ["n2"], LOW, **ran(600))],
            2,
            id="fewest nodes",
        ),
        pytest.param(
            [active(1, ["n0"], LOW, **ran(600)), active(2, ["n1"], LOW, **ran(600))],
            2,
            id="newest",
        ),
        pytest.param(
            [active(1, ["n0"], LOW, **ran(5 * HOUR)), active(2, ["n1"], LOW, **ran(90 * HOUR))],
            2,
            id="beyond the cap all are alike: newest",
        ),
        pytest.param(
            [active(1, ["n0"], LOW, backfill=True, **ran(HOUR)), active(2, ["n1"], LOW, **ran(1))],
            1,
            id="backfill before all",
        ),
    ],
)
def test_the_cheapest_victim_goes(claims: list[Claim], taken: int) -> None:
    width = sum(claim.nodes for claim in claims)
    decided = decide(nodes(width), [*claims, fresh(9, 1, HIGH, user="ada")])
    assert victims(decided) == [taken]


def test_nobody_goes_whose_nodes_turn_out_unneeded() -> None:
    claims = [
        active(1, ["n0"], LOW, **ran(10)),
        active(2, ["n1", "n2", "n3"], LOW, **ran(600)),
        fresh(9, 3, HIGH, user="ada"),
    ]
    assert victims(decide(nodes(4), claims)) == [2]


def test_what_leaves_already_is_not_asked_twice() -> None:
    claims = [
        active(1, ["n0"], LOW, state=TaskState.SUSPENDING, suspended_at=NOW, for_task=TaskId(9)),
        active(2, ["n1"], LOW),
        fresh(9, 1, HIGH, user="ada"),
    ]
    decided = decide(nodes(2), claims)
    assert not decided.suspends
    assert [handover.nodes for handover in decided.handovers] == [("n0",)]


# promises and lines


def test_for_whom_others_left_comes_before_whose_turn_it_is() -> None:
    gone = waiting(
        1, user="bob", state=TaskState.SUSPENDED, suspended_at=NOW - 5, queued_at=NOW, for_task=2
    )
    claims = [gone, fresh(2, user="ada"), fresh(3, user="eve")]
    assert started(decide(nodes(1), claims, usage={"ada": 1e9})) == [2]


def test_an_old_promise_is_kept_once_only() -> None:
    """Task 2 has run and is back in the line since its victim left: it waits its turn."""
    gone = waiting(
        1, user="bob", state=TaskState.SUSPENDED, suspended_at=NOW - 500, queued_at=NOW, for_task=2
    )
    back = fresh(2, user="ada", state=TaskState.SUSPENDED, queued_at=NOW - 10)
    claims = [gone, back, fresh(3, user="eve")]
    assert started(decide(nodes(1), claims, usage={"ada": 1e9, "bob": 1e9})) == [3]


def test_a_task_that_lost_its_node_heads_its_users_line_and_no_other() -> None:
    lost = fresh(3, user="ada", first=True, queued_at=NOW)
    claims = [
        fresh(1, user="ada", custom_rank=-5, submitted_at=NOW - 60),
        fresh(2, user="bob", submitted_at=NOW - 70),
        lost,
    ]
    assert started(decide(nodes(3), claims)) == [2, 3, 1]


def test_a_suspended_task_joins_its_line_anew() -> None:
    back = fresh(1, user="ada", submitted_at=NOW - 900, queued_at=NOW - 1)
    assert started(decide(nodes(1), [back, fresh(2, user="ada")])) == [2]


def test_a_backoff_is_waited_for() -> None:
    claim = fresh(1, not_before=NOW + 10)
    state = state_of(nodes(1), [claim], now=NOW)
    assert started(plan(state, NOW)) == []
    assert state.next_due() == NOW + 10
    assert started(plan(state, NOW + 9)) == []
    assert started(plan(state, NOW + 10)) == [1]


def test_dependencies_keep_a_task_out_of_the_line() -> None:
    claims = [fresh(1, waits_for=(TaskId(9),)), fresh(2, user="bob")]
    assert started(decide(nodes(2), claims)) == [2]


def test_an_array_runs_no_more_members_than_its_limit() -> None:
    members = [fresh(number, array=TaskId(1), array_limit=2) for number in range(1, 6)]
    cluster = SimulatedCluster(state_of(nodes(9), [*members, fresh(9)], now=NOW), NOW)
    assert started(cluster.tick()) == [1, 2, 9]
    cluster.finish(TaskId(1))
    assert started(cluster.tick()) == [3]
    assert started(cluster.tick()) == []
