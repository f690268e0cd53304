"""Why each waiting task waits: the code, and the evidence that goes with it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from hai.core.assume.transaction import applied
from hai.core.node import Node
from hai.core.plan import Claim, Plan
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.quota import EVERYONE, Quota
from hai.core.reasons.codec import evidence
from hai.core.reasons.finding import TASKS_NAMED, head_of, reason_of
from hai.core.reasons.kinds import ArrayLimit, Handover, NoFreeNodes, NotPlanned, Reason
from hai.core.types import NodeName, Priority, TaskId, TaskState, UserName, WaitCode
from tests.unit.core.clusters import AMPLE, GROUP, active, node, nodes, reasons, state_of, waiting

LOW, NORMAL, HIGH = Priority.LOW, Priority.NORMAL, Priority.HIGH
NOW = 10_000.0
SLICE = Policy().slice_seconds


def why(
    members: Sequence[Node], claims: Sequence[Claim], quotas: Sequence[Quota] = AMPLE
) -> dict[TaskId, Reason]:
    state = state_of(members, claims, quotas, now=NOW)
    return reasons(state, plan(state, NOW))


def some(reason: Reason, *keys: str) -> dict[str, Any]:
    return {key: evidence(reason).get(key) for key in keys}


@pytest.mark.parametrize(
    ("claim", "members", "code", "told"),
    [
        pytest.param(waiting(1, held=True), nodes(1), WaitCode.HELD, {}, id="held"),
        pytest.param(
            waiting(1, waits_for=(TaskId(7), TaskId(8))),
            nodes(1),
            WaitCode.DEPENDENCY,
            {"tasks": [7, 8]},
            id="dependency",
        ),
        pytest.param(
            waiting(1, not_before=NOW + 9.2),
            nodes(1),
            WaitCode.BACKOFF,
            {"until": NOW + 9.2, "seconds": 10},
            id="backoff",
        ),
        pytest.param(
            waiting(1, held=True, waits_for=(TaskId(7),), not_before=NOW + 5),
            nodes(1),
            WaitCode.HELD,
            {},
            id="a person's word comes first",
        ),
        pytest.param(
            waiting(1, group="nowhere"),
            nodes(1),
            WaitCode.GROUP_UNKNOWN,
            {"group": "nowhere", "needed": 1, "nodes": 0, "healthy": 0},
            id="unknown group",
        ),
        pytest.param(
            waiting(1, 3),
            nodes(2),
            WaitCode.GROUP_TOO_SMALL,
            {"needed": 3, "nodes": 2, "healthy": 2},
            id="too small",
        ),
        pytest.param(
            waiting(1, 2),
            [node("a"), node("b", ready=False)],
            WaitCode.UNHEALTHY,
            {"needed": 2, "nodes": 2, "healthy": 1},
            id="unhealthy",
        ),
    ],
)
def test_what_keeps_one_task_out_of_the_line(
    claim: Claim, members: Sequence[Node], code: WaitCode, told: dict[str, Any]
) -> None:
    reason = why(members, [claim])[claim.task_id]
    assert reason.code is code
    assert some(reason, *told) == told
    assert evidence(reason)["group"] == claim.group


def test_an_array_names_its_limit() -> None:
    members = [waiting(number, array=TaskId(1), array_limit=1) for number in (1, 2)]
    reason = why(nodes(2), members)[TaskId(2)]
    assert reason == ArrayLimit(GROUP, TaskId(1), 1)


@pytest.mark.parametrize(
    ("asked", "width", "code", "told"),
    [
        (NORMAL, 3, WaitCode.NO_QUOTA, {"limit": 2, "used": 2, "level": "NORMAL"}),
        (NORMAL, 1, WaitCode.QUOTA_EXCEEDED, {"limit": 2, "used": 2, "level": "NORMAL"}),
        (HIGH, 1, WaitCode.NO_QUOTA, {"limit": 0, "used": 0, "level": "HIGH"}),
        (Priority.AUTO, 2, WaitCode.QUOTA_EXCEEDED, {"limit": 2, "used": 2, "level": "NORMAL"}),
        (Priority.AUTO, 4, WaitCode.NO_QUOTA, {"limit": 2, "used": 2, "level": "NORMAL"}),
    ],
)
def test_a_quota_is_told_with_what_is_used(
    asked: Priority, width: int, code: WaitCode, told: dict[str, Any]
) -> None:
    quotas = [Quota(UserName("ada"), GROUP, NORMAL, 2), Quota(UserName("ada"), GROUP, LOW, 1)]
    claims = [
        active(8, ["n0", "n1"], user="ada"),
        active(9, ["n2"], LOW, user="ada"),
        waiting(1, width, asked),
    ]
    reason = why(nodes(9), claims, quotas)[TaskId(1)]
    assert reason.code is code
    assert some(reason, *told) == told


def test_the_head_is_told_who_holds_its_nodes_and_until_when() -> None:
    holders = [active(10 + n, [f"n{n}"], since=NOW - n * 60.0) for n in range(TASKS_NAMED + 2)]
    holders.append(active(30, ["m0"], user="ada", since=NOW - SLICE))
    members = [*nodes(TASKS_NAMED + 2), node("m0")]
    reason = why(members, [*holders, waiting(1, 3, submitted_at=NOW - 5)])[TaskId(1)]
    assert reason.code is WaitCode.NO_FREE_NODES
    told = {"needed": 3, "nodes": 11, "healthy": 11, "free": 0, "leaving": 0, "preemptible": 1}
    assert some(reason, *told) == told
    assert evidence(reason)["held_by"] == [*range(19, 11, -1)]  # who is safe shortest
    assert evidence(reason)["held_by_more"] == 3
    safe_until = evidence(reason)["safe_until"]
    assert isinstance(safe_until, dict)
    assert safe_until["19"] == NOW - 9 * 60 + SLICE
    assert "30" not in safe_until  # ada's own does not leave for ada
    assert evidence(reason)["own"] == 1


def test_only_own_tasks_of_its_level_are_told_as_such() -> None:
    claims = [
        active(8, ["n0"], LOW, user="ada"),
        active(9, ["n1"], user="ada", since=NOW),
        active(10, ["n2"], since=NOW),
        waiting(1, 3, submitted_at=NOW - 5),
    ]
    assert evidence(why(nodes(3), claims)[TaskId(1)])["own"] == 1


def test_no_slice_frees_what_stands_above() -> None:
    """Nor what would come back above if it left; what stands below is no question of slices."""
    claims = [
        active(7, ["n0"], HIGH, since=NOW - 60),
        active(8, ["n1"], LOW, since=NOW - 120),
        active(9, ["n2"], since=NOW - 30),
        active(10, ["n3"], Priority.AUTO, charged=NORMAL, since=NOW - 90),
        waiting(1, 4, submitted_at=NOW - 5),
    ]
    reason = why(nodes(4), claims)[TaskId(1)]
    told = {"held_by": [8, 9, 7, 10], "own": 0, "higher": 2}
    assert some(reason, *told) == told
    assert evidence(reason)["safe_until"] == {"9": NOW - 30 + SLICE}


def test_zones_that_keep_free_nodes_apart_are_told() -> None:
    members = [node(f"{zone}{number}", zone=zone) for zone in "ab" for number in range(3)]
    reason = why(members, [active(8, ["a0", "b0"], since=NOW), waiting(1, 4)])[TaskId(1)]
    assert some(reason, "free", "fitting") == {"free": 4, "fitting": 2}
    members = [node(f"{zone}{number}", zone=zone) for zone in "abc" for number in range(2)]
    reason = why(members, [waiting(1, 6)])[TaskId(1)]
    assert reason.code is WaitCode.UNHEALTHY
    assert some(reason, "healthy", "in_two_zones") == {"healthy": 6, "in_two_zones": 4}


def test_a_hand_over_names_nodes_and_leavers() -> None:
    claims = [active(8, ["n0"], LOW), active(9, ["n1"], HIGH), waiting(1, 1, NORMAL)]
    reason = why(nodes(2), claims)[TaskId(1)]
    assert reason == Handover(
        group=GROUP, level=NORMAL, nodes=(NodeName("n0"),), tasks=(TaskId(8),)
    )


def test_who_stands_behind_is_told_the_head() -> None:
    claims = [
        active(9, ["n0"], user="eve", since=NOW),
        waiting(1, 2, user="ada", submitted_at=NOW - 9),
        waiting(2, 2, user="bob", submitted_at=NOW - 8),
    ]
    found = why(nodes(2), claims)
    assert found[TaskId(1)].code is WaitCode.NO_FREE_NODES
    assert found[TaskId(2)].code is WaitCode.BEHIND
    assert some(found[TaskId(2)], "head", "needed", "free", "level") == {
        "head": 1,
        "needed": 2,
        "free": 1,
        "level": "NORMAL",
    }


@pytest.mark.parametrize(("limit", "spares"), [(4, "quota"), (9, "turn")])
def test_who_does_not_run_in_the_shadow_of_their_own_gang_is_told_why(
    limit: int, spares: str
) -> None:
    claims = [
        active(8, ["n0"], user="ada", since=NOW - SLICE),
        active(9, ["n1", "n2"], user="eve", since=NOW),
        waiting(1, 3, user="ada", submitted_at=NOW - 9),
        waiting(2, 1, user="ada", submitted_at=NOW - 8),
        waiting(3, 2, user="eve", submitted_at=NOW - 7),  # next, and would have n0 and n3
    ]
    quotas = [Quota(EVERYONE, GROUP, NORMAL, 9), Quota(UserName("ada"), GROUP, NORMAL, limit)]
    found = why((*nodes(4), node("n4", ready=False)), claims, quotas)
    assert found[TaskId(2)].code is WaitCode.BEHIND
    assert some(found[TaskId(2)], "head", "spares") == {"head": 1, "spares": spares}


def test_positions_are_told_when_they_are_known() -> None:
    claims = [active(9, ["n0"], since=NOW), waiting(1), waiting(2)]
    state = state_of(nodes(1), claims, now=NOW)
    decided = plan(state, NOW)
    with applied(state, decided):
        told = reason_of(state, decided, TaskId(2), {TaskId(2): 2})
    assert evidence(told)["position"] == 2


def test_whoever_waits_for_their_own_task_is_nobodys_head() -> None:
    claims = [
        active(9, ["n0", "n1"], user="bob", since=NOW - SLICE),
        active(8, ["n2"], user="eve", since=NOW),
        waiting(1, 2, user="bob", submitted_at=NOW - 90_000),
        waiting(2, 3, user="ada", submitted_at=NOW - 9),
        waiting(3, 3, user="cyd", submitted_at=NOW - 8),
    ]
    found = why(nodes(3), claims)
    assert evidence(found[TaskId(1)])["kept_out_by"] == "own"
    assert evidence(found[TaskId(1)])["own"] == 2
    assert evidence(found[TaskId(3)])["head"] == 2


def test_a_task_that_no_plan_has_seen() -> None:
    state = state_of(nodes(1), [active(1, ["n0"])], now=NOW)
    for task_id in (1, 99):
        assert reason_of(state, Plan(), TaskId(task_id)) == NotPlanned()


def test_a_head_of_another_group_holds_nobody_back() -> None:
    quotas = [*AMPLE, Quota(EVERYONE, GROUP, NORMAL, 9)]
    other = replace(waiting(1, 2), group=waiting(1, group="other").group)
    state = state_of(nodes(1), [other, waiting(2)], quotas, now=NOW)
    decided = Plan(
        reasons={
            TaskId(1): NoFreeNodes(
                group=other.group,
                level=NORMAL,
                needed=2,
                nodes=1,
                healthy=1,
                free=0,
                leaving=0,
                preemptible=0,
            )
        }
    )
    assert head_of(state, decided, state.claims[TaskId(2)]) is None
    assert state.nodes[NodeName("n0")].group == GROUP
    assert state.claims[TaskId(2)].state is TaskState.QUEUED
