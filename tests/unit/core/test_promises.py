"""Claims that somebody was suspended for: what they are given, and what they are not."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from hai.core.node import Node
from hai.core.plan import Claim, Plan, Suspend
from hai.core.planner import plan
from hai.core.quota import EVERYONE, Quota
from hai.core.types import Priority, TaskId, TaskState, UserName, WaitCode
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
from tests.unit.core.sharing import HIGH, LOW, NORMAL, NOW, SLICE, fresh, ran, started

AUTO = Priority.AUTO


def gone(task_id: int, for_task: int, count: int = 1, **fields: Any) -> Claim:
    """It was suspended for that task a moment ago, and is back in its line."""
    left = {"state": TaskState.SUSPENDED, "suspended_at": NOW - 5, "queued_at": NOW}
    return fresh(task_id, count, for_task=TaskId(for_task), **{"user": "bob", **left, **fields})


def decide(
    members: Sequence[Node], claims: Iterable[Claim], quotas: Sequence[Quota] = AMPLE
) -> Plan:
    return plan(state_of(members, claims, quotas, now=NOW), NOW)


def limits(**rows: int) -> list[Quota]:
    return [Quota(EVERYONE, GROUP, Priority[name], count) for name, count in rows.items()]


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        pytest.param(0, WaitCode.NO_QUOTA, id="no quota by now"),
        pytest.param(1, WaitCode.QUOTA_EXCEEDED, id="the quota is used"),
    ],
)
def test_a_promise_is_no_quota(limit: int, code: WaitCode) -> None:
    """Task 2's node is sick by now. Nobody else is suspended for one that may not start."""
    claims = [
        gone(1, for_task=2, priority=LOW),
        fresh(2, user="ada"),
        active(3, ["n1"], LOW, user="eve", **ran(0)),
        active(4, ["n2"], user="ada", **ran(0)),
        fresh(5, user="eve"),
    ]
    quotas = [*AMPLE, Quota(UserName("ada"), GROUP, NORMAL, limit)]
    state = state_of([node("n0", ready=False), *nodes(3)[1:]], claims, quotas, now=NOW)
    decided = plan(state, NOW)
    assert decided.suspends == (Suspend(TaskId(3), TaskId(5)),)
    assert reasons(state, decided)[TaskId(2)].code is code


def test_who_asks_for_any_level_gets_the_promised_nodes_where_it_has_room() -> None:
    """It is not looked at where it has none, so there is no reason why it waits either."""
    claims = [gone(1, for_task=2, priority=LOW), fresh(2, 1, AUTO, user="ada")]
    decided = decide(nodes(1), claims, limits(NORMAL=1, LOW=9))
    assert [(start.task_id, start.priority) for start in decided.starts] == [(2, NORMAL)]
    assert TaskId(2) not in decided.reasons


def test_a_promise_comes_at_its_own_level() -> None:
    """The level above is served before."""
    claims = [gone(1, for_task=2), fresh(2, user="ada"), fresh(3, 1, HIGH, user="eve")]
    assert started(decide(nodes(1), claims)) == [3]


@pytest.mark.parametrize("is_promised", [True, False])
def test_a_promise_comes_before_turns_when_nodes_were_lost(*, is_promised: bool) -> None:
    """Ada has used more than eve, whose slice is over: it is not ada's turn. But somebody was
    suspended for her already, and his node is sick by now."""
    claims = [
        gone(1, for_task=2 if is_promised else 8, user="bob", priority=LOW),
        fresh(2, user="ada"),
        active(3, ["n1"], user="eve", **ran(SLICE)),
        active(4, ["n2", "n3"], user="ada", **ran(SLICE)),
    ]
    members = [node("n0", ready=False), *nodes(4)[1:]]
    decided = decide(members, claims)
    assert decided.suspends == ((Suspend(TaskId(3), TaskId(2)),) if is_promised else ())


def test_what_its_user_has_before_it_does_not_hold_up_a_promise() -> None:
    """Ada's gang has the better rank and waits for the quota that her own task 4 uses."""
    claims = [
        gone(1, for_task=2, priority=LOW),
        fresh(2, user="ada"),
        fresh(3, 2, user="ada", custom_rank=-1.0),
        active(4, ["n1"], user="ada", **ran(0)),
    ]
    quotas = limits(NORMAL=2, LOW=9)
    assert started(decide(nodes(3), claims, quotas)) == [2, 1]
    assert started(decide(nodes(3), claims[1:], quotas)) == []


@pytest.mark.parametrize(("for_task", "starts"), [(5, 5), (8, 6)])
def test_a_promise_does_not_wait_for_the_turn_of_its_users_gang(for_task: int, starts: int) -> None:
    """With task 5 the turn is bob's, whose gang fits by kim's node and that of task 5."""
    claims = [
        gone(6, for_task=for_task, priority=LOW, user="uma"),
        active(1, ["n0"], user="uma", **ran(0)),
        active(2, ["n1"], user="kim", **ran(2 * SLICE)),
        fresh(3, 3, user="ada", submitted_at=NOW - 50),
        fresh(4, 2, user="bob", submitted_at=NOW - 40),
        fresh(5, 1, LOW, user="ada", submitted_at=NOW - 30),
    ]
    assert started(decide(nodes(3), claims)) == [starts]


def test_who_others_left_for_comes_first() -> None:
    """Task 1 leaves for task 9. Whoever comes meanwhile does not get its nodes."""
    cluster = SimulatedCluster(
        state_of(nodes(2), [active(1, ["n0", "n1"], LOW), waiting(9, 2, HIGH)])
    )
    assert cluster.tick().suspends == (Suspend(TaskId(1), TaskId(9)),)
    cluster.change(waiting(10, 1, HIGH, user="eve", submitted_at=2.0))
    cluster.leave(TaskId(1))
    assert started(cluster.tick()) == [9]
