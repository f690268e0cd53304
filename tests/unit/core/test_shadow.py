"""Who runs in the shadow of a gang that waits, and what they must leave to it: the nodes, the quota
and the turn of their own user's."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from hai.core.node import Node
from hai.core.plan import Claim, Plan, Suspend
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.quota import Quota, QuotaTable
from hai.core.reasons.codec import evidence
from hai.core.reasons.kinds import Behind
from hai.core.state import build_state
from hai.core.types import Loss, Priority, TaskId, TaskState, UserName, WaitCode
from tests.unit.core.clusters import AMPLE, GROUP, active, nodes
from tests.unit.core.sharing import (
    HIGH,
    LOW,
    NORMAL,
    NOW,
    SLICE,
    backfilled,
    fresh,
    ran,
    started,
)


def decide(
    members: Sequence[Node],
    claims: Iterable[Claim],
    *quotas: Quota,
    policy: Policy | None = None,
    usage: dict[str, float] | None = None,
) -> Plan:
    """`quotas` are further ones than ample ones for everybody."""
    used = {(GROUP, UserName(user)): (seconds, None) for user, seconds in (usage or {}).items()}
    table = QuotaTable.of([*AMPLE, *quotas])
    return plan(build_state(policy or Policy(), members, table, claims, NOW, used), NOW)


def quota(user: str, limit: int, level: Priority = NORMAL) -> Quota:
    return Quota(UserName(user), GROUP, level, limit)


def stands_back(decided: Plan) -> dict[int, tuple[int | None, Loss | None]]:
    """For which task, and for what of it."""
    return {
        int(task_id): (reason.head, reason.spares)
        for task_id, reason in decided.reasons.items()
        if isinstance(reason, Behind)
    }


# nodes

OWN_IN_THE_WAY = (
    active(1, ["n0", "n1"], user="bob", **ran(0)),
    fresh(2, 4, user="bob", submitted_at=NOW - 50),
    fresh(3, 1, user="bob", submitted_at=NOW - 40),
    fresh(4, 1, user="eve", submitted_at=NOW - 30),
)


def test_behind_a_gang_that_its_user_keeps_out_the_users_own_run_as_backfill_only() -> None:
    """The gang's nodes come free as the user's own tasks end: what comes later must not hold them
    for a slice. Others take their turn."""
    decided = decide(nodes(4), OWN_IN_THE_WAY)
    assert started(decided) == [4, 3]
    assert backfilled(decided) == [3]
    assert evidence(decided.reasons[TaskId(2)])["kept_out_by"] == "own"
    assert stands_back(decided) == {}


def test_where_no_node_is_free_there_is_nothing_to_leave() -> None:
    """Both of ada's wait for nodes, at two levels; one of them takes what LOW holds."""
    claims = [
        active(1, ["n0"], HIGH, user="uma", **ran(0)),
        active(5, ["n1"], LOW, user="bob", **ran(0)),
        fresh(2, 2, HIGH, user="ada"),
        fresh(3, 1, user="ada"),
    ]
    decided = decide(nodes(2), claims)
    assert decided.suspends == (Suspend(TaskId(5), TaskId(3)),)
    assert stands_back(decided) == {}


def test_without_backfill_they_wait_for_the_gang() -> None:
    decided = decide(nodes(4), OWN_IN_THE_WAY, policy=Policy(backfill=False))
    assert started(decided) == [4]
    assert stands_back(decided) == {3: (2, Loss.NODES)}


# quota


@pytest.mark.parametrize(("count", "fits"), [(2, True), (3, False)])
def test_nodes_that_left_the_group_leave_no_room_in_its_quota(count: int, *, fits: bool) -> None:
    """A quota as wide as the group keeps nobody out but for this: ada holds a node that is gone."""
    lost = active(1, ["x0"], user="ada", **ran(0))
    claims = [lost, fresh(2, count, user="ada"), fresh(3, 1, user="eve")]
    decided = decide(nodes(3), claims, quota("ada", 3), usage={"eve": 1e6})
    assert started(decided) == ([2, 3] if fits else [3])
    assert [reason.code for reason in decided.reasons.values()] == (
        [] if fits else [WaitCode.QUOTA_EXCEEDED]
    )


@pytest.mark.parametrize(("count", "fits"), [(1, True), (2, False)])
def test_nor_is_there_room_for_backfill(count: int, *, fits: bool) -> None:
    claims = [
        active(1, ["x0", "x1"], user="ada", **ran(0)),
        active(4, ["n2"], user="uma", **ran(0)),
        fresh(5, 3, user="bob"),
        fresh(2, count, user="ada"),
        fresh(3, 1, user="eve"),
    ]
    decided = decide(nodes(3), claims, quota("ada", 3), usage={"eve": 1e6})
    assert backfilled(decided) == started(decided) == ([2, 3] if fits else [3])
    if not fits:
        assert decided.reasons[TaskId(2)].code is WaitCode.QUOTA_EXCEEDED


IN_THE_WAY = (
    active(1, ["n0"], HIGH, user="uma", **ran(0)),
    active(9, ["n1"], user="kim", **ran(0)),
)
EVES_GANG = fresh(2, 5, user="eve", submitted_at=NOW - 90)
LEFT_FOR_2 = fresh(
    8,
    1,
    LOW,
    user="bob",
    state=TaskState.SUSPENDED,
    suspended_at=NOW - 5,
    queued_at=NOW,
    for_task=TaskId(2),
)


@pytest.mark.parametrize(
    ("claims", "limit", "head"),
    [
        pytest.param(
            [EVES_GANG, fresh(4, 5, user="ada", submitted_at=NOW - 70), fresh(3, user="ada")],
            5,
            4,
            id="though somebody else's comes before both",
        ),
        pytest.param(
            [fresh(2, 5, user="ada", custom_rank=1.0), LEFT_FOR_2, fresh(3, user="ada")],
            5,
            2,
            id="though it is first only since somebody left for it",
        ),
        pytest.param(
            [
                active(10, ["n2"], user="kim", **ran(0)),
                EVES_GANG,
                fresh(4, 4, user="ada", submitted_at=NOW - 70),
                fresh(3, user="ada"),
            ],
            5,
            None,
            id="which may have all that it needs beside it",
        ),
        pytest.param(
            [EVES_GANG, fresh(3, user="ada"), fresh(4, 2, user="ada")],
            2,
            None,
            id="not to one that comes later",
        ),
        pytest.param([EVES_GANG, fresh(3, user="ada")], 2, None, id="not to somebody else's"),
        pytest.param(
            [EVES_GANG, fresh(4, 6, HIGH, user="ada"), fresh(3, user="ada")],
            2,
            None,
            id="not to one at another level",
        ),
    ],
)
def test_backfill_leaves_the_quota_to_a_gang_of_its_users_that_comes_before(
    claims: list[Claim], limit: int, head: int | None
) -> None:
    """Task 3 is ada's, whose quota is narrower than the group."""
    decided = decide(nodes(6), [*IN_THE_WAY, *claims], quota("ada", limit))
    assert backfilled(decided) == ([3] if head is None else [])
    assert stands_back(decided) == ({} if head is None else {3: (head, Loss.QUOTA)})


# turns


@pytest.mark.parametrize(("width", "fills"), [(2, False), (3, True)])
@pytest.mark.parametrize("level", [LOW, NORMAL])
def test_a_gang_leaves_its_turn_to_another_that_waits_as_well(
    level: Priority, width: int, *, fills: bool
) -> None:
    """With task 5 it would be bob's turn. His gang of two fits then by kim's node and that of task
    5, which was given for nothing; that of three waits as ada's does."""
    claims = [
        active(1, ["n0"], user="uma", **ran(0)),
        active(2, ["n1"], user="kim", **ran(2 * SLICE)),
        fresh(3, 3, user="ada", submitted_at=NOW - 50),
        fresh(4, width, user="bob", submitted_at=NOW - 40),
        fresh(5, 1, level, user="ada", submitted_at=NOW - 30),
    ]
    decided = decide(nodes(3), claims)
    assert started(decided) == ([5] if fills else [])
    assert stands_back(decided) == ({} if fills else {5: (3, Loss.TURN)})


@pytest.mark.parametrize("level", [LOW, NORMAL])
def test_a_promised_gang_that_is_kept_out_hides_nobody_behind_it(level: Priority) -> None:
    """Eve's was promised nodes that her own task keeps. With task 5 it would be bob's turn, whose
    gang fits then."""
    claims = [
        active(1, ["n0"], user="uma", **ran(0)),
        active(2, ["n1"], user="kim", **ran(2 * SLICE)),
        active(6, ["n3"], user="eve", **ran(0)),
        fresh(7, 4, user="eve", submitted_at=NOW - 60),
        replace(LEFT_FOR_2, nodes=9, for_task=TaskId(7)),
        fresh(3, 3, user="ada", submitted_at=NOW - 50),
        fresh(4, 2, user="bob", submitted_at=NOW - 40),
        fresh(5, 1, level, user="ada", submitted_at=NOW - 30),
    ]
    decided = decide(nodes(4), claims)
    assert evidence(decided.reasons[TaskId(7)])["kept_out_by"] == "own"
    assert started(decided) == []
    assert stands_back(decided) == {5: (3, Loss.TURN)}


@pytest.mark.parametrize("level", [LOW, NORMAL])
def test_the_turn_is_then_the_others_to_lose(level: Priority) -> None:
    """Neither ada's gang fits nor bob's; cyd's would, with kim's nodes. Task 6 makes it bob's turn,
    and with task 7 it would be cyd's."""
    claims = [
        active(1, ["n0", "n1"], user="uma", **ran(0)),
        active(2, ["n2", "n3"], user="kim", **ran(2 * SLICE)),
        fresh(3, 6, user="ada", submitted_at=NOW - 50),
        fresh(4, 6, user="bob", submitted_at=NOW - 40),
        fresh(5, 4, user="cyd", submitted_at=NOW - 30),
        fresh(6, 1, level, user="ada", submitted_at=NOW - 20),
        fresh(7, 1, level, user="bob", submitted_at=NOW - 10),
    ]
    decided = decide(nodes(7), claims)
    assert started(decided) == [6]
    assert stands_back(decided) == {7: (4, Loss.TURN)}


@pytest.mark.parametrize(("used_by_bob", "starts"), [(0.0, []), (1e6, [5])])
def test_without_backfill_a_low_task_does_not_end_its_users_turn_either(
    used_by_bob: float, starts: list[int]
) -> None:
    """With task 5 it would be bob's turn, and there are free nodes for his."""
    claims = [
        active(1, ["n0"], user="uma", **ran(0)),
        fresh(3, 3, user="ada"),
        fresh(4, 1, user="bob"),
        fresh(5, 1, LOW, user="ada"),
    ]
    policy = Policy(backfill=False)
    decided = decide(nodes(3), claims, policy=policy, usage={"bob": used_by_bob})
    assert started(decided) == starts
    assert stands_back(decided) == ({} if starts else {5: (3, Loss.TURN)})


def test_whoever_stands_back_for_their_own_does_not_take_the_turn() -> None:
    """With task 6 it would be cyd's turn. Task 4 leaves the quota to cyd's gang of the better rank;
    but then bob's gang comes, which fits."""
    claims = [
        active(1, ["n0"], user="uma", **ran(0)),
        active(2, ["n1"], user="kim", **ran(2 * SLICE)),
        active(8, ["n3"], user="cyd", **ran(0)),
        fresh(3, 4, user="ada"),
        fresh(4, 1, user="cyd"),
        fresh(9, 2, user="cyd", custom_rank=-1.0),
        fresh(5, 3, user="bob"),
        fresh(6, 2, LOW, user="ada"),
    ]
    decided = decide(nodes(5), claims, quota("cyd", 2), usage={"bob": 1.5 * SLICE, "kim": 1e6})
    assert started(decided) == []
    assert stands_back(decided)[6] == (3, Loss.TURN)


def test_backfill_does_not_end_a_gangs_patience() -> None:
    """Ada has used more than bob, and comes first because of her long wait alone: a backfill leaves
    her that, and bob, whose gang would fit, his place."""
    claims = [
        active(1, ["n0"], user="uma", **ran(0)),
        active(2, ["n1"], user="ada", **ran(2 * SLICE)),
        active(6, ["n2"], user="kim", **ran(2 * SLICE)),
        fresh(3, 3, user="ada", submitted_at=NOW - SLICE),
        fresh(4, 2, user="bob", submitted_at=NOW - 40),
        fresh(5, 1, user="ada", submitted_at=NOW - 30),
    ]
    assert backfilled(decide(nodes(4), claims)) == [5]


def test_whoever_stood_back_starts_once_another_has_made_it_harmless() -> None:
    """With task 5 it would be bob's turn, whose gang fits by kim's node. Once eve's task has one of
    the free nodes (she was suspended lately, so it is safe) that gang waits like ada's."""
    claims = [
        active(1, ["n0"], user="uma", **ran(0)),
        active(2, ["n1"], user="kim", **ran(2 * SLICE)),
        fresh(3, 4, user="ada", submitted_at=NOW - 50),
        fresh(4, 3, user="bob", submitted_at=NOW - 40),
        fresh(5, 1, user="ada", submitted_at=NOW - 30),
        fresh(6, 1, user="eve", state=TaskState.SUSPENDED, suspended_at=NOW - 1, queued_at=NOW - 1),
    ]
    decided = decide(nodes(4), claims)
    assert backfilled(decided) == [6, 5]
    assert stands_back(decided) == {}
