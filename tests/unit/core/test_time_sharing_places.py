"""Where a gang stands, and at which level."""

from dataclasses import replace

import pytest

from hai.core.node import Node, NodeHealth
from hai.core.plan import Plan, Suspend
from hai.core.planner import plan
from hai.core.quota import EVERYONE, Quota
from hai.core.reasons.codec import evidence
from hai.core.types import NodeName, Priority, TaskId, TaskState, UserName, WaitCode
from tests.unit.core.clusters import (
    GROUP,
    active,
    node,
    nodes,
    state_of,
)
from tests.unit.core.sharing import (
    HIGH,
    LOW,
    NORMAL,
    NOW,
    PATIENCE,
    SLICE,
    decide,
    fresh,
    ran,
    started,
    victims,
)


def zoned(east: int, west: int) -> list[Node]:
    return [
        *(node(f"e{number}", zone="east") for number in range(east)),
        *(node(f"w{number}", zone="west") for number in range(west)),
    ]


def zones_of(decided: Plan) -> list[set[str]]:
    return [{name[0] for name in start.nodes} for start in decided.starts]


def test_a_gang_stands_in_one_zone_if_it_can() -> None:
    assert zones_of(decide(zoned(3, 4), [fresh(1, 4)])) == [{"w"}]
    assert zones_of(decide(zoned(3, 4), [fresh(1, 3)])) == [{"e"}]  # the tightest fit


def test_one_gang_at_most_spans_two_zones() -> None:
    claims = [fresh(1, 4), fresh(2, 4, user="bob")]
    decided = decide(zoned(5, 5), claims)
    assert zones_of(decided) == [{"e"}, {"w"}]
    decided = decide(zoned(3, 3), [fresh(1, 4), fresh(2, 2, user="bob")])
    assert [len(zones) for zones in zones_of(decided)] == [2, 1]
    decided = decide(zoned(3, 3), [active(9, ["e0", "w0"], **ran(0)), fresh(1, 4)])
    assert started(decided) == []


def test_no_gang_spans_three_zones() -> None:
    members = [*zoned(2, 2), node("x0", zone="north"), node("x1", zone="north")]
    decided = decide(members, [fresh(1, 5), fresh(2, 4, user="bob")])
    assert started(decided) == [2]


def test_a_gang_stands_under_one_leaf_and_leaves_whole_leaves_to_others() -> None:
    members = [
        *nodes(4, leaf="big", prefix="b"),
        *nodes(2, leaf="small", prefix="s"),
    ]
    decided = decide(members, [fresh(1, 2)])
    assert decided.starts[0].nodes == ("s0", "s1")


def test_a_task_comes_back_to_the_nodes_that_it_knows() -> None:
    knows = (NodeName("n3"), NodeName("n1"))
    claim = fresh(1, 2, state=TaskState.SUSPENDED, knows=knows)
    assert decide(nodes(5), [claim]).starts[0].nodes == knows  # rank by rank


@pytest.mark.parametrize("health", [NodeHealth.SUSPECT, NodeHealth.CORDONED, NodeHealth.DRAINED])
def test_a_node_out_of_service_gets_no_work_and_frees_none(health: NodeHealth) -> None:
    members = [replace(node("n0"), health=health), node("n1")]
    claims = [active(1, ["n0"], LOW, **ran(0)), fresh(2, 1, user="ada"), fresh(3, user="eve")]
    decided = decide(members, claims)
    assert started(decided) == [2]
    assert not decided.suspends


def test_a_node_may_change_alone() -> None:
    claims = [active(1, ["n0"], LOW, **ran(0)), fresh(2, 2)]
    state = state_of(nodes(2), claims, now=NOW)
    assert plan(state, NOW).suspends
    state.set_nodes([node("n0"), node("n1", ready=False)])
    assert not plan(state, NOW).suspends
    state.set_nodes(nodes(3))
    assert plan(state, NOW).starts[0].nodes == ("n1", "n2")
    assert [claim.task_id for claim in state.holders_of(NodeName("n0"))] == [1]


# AUTO


def test_auto_runs_at_the_highest_level_with_room_and_is_charged_there() -> None:
    quotas = [
        Quota(EVERYONE, GROUP, HIGH, 1),
        Quota(EVERYONE, GROUP, NORMAL, 1),
        Quota(EVERYONE, GROUP, LOW, 1),
    ]
    claims = [fresh(number, 1, Priority.AUTO) for number in range(1, 5)]
    decided = plan(state_of(nodes(4), claims, quotas, now=NOW), NOW)
    assert [start.priority for start in decided.starts] == [HIGH, NORMAL, LOW]


def test_auto_at_a_low_level_is_a_victim_at_that_level() -> None:
    quotas = [Quota(UserName("bob"), GROUP, LOW, 1), Quota(UserName("ada"), GROUP, NORMAL, 1)]
    claims = [active(1, ["n0"], Priority.AUTO, charged=LOW, **ran(0)), fresh(2, user="ada")]
    assert victims(plan(state_of(nodes(1), claims, quotas, now=NOW), NOW)) == [1]


def test_whoever_waits_for_higher_levels_holds_up_nobody() -> None:
    """Task 2 cannot have n0, whatever its equals do. The others share the rest by turns, and wider
    ones are not even tried."""
    claims = [
        active(1, ["n0"], HIGH, user="eve", **ran(0)),
        active(4, ["n1", "n2"], user="bob", **ran(SLICE)),
        fresh(2, 3, user="cyd", submitted_at=NOW - 9 * PATIENCE),
        fresh(3, 2, user="ada", submitted_at=NOW - PATIENCE),
        fresh(5, 3, user="ada", submitted_at=NOW - PATIENCE),
        fresh(6, 3, user="kim", submitted_at=NOW - 2 * PATIENCE),
    ]
    decided = decide(nodes(3), claims)
    assert decided.suspends == (Suspend(TaskId(4), TaskId(3)),)
    assert evidence(decided.reasons[TaskId(2)])["kept_out_by"] == "higher"
    assert set(decided.reasons) == {2, 3}
    free = decide(nodes(3), [claims[0], *claims[2:]])
    assert [(start.task_id, start.backfill) for start in free.starts] == [(3, False)]


def test_a_zone_where_none_of_its_level_run_frees_nothing_for_a_gang() -> None:
    """Eve's node comes free after her slice; the other zone's belongs to a higher level for long.
    So the gang holds up nobody, and bob takes his turn after eve."""
    claims = [
        active(1, ["e0"], HIGH, user="uma", **ran(0)),
        active(2, ["w0"], user="eve", **ran(SLICE)),
        fresh(3, 2, user="ada", submitted_at=NOW - 50),
        fresh(4, 1, user="bob", submitted_at=NOW - 40),
    ]
    decided = decide(zoned(1, 1), claims)
    assert evidence(decided.reasons[TaskId(3)])["kept_out_by"] == "higher"
    assert decided.suspends == (Suspend(TaskId(2), TaskId(4)),)


def test_whoever_waits_for_their_own_task_holds_up_nobody() -> None:
    """Task 2 has waited longest, but only its own user's task is in its way. If it were the head,
    task 3 could not take those nodes either, and bob's endless task would keep them for ever."""
    claims = [
        active(1, ["n0", "n1"], user="bob", **ran(SLICE)),
        fresh(2, 2, user="bob", submitted_at=NOW - 9 * PATIENCE),
        fresh(3, 1, user="ada", submitted_at=NOW - PATIENCE),
    ]
    decided = decide(nodes(2), claims)
    assert decided.suspends == (Suspend(TaskId(1), TaskId(3)),)
    assert decided.reasons[TaskId(2)].code is WaitCode.NO_FREE_NODES
