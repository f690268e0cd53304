"""The planner's rules, one table row each."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from hai.core.node import Node, NodeHealth
from hai.core.plan import Claim, Plan, Start, Suspend
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.quota import EVERYONE, Quota
from hai.core.reasons.codec import evidence
from hai.core.resources import GIB, Resources
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName, WaitCode
from tests.unit.core.clusters import (
    AMPLE,
    GROUP,
    SimulatedCluster,
    active,
    node,
    nodes,
    reasons,
    state_of,
    waiting,
)

LOW, NORMAL, HIGH = Priority.LOW, Priority.NORMAL, Priority.HIGH
AUTO = Priority.AUTO


def decide(
    members: Iterable[Node],
    claims: Iterable[Claim],
    quotas: Iterable[Quota] = AMPLE,
    policy: Policy | None = None,
) -> Plan:
    """The plan at 1000, with the reasons of all that wait."""
    state = state_of(members, claims, quotas, policy=policy)
    decided = plan(state, 1000.0)
    return replace(decided, reasons=reasons(state, decided))


def started(decided: Plan) -> list[int]:
    return [start.task_id for start in decided.starts]


def codes(decided: Plan) -> dict[int, WaitCode]:
    return {int(task_id): reason.code for task_id, reason in decided.reasons.items()}


def quota(user: str, level: Priority, count: int) -> Quota:
    return Quota(UserName(user), GROUP, level, count)


@pytest.mark.parametrize(
    ("claims", "order"),
    [
        pytest.param([waiting(1), waiting(2)], [1, 2], id="older first"),
        pytest.param(
            [waiting(1, submitted_at=9), waiting(2, submitted_at=5)],
            [2, 1],
            id="by time, not by id",
        ),
        pytest.param(
            [waiting(2, submitted_at=5), waiting(1, submitted_at=5)],
            [1, 2],
            id="same time: lower id",
        ),
        pytest.param([waiting(1, priority=LOW), waiting(2)], [2, 1], id="higher level first"),
        pytest.param([waiting(1, custom_rank=5), waiting(2, custom_rank=1)], [2, 1], id="own rank"),
        pytest.param(
            [
                waiting(1, custom_rank=5),
                waiting(2, user="bob", custom_rank=-9),
                waiting(3, custom_rank=1),
            ],
            [2, 3, 1],
            id="a rank passes no other user",
        ),
    ],
)
def test_order_of_starts(claims: list[Claim], order: list[int]) -> None:
    assert started(decide(nodes(4), claims)) == order


@pytest.mark.parametrize(
    ("claim", "members", "code"),
    [
        pytest.param(waiting(1, held=True), nodes(1), WaitCode.HELD, id="held"),
        pytest.param(waiting(1, group="x"), nodes(1), WaitCode.GROUP_UNKNOWN, id="no such group"),
        pytest.param(waiting(1, 3), nodes(2), WaitCode.GROUP_TOO_SMALL, id="group too small"),
        pytest.param(
            waiting(1, 2),
            [node("a"), node("b", ready=False)],
            WaitCode.UNHEALTHY,
            id="not enough healthy nodes",
        ),
    ],
)
def test_reason_of_one(claim: Claim, members: Iterable[Node], code: WaitCode) -> None:
    decided = decide(members, [claim])
    assert codes(decided) == {1: code}
    assert not decided.starts


def test_gang_starts_whole_or_not_at_all() -> None:
    running = active(9, ["n3"])
    decided = decide(nodes(4), [waiting(1, 3), waiting(2, 2), running])
    assert decided.starts == (
        Start(TaskId(1), (NodeName("n0"), NodeName("n1"), NodeName("n2")), NORMAL),
    )
    reason = decided.reasons[TaskId(2)]
    assert reason.code is WaitCode.NO_FREE_NODES
    assert evidence(reason)["free"] == 0
    assert evidence(reason)["held_by"] == [9, 1]
    assert evidence(reason)["own"] == 3
    assert evidence(reason)["safe_until"] == {"9": 1800.0}


@pytest.mark.parametrize(
    "health", [health for health in NodeHealth if health is not NodeHealth.READY], ids=str
)
def test_unhealthy_nodes_are_never_given(health: NodeHealth) -> None:
    cluster = SimulatedCluster(state_of(nodes(2), [waiting(1), waiting(2)]))
    cluster.set_health(NodeName("n0"), health)
    decided = cluster.tick()
    assert [start.nodes for start in decided.starts] == [("n1",)]


def test_groups_are_independent() -> None:
    other = GroupName("jupyter")
    members = [*nodes(1), node("j0", group=other)]
    claims = [waiting(1, 2, HIGH), waiting(2), waiting(3, group=other)]
    quotas = [Quota(EVERYONE, group, NORMAL, 9) for group in (GROUP, other)]
    assert sorted(started(decide(members, claims, quotas))) == [2, 3]


def test_one_tick_serves_shared_groups_and_gangs() -> None:
    """Containers share the node of one group, a gang has those of the other for itself."""
    lab = GroupName("lab_cpu")
    shared = replace(node("l0", group=lab), cpus=2.0, memory_bytes=8 * GIB)
    part = Resources(1500, GIB, 0)
    claims = [
        waiting(1, group=lab, asks=part),
        waiting(2, group=lab, asks=part),
        waiting(3),
        waiting(4, user="bob"),
    ]
    decided = decide([*nodes(1), shared], claims, policy=Policy(shared_prefix="lab_"))
    assert {start.task_id: start.nodes for start in decided.starts} == {1: ("l0",), 3: ("n0",)}
    assert codes(decided) == {2: WaitCode.NO_ROOM, 4: WaitCode.NO_FREE_NODES}


def test_over_quota_waits_and_blocks_nobody() -> None:
    quotas = [quota("ada", NORMAL, 2), quota("bob", NORMAL, 2)]
    claims = [waiting(1, 2), waiting(2, 1), waiting(3, 3), waiting(4, 1, user="bob")]
    decided = decide(nodes(4), claims, quotas)
    assert started(decided) == [1, 4]
    assert codes(decided) == {2: WaitCode.QUOTA_EXCEEDED, 3: WaitCode.NO_QUOTA}
    assert evidence(decided.reasons[TaskId(2)]) == {
        "group": GROUP,
        "needed": 1,
        "limit": 2,
        "used": 2,
        "level": "NORMAL",
    }


@pytest.mark.parametrize(
    "state", [TaskState.STARTING, TaskState.RUNNING, TaskState.SUSPENDING, TaskState.STOPPING]
)
def test_quota_counts_all_that_holds_nodes(state: TaskState) -> None:
    claims = [active(1, ["n0"], user="ada", state=state), waiting(2)]
    assert codes(decide(nodes(2), claims, [quota("ada", NORMAL, 1)])) == {
        2: WaitCode.QUOTA_EXCEEDED
    }


def test_auto_takes_the_highest_level_with_room_and_falls_within_the_tick() -> None:
    quotas = [quota("ada", HIGH, 2), quota("ada", LOW, 1)]
    claims = [waiting(number, 1, AUTO) for number in (1, 2, 3, 4)] + [waiting(5, 3, AUTO)]
    decided = decide(nodes(9), claims, quotas)
    assert [start.priority for start in decided.starts] == [HIGH, HIGH, LOW]
    assert codes(decided) == {4: WaitCode.QUOTA_EXCEEDED, 5: WaitCode.NO_QUOTA}


def test_auto_that_falls_is_ordered_among_its_new_level() -> None:
    quotas = [quota("ada", HIGH, 1), quota("ada", NORMAL, 5), quota("bob", NORMAL, 5)]
    claims = [waiting(1, 1, AUTO), waiting(2, 1, AUTO), waiting(3, user="bob"), waiting(4, 1, AUTO)]
    assert started(decide(nodes(4), claims, quotas)) == [1, 3, 2, 4]  # ada has used, bob has not


A_GANG_AND_OTHERS = (
    active(1, ["n0", "n1"], user="eve", since=900.0),
    waiting(2, 3),
    waiting(3, 2),
    waiting(4, 1, user="bob", submitted_at=9.0),
    waiting(5, 1, LOW),
)


def test_others_run_in_the_shadow_of_a_head() -> None:
    decided = decide(nodes(5), A_GANG_AND_OTHERS)
    assert started(decided) == [2]
    assert codes(decided) == {
        3: WaitCode.BEHIND,
        4: WaitCode.NO_FREE_NODES,  # it is bob's turn now
        5: WaitCode.NO_FREE_NODES,
    }
    claims = list(A_GANG_AND_OTHERS)
    claims[3] = waiting(4, 1, LOW, user="bob", submitted_at=9.0)
    decided = decide(nodes(4), claims)
    assert [(start.task_id, start.backfill) for start in decided.starts] == [(3, True)]
    assert codes(decided) == {
        2: WaitCode.NO_FREE_NODES,
        4: WaitCode.NO_FREE_NODES,
        5: WaitCode.BEHIND,
    }
    assert evidence(decided.reasons[TaskId(2)])["free"] == 2


def test_a_task_does_not_start_in_the_shadow_for_somebody_to_take_its_nodes_at_once() -> None:
    """With 3 it would be bob's turn, and 4 would take a node of 3."""
    decided = decide(nodes(4), A_GANG_AND_OTHERS)
    assert [(start.task_id, start.backfill) for start in decided.starts] == [(4, True), (5, False)]
    assert codes(decided) == {2: WaitCode.NO_FREE_NODES, 3: WaitCode.BEHIND}
    assert evidence(decided.reasons[TaskId(3)])["head"] == 2


def test_without_backfill_the_head_holds_back_its_level_only() -> None:
    claims = [
        active(1, ["n0", "n1"], since=900.0),
        waiting(2, 3),
        waiting(3, 1),
        waiting(5, 1, LOW),
    ]
    decided = decide(nodes(4), claims, policy=Policy(backfill=False))
    assert started(decided) == [5]
    assert codes(decided) == {2: WaitCode.NO_FREE_NODES, 3: WaitCode.BEHIND}


def test_gang_wider_than_the_healthy_nodes_holds_nobody_back() -> None:
    members = [*nodes(2), node("sick", ready=False)]
    decided = decide(members, [waiting(1, 3), waiting(2, 2)])
    assert started(decided) == [2]
    assert codes(decided) == {1: WaitCode.UNHEALTHY}


def test_without_preemption_nobody_is_suspended_and_the_head_holds_back_lower_levels() -> None:
    claims = [active(1, ["n0"], LOW), waiting(2, 2, HIGH), waiting(3, 1, LOW)]
    decided = decide(nodes(2), claims, policy=Policy(preemption=False))
    assert not decided.starts
    assert not decided.suspends
    assert codes(decided) == {2: WaitCode.NO_FREE_NODES, 3: WaitCode.BEHIND}
    fits = [waiting(2, 1, HIGH), waiting(3, 1, LOW)]
    assert started(decide(nodes(2), fits, policy=Policy(preemption=False))) == [2, 3]


def test_hand_over_has_two_phases() -> None:
    cluster = SimulatedCluster(
        state_of(nodes(3), [active(1, ["n0", "n1"], LOW), waiting(2, 3, HIGH), waiting(3, 1, LOW)])
    )
    first = cluster.tick()
    assert first.suspends == (Suspend(TaskId(1), TaskId(2)),)
    assert first.starts == ()  # n2 is free, and set aside
    assert evidence(first.reasons[TaskId(2)]) == {
        "group": GROUP,
        "level": "HIGH",
        "nodes": ["n0", "n1", "n2"],
        "tasks": [1],
    }
    second = cluster.tick()
    assert not second.starts
    assert not second.suspends
    assert codes(second)[2] is WaitCode.HANDOVER
    cluster.leave(TaskId(1))
    third = cluster.tick()
    assert started(third) == [2]
    assert codes(third) == {1: WaitCode.NO_FREE_NODES, 3: WaitCode.NO_FREE_NODES}


def test_leaving_nodes_come_before_victims() -> None:
    claims = [
        active(1, ["n0"], LOW, state=TaskState.STOPPING),
        active(2, ["n1"], LOW),
        waiting(3, 1, HIGH),
    ]
    decided = decide(nodes(2), claims)
    assert decided.suspends == ()
    assert evidence(decided.reasons[TaskId(3)])["tasks"] == [1]


def test_what_a_victim_frees_beyond_the_need_serves_the_next_claim() -> None:
    claims = [active(1, ["n0", "n1"], LOW), waiting(2, 1, HIGH), waiting(3, 1, HIGH)]
    decided = decide(nodes(2), claims)
    assert decided.suspends == (Suspend(TaskId(1), TaskId(2)),)
    assert set(codes(decided).values()) == {WaitCode.HANDOVER}


def test_a_hand_over_reserves_its_quota() -> None:
    quotas = [quota("ada", HIGH, 1), quota("bob", LOW, 9)]
    claims = [
        active(1, ["n0"], LOW),
        active(2, ["n1"], LOW),
        waiting(3, 1, HIGH),
        waiting(4, 1, HIGH),
    ]
    decided = decide(nodes(2), claims, quotas)
    assert len(decided.suspends) == 1
    assert codes(decided) == {3: WaitCode.HANDOVER, 4: WaitCode.QUOTA_EXCEEDED}


@pytest.mark.parametrize("level", [NORMAL, HIGH], ids=lambda level: level.name)
def test_equals_within_their_slice_and_betters_are_not_suspended(level: Priority) -> None:
    decided = decide(nodes(1), [active(1, ["n0"], level), waiting(2)])
    assert decided.suspends == ()
    assert codes(decided) == {2: WaitCode.NO_FREE_NODES}


def test_nobody_is_suspended_when_even_all_victims_do_not_suffice() -> None:
    claims = [active(1, ["n0"], LOW), active(2, ["n1"], HIGH), waiting(3, 2)]
    decided = decide(nodes(2), claims)
    assert decided.suspends == ()
    assert evidence(decided.reasons[TaskId(3)])["preemptible"] == 1


def test_a_victims_sick_nodes_do_not_count() -> None:
    members = [node("n0"), node("n1", ready=False), node("n2")]
    claims = [active(1, ["n0", "n1"], LOW), active(2, ["n2"], HIGH), waiting(3, 2)]
    assert decide(members, claims).suspends == ()


def test_a_running_auto_task_is_no_victim_of_what_it_would_come_back_above() -> None:
    quotas = [quota("bob", HIGH, 1), quota("bob", LOW, 1), quota("ada", NORMAL, 1)]
    victim = active(1, ["n0"], AUTO, charged=LOW)
    assert decide(nodes(1), [victim, waiting(2)], quotas).suspends == ()
    quotas[0] = quota("bob", HIGH, 0)
    assert decide(nodes(1), [victim, waiting(2)], quotas).suspends == (
        Suspend(TaskId(1), TaskId(2)),
    )


def test_a_task_of_no_charge_counts_at_its_own_level() -> None:
    claims = [replace(active(1, ["n0"], HIGH), charged=None), waiting(2, 1, HIGH, user="bob")]
    decided = decide(nodes(2), claims, [quota("bob", HIGH, 1)])
    assert codes(decided) == {2: WaitCode.QUOTA_EXCEEDED}


def test_two_holders_of_one_node_keep_it_busy_until_both_left() -> None:
    claims = [
        active(1, ["n0"], HIGH, state=TaskState.STOPPING),
        active(2, ["n0"], HIGH),
        waiting(3),
    ]
    decided = decide(nodes(1), claims)
    assert codes(decided) == {3: WaitCode.NO_FREE_NODES}


def test_lower_work_in_the_shadow_of_a_head_leaves_once_the_head_fits() -> None:
    cluster = SimulatedCluster(
        state_of(nodes(2), [active(1, ["n0"], HIGH), waiting(2, 2), waiting(3, 1, LOW)])
    )
    assert started(cluster.tick()) == [3]
    cluster.finish(TaskId(1))
    assert cluster.tick().suspends == (Suspend(TaskId(3), TaskId(2)),)
    cluster.leave(TaskId(3))
    assert started(cluster.tick()) == [2]


def test_a_plan_that_is_not_carried_out_changes_nothing() -> None:
    """Asked again, it decides the same, with the same evidence: no node counts twice."""
    claims = [
        active(1, ["n0"], HIGH, since=900.0),
        active(6, ["n1"], LOW, since=900.0),
        waiting(2, 5, HIGH),
        waiting(3, 2, user="bob"),
        waiting(4, 1, user="eve"),
    ]
    state = state_of(nodes(5), claims)
    first = plan(state, 1000.0)
    assert started(first) == [4, 3]
    assert evidence(first.reasons[TaskId(2)])["preemptible"] == 1
    for _ in range(3):
        assert plan(state, 1000.0) == first


def test_finished_claims_are_ignored() -> None:
    done = active(1, ["n0"], HIGH, state=TaskState.SUCCEEDED)
    assert started(decide(nodes(1), [done, waiting(2)])) == [2]


def test_empty_cluster() -> None:
    assert decide([], []) == Plan()
