"""The planner's rules, one table row each."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from hai.core.node import Node, NodeHealth
from hai.core.planner import Claim, Plan, Policy, Start, Suspend, plan
from hai.core.quota import EVERYONE, Quota
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName, WaitCode
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

LOW, NORMAL, HIGH = Priority.LOW, Priority.NORMAL, Priority.HIGH
AUTO = Priority.AUTO


def decide(
    members: Iterable[Node],
    claims: Iterable[Claim],
    quotas: Iterable[Quota] = AMPLE,
    policy: Policy | None = None,
) -> Plan:
    return plan(state_of(members, claims, quotas), policy or Policy(), 1000.0)


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
            WaitCode.NO_FREE_NODES,
            id="not enough healthy nodes",
        ),
    ],
)
def test_reason_of_one(claim: Claim, members: Iterable[Node], code: WaitCode) -> None:
    decided = decide(members, [claim])
    assert codes(decided) == {1: code}
    assert not decided.starts


def test_gang_starts_whole_or_not_at_all() -> None:
    decided = decide(nodes(4), [waiting(1, 3), waiting(2, 2)])
    assert decided.starts == (
        Start(TaskId(1), (NodeName("n0"), NodeName("n1"), NodeName("n2")), NORMAL),
    )
    reason = decided.reasons[TaskId(2)]
    assert reason.code is WaitCode.NO_FREE_NODES
    assert reason.evidence["free"] == 1
    assert reason.evidence["held_by"] == [1]


@pytest.mark.parametrize(
    "health", [NodeHealth.SUSPECT, NodeHealth.DRAINED, NodeHealth.DOWN], ids=str
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


def test_over_quota_waits_and_blocks_nobody() -> None:
    quotas = [quota("ada", NORMAL, 2), quota("bob", NORMAL, 2)]
    claims = [waiting(1, 2), waiting(2, 1), waiting(3, 3), waiting(4, 1, user="bob")]
    decided = decide(nodes(4), claims, quotas)
    assert started(decided) == [1, 4]
    assert codes(decided) == {2: WaitCode.QUOTA_EXCEEDED, 3: WaitCode.NO_QUOTA}
    assert decided.reasons[TaskId(2)].evidence == {
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
    assert started(decide(nodes(4), claims, quotas)) == [1, 2, 3, 4]


def test_head_blocks_its_level_only() -> None:
    claims = [
        active(1, ["n0", "n1"], HIGH),
        waiting(2, 3),
        waiting(3, 1),
        waiting(4, 1, user="bob"),
        waiting(5, 1, LOW),
    ]
    decided = decide(nodes(4), claims)
    assert started(decided) == [5]
    assert codes(decided) == {
        2: WaitCode.NO_FREE_NODES,
        3: WaitCode.BEHIND,
        4: WaitCode.BEHIND,
    }
    assert decided.reasons[TaskId(4)].evidence == {"group": GROUP, "head": 2, "position": 3}


def test_gang_wider_than_the_healthy_nodes_holds_nobody_back() -> None:
    members = [*nodes(2), node("sick", ready=False)]
    decided = decide(members, [waiting(1, 3), waiting(2, 2)])
    assert started(decided) == [2]
    assert codes(decided) == {1: WaitCode.NO_FREE_NODES}


def test_without_preemption_nobody_is_suspended_and_the_head_holds_back_lower_levels() -> None:
    claims = [active(1, ["n0"], LOW), waiting(2, 2, HIGH), waiting(3, 1, LOW)]
    decided = decide(nodes(2), claims, policy=Policy(preemption=False))
    assert not decided.starts
    assert not decided.suspends
    assert codes(decided) == {2: WaitCode.NO_FREE_NODES, 3: WaitCode.BEHIND}


def test_hand_over_has_two_phases() -> None:
    cluster = SimulatedCluster(
        state_of(nodes(3), [active(1, ["n0", "n1"], LOW), waiting(2, 3, HIGH), waiting(3, 1, LOW)])
    )
    first = cluster.tick()
    assert first.suspends == (Suspend(TaskId(1), TaskId(2)),)
    assert first.starts == ()  # n2 is free, and set aside
    assert first.reasons[TaskId(2)].evidence == {
        "group": GROUP,
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
    assert codes(third) == {1: WaitCode.NO_FREE_NODES, 3: WaitCode.BEHIND}


def test_leaving_nodes_come_before_victims() -> None:
    claims = [
        active(1, ["n0"], LOW, state=TaskState.STOPPING),
        active(2, ["n1"], LOW),
        waiting(3, 1, HIGH),
    ]
    decided = decide(nodes(2), claims)
    assert decided.suspends == ()
    assert decided.reasons[TaskId(3)].evidence["tasks"] == [1]


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
def test_equals_and_betters_are_never_suspended(level: Priority) -> None:
    decided = decide(nodes(1), [active(1, ["n0"], level), waiting(2)])
    assert decided.suspends == ()
    assert codes(decided) == {2: WaitCode.NO_FREE_NODES}


def test_nobody_is_suspended_when_even_all_victims_do_not_suffice() -> None:
    claims = [active(1, ["n0"], LOW), active(2, ["n1"], HIGH), waiting(3, 2)]
    decided = decide(nodes(2), claims)
    assert decided.suspends == ()
    assert decided.reasons[TaskId(3)].evidence["preemptible"] == 1


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


def test_nobody_leaves_for_a_claim_that_a_returning_task_would_block() -> None:
    """Task 1 leaves for task 9 and comes back ahead of task 8, too wide to start: if task 10 left
    for task 8 now, it would leave for nothing."""
    claims = [
        active(1, ["n0", "n1", "n2", "n3"]),
        waiting(8, 2),
        waiting(9, 3, HIGH),
        active(10, ["n4"], LOW),
    ]
    cluster = SimulatedCluster(state_of(nodes(5), claims))
    decided = cluster.tick()
    assert decided.suspends == (Suspend(TaskId(1), TaskId(9)),)
    assert decided.reasons[TaskId(8)].code is WaitCode.NO_FREE_NODES
    assert decided.reasons[TaskId(8)].evidence["returning"] == 4
    cluster.leave(TaskId(1))
    decided = cluster.tick()
    assert started(decided) == [9]
    assert codes(decided) == {1: WaitCode.NO_FREE_NODES, 8: WaitCode.BEHIND}


@pytest.mark.parametrize(
    ("leaver", "suspends"),
    [
        pytest.param({}, 0, id="it comes back first"),
        pytest.param({"held": True}, 1, id="it is held"),
        pytest.param({"state": TaskState.STOPPING}, 1, id="it ends"),
        pytest.param({"submitted_at": 99.0}, 1, id="it comes back last"),
        pytest.param({"priority": LOW}, 1, id="it comes back below"),
        pytest.param({"priority": HIGH}, 1, id="it has no quota to come back with"),
    ],
)
def test_who_is_expected_back(leaver: dict[str, Any], suspends: int) -> None:
    leaving = replace(active(1, ["n0"], state=TaskState.SUSPENDING), **leaver)
    claims = [leaving, active(2, ["n1"], LOW), waiting(3, 2)]
    quotas = [quota("bob", LOW, 2), quota("bob", NORMAL, 2), quota("ada", NORMAL, 2)]
    assert len(decide(nodes(2), claims, quotas).suspends) == suspends


def test_finished_claims_are_ignored() -> None:
    done = active(1, ["n0"], HIGH, state=TaskState.SUCCEEDED)
    assert started(decide(nodes(1), [done, waiting(2)])) == [2]


def test_empty_cluster() -> None:
    assert decide([], []) == Plan()
