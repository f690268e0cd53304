"""Time sharing as users are promised it: turns, slices, backfill, hand-over, victims, placement."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from hai.core.node import Node, NodeHealth
from hai.core.plan import Claim, Demotion, Plan, Suspend
from hai.core.planner import plan
from hai.core.policy import HOUR, MINUTE, Policy
from hai.core.quota import EVERYONE, Quota, QuotaTable
from hai.core.state import SchedulerState, build_state
from hai.core.types import NodeName, Priority, TaskId, TaskState, UserName, WaitCode
from tests.unit.core.clusters import (
    AMPLE,
    GROUP,
    SimulatedCluster,
    active,
    node,
    nodes,
    state_of,
    waiting,
)

LOW, NORMAL, ABOVE, HIGH = Priority.LOW, Priority.NORMAL, Priority.ABOVE_NORMAL, Priority.HIGH
POLICY = Policy()
SLICE, PATIENCE = POLICY.slice_seconds, POLICY.patience_seconds
NOW = 100_000.0


def decide(
    members: Sequence[Node],
    claims: Sequence[Claim],
    *,
    policy: Policy = POLICY,
    usage: dict[str, float] | None = None,
    now: float = NOW,
) -> Plan:
    """`usage`: node-seconds of ended attempts, by user."""
    used = {(GROUP, UserName(user)): (seconds, None) for user, seconds in (usage or {}).items()}
    state = build_state(policy, members, QuotaTable.of(AMPLE), claims, now, used)
    return plan(state, now)


def started(decided: Plan) -> list[int]:
    return [int(start.task_id) for start in decided.starts]


def backfilled(decided: Plan) -> list[int]:
    return [int(start.task_id) for start in decided.starts if start.backfill]


def victims(decided: Plan) -> list[int]:
    return [int(suspend.task_id) for suspend in decided.suspends]


def ran(seconds: float) -> dict[str, Any]:
    """Of a claim that has run for so long."""
    return {"since": NOW - seconds, "running_since": NOW - seconds}


def fresh(task_id: int, count: int = 1, priority: Priority = NORMAL, **fields: Any) -> Claim:
    """A claim that has waited for a minute: nobody's patience is over."""
    return waiting(task_id, count, priority, **{"submitted_at": NOW - MINUTE, **fields})


# slices


@pytest.mark.parametrize(
    ("seconds", "taken"),
    [(0.0, []), (SLICE - 1, []), (SLICE, [1]), (5 * SLICE, [1])],
)
def test_an_equal_takes_over_after_the_slice_only(seconds: float, taken: list[int]) -> None:
    decided = decide(nodes(1), [active(1, ["n0"], **ran(seconds)), fresh(2)])
    assert victims(decided) == taken


def test_the_slice_counts_from_when_the_gang_runs() -> None:
    """What a gang takes to come up is not taken from its slice."""
    slow = active(1, ["n0"], since=NOW - SLICE - MINUTE, running_since=NOW - SLICE + MINUTE)
    assert victims(decide(nodes(1), [slow, fresh(2)])) == []


@pytest.mark.parametrize(("level", "seconds"), [(LOW, 600.0), (NORMAL, 1800.0), (HIGH, 7200.0)])
def test_slices_may_differ_by_priority(level: Priority, seconds: float) -> None:
    policy = Policy(slices={LOW: 600.0, HIGH: 7200.0})
    for ran_seconds, taken in ((seconds - 1, []), (seconds, [1])):
        claims = [active(1, ["n0"], level, **ran(ran_seconds)), fresh(2, 1, level)]
        assert victims(decide(nodes(1), claims, policy=policy)) == taken


def test_tasks_of_one_user_at_one_priority_never_interrupt_each_other() -> None:
    claims = [active(1, ["n0"], user="ada", **ran(9 * SLICE)), waiting(2, user="ada")]
    decided = decide(nodes(1), claims)
    assert not decided.suspends
    assert decided.reasons[TaskId(2)].code is WaitCode.NO_FREE_NODES


def test_ones_own_task_of_a_lower_priority_gives_way() -> None:
    claims = [active(1, ["n0"], LOW, user="ada", **ran(0)), fresh(2, 1, HIGH, user="ada")]
    assert victims(decide(nodes(1), claims)) == [1]


def test_ones_own_backfill_yields_to_ones_own_gang() -> None:
    claims = [active(1, ["n0"], user="ada", backfill=True, **ran(0)), fresh(2, 2, user="ada")]
    assert decide(nodes(2), claims).suspends == (Suspend(TaskId(1), TaskId(2)),)


# turns


@pytest.mark.parametrize(
    ("used_by_ada", "taken"),
    [
        pytest.param(0.0, [1], id="ada used less"),
        pytest.param(10 * SLICE, [], id="ada used more"),
    ],
)
def test_an_expired_slice_is_only_taken_by_whose_turn_comes_first(
    used_by_ada: float, taken: list[int]
) -> None:
    claims = [active(1, ["n0"], user="bob", **ran(SLICE)), fresh(2, user="ada")]
    decided = decide(nodes(1), claims, usage={"ada": used_by_ada})
    assert victims(decided) == taken


def test_patience_comes_before_turns() -> None:
    holder = active(1, ["n0"], user="bob", **ran(SLICE))
    for waited, taken in ((PATIENCE - 1, []), (PATIENCE, [1])):
        late = fresh(2, user="ada", submitted_at=NOW - waited)
        assert victims(decide(nodes(1), [holder, late], usage={"ada": 1e9})) == taken


def test_patience_does_not_cut_a_slice() -> None:
    holder = active(1, ["n0"], user="bob", **ran(SLICE - 1))
    assert victims(decide(nodes(1), [holder, waiting(2, user="ada")])) == []


def test_of_two_who_waited_long_the_longest_is_first() -> None:
    claims = [
        fresh(1, user="ada", submitted_at=NOW - 2 * PATIENCE),
        fresh(2, user="bob", submitted_at=NOW - 3 * PATIENCE),
        fresh(3, user="new"),
    ]
    assert started(decide(nodes(3), claims, usage={"bob": 1e9, "ada": 1e6})) == [2, 1, 3]


def test_a_user_who_just_started_something_has_not_waited_long() -> None:
    """The wait of a user counts from the last start by right."""
    claims = [
        active(9, ["n0"], user="ada", **ran(MINUTE)),
        fresh(1, user="ada", submitted_at=NOW - 5 * PATIENCE),
        fresh(2, user="bob", submitted_at=NOW - MINUTE),
    ]
    assert started(decide(nodes(2), claims)) == [2]


def test_users_take_turns_and_each_users_tasks_come_in_order() -> None:
    claims = [fresh(number, user="ada", submitted_at=NOW - 100 + number) for number in (1, 2, 3)]
    claims += [fresh(number, user="bob", submitted_at=NOW - 90 + number) for number in (4, 5)]
    claims += [fresh(6, user="eve", submitted_at=NOW - 1)]
    assert started(decide(nodes(6), claims)) == [1, 4, 6, 2, 5, 3]


def test_a_weight_of_two_gives_two_turns() -> None:
    claims = [fresh(number, user="ada") for number in (1, 2, 3, 4)]
    claims += [fresh(number, user="bob") for number in (5, 6, 7, 8)]
    policy = Policy(weights={UserName("bob"): 2.0})
    first_six = started(decide(nodes(6), claims, policy=policy))
    assert sorted(first_six) == [1, 2, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("half_life", "first"),
    [pytest.param(HOUR, 1, id="ten hours ago hardly counts"), pytest.param(1e9, 2, id="it does")],
)
def test_old_use_fades(half_life: float, first: int) -> None:
    """Ada used 100 nodes for an hour ten hours ago, bob one node for the last half hour."""
    state = SchedulerState(
        Policy(half_life_seconds=half_life),
        nodes(1),
        state_of([], []).quotas,
        NOW - 10 * HOUR,
    )
    state.seed_usage({(GROUP, UserName("ada")): (100 * HOUR, None)})
    state.advance(NOW)
    state.seed_usage({(GROUP, UserName("bob")): (0.5 * HOUR, None)})
    state.put(fresh(1, user="ada"))
    state.put(fresh(2, user="bob"))
    assert started(plan(state, NOW)) == [first]


def test_a_rank_orders_ones_own_tasks_only() -> None:
    claims = [
        fresh(1, user="ada", custom_rank=9, submitted_at=NOW - 50),
        fresh(2, user="ada", custom_rank=-9, submitted_at=NOW - 10),
        fresh(3, user="bob", custom_rank=100, submitted_at=NOW - 60),
    ]
    assert started(decide(nodes(3), claims)) == [3, 2, 1]


# priorities


def test_a_higher_priority_preempts_at_once() -> None:
    claims = [active(1, ["n0"], NORMAL, **ran(0)), fresh(2, 1, HIGH, user="ada")]
    assert victims(decide(nodes(1), claims)) == [1]


@pytest.mark.parametrize(
    ("earlier", "now_running", "falls"),
    [
        pytest.param(0.0, 30 * MINUTE - 1, False, id="not yet"),
        pytest.param(0.0, 30 * MINUTE, True, id="one attempt"),
        pytest.param(20 * MINUTE, 10 * MINUTE, True, id="over two attempts"),
        pytest.param(20 * MINUTE, 10 * MINUTE - 1, False, id="over two, not yet"),
    ],
)
def test_above_normal_falls_after_its_running_time(
    earlier: float, now_running: float, falls: bool
) -> None:
    claim = active(1, ["n0"], ABOVE, ran_seconds=earlier, **ran(now_running))
    decided = decide(nodes(1), [claim])
    assert decided.demotions == ((Demotion(TaskId(1), NORMAL),) if falls else ())
    assert decide(nodes(1), [claim], policy=Policy(demote_after_seconds=0)).demotions == ()


@pytest.mark.parametrize("level", [LOW, NORMAL, HIGH])
def test_no_other_level_falls(level: Priority) -> None:
    assert decide(nodes(1), [active(1, ["n0"], level, **ran(9 * HOUR))]).demotions == ()


def test_what_has_fallen_defends_its_nodes_as_a_normal_task() -> None:
    """It is charged at ABOVE_NORMAL until it leaves, and is an equal of NORMAL tasks."""
    fallen = active(1, ["n0"], NORMAL, charged=ABOVE, **ran(SLICE))
    assert victims(decide(nodes(1), [fallen, fresh(2, user="ada")])) == [1]
    safe = active(1, ["n0"], NORMAL, charged=ABOVE, **ran(SLICE - 1))
    assert victims(decide(nodes(1), [safe, fresh(2, user="ada")])) == []


# gangs and backfill


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


# places


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
    state.set_node(replace(state.nodes[NodeName("n1")], health=NodeHealth.DOWN))
    assert not plan(state, NOW).suspends
    state.set_node(node("n1"))
    state.set_node(node("n2"))
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
    """Task 2 can not have n0, whatever its equals do. The others share the rest by turns, and wider
    ones are not even tried."""
    claims = [
        active(1, ["n0"], HIGH, user="eve", **ran(0)),
        active(4, ["n1", "n2"], user="bob", **ran(SLICE)),
        fresh(2, 3, user="cyd", submitted_at=NOW - 9 * PATIENCE),
        fresh(3, 2, user="ada", submitted_at=NOW - PATIENCE),
        fresh(5, 3, user="ada", submitted_at=NOW - PATIENCE),
    ]
    decided = decide(nodes(3), claims)
    assert decided.suspends == (Suspend(TaskId(4), TaskId(3)),)
    assert decided.reasons[TaskId(2)].evidence["kept_out_by"] == "higher"
    assert TaskId(5) not in decided.reasons
    free = decide(nodes(3), [claims[0], *claims[2:]])
    assert [(start.task_id, start.backfill) for start in free.starts] == [(3, False)]


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
