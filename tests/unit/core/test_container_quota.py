"""Quotas of dev containers: how rows are read, and that no tick exceeds them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.core.allowance import Allowance, check_resource
from hai.core.assume.transaction import applied
from hai.core.codec import decode_delta, decode_snapshot, encode_delta, encode_snapshot
from hai.core.container_quota import (
    UNLIMITED,
    ContainerLimits,
    ContainerQuota,
    container_quotas,
    limits_in,
)
from hai.core.inputs import Delta, Snapshot
from hai.core.lifecycle.claim_updates import running
from hai.core.node import Node
from hai.core.plan import Claim
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.reasons.finding import reason_of
from hai.core.resources import GIB, NOTHING, Resources, total
from hai.core.types import GroupName, NodeName, TaskId, UserName, WaitCode
from hai.wording import wait_reasons
from tests.factories import NOW, claim, user

LAB = GroupName("lab")
ALICE = UserName("alice")


@pytest.mark.parametrize(
    ("amounts", "limits"),
    [
        pytest.param({}, UNLIMITED, id="no row"),
        pytest.param({"jupyter:other": 100012810}, UNLIMITED, id="another group"),
        pytest.param(
            {"jupyter:lab": 100012810}, ContainerLimits(128_000, 1000 * GIB, None, 10), id="packed"
        ),
        pytest.param({"jupyter:lab": 0}, ContainerLimits(0, 0, None, 0), id="packed nothing"),
        pytest.param(
            {"jupyter:lab": 100012810, "jupyter_memory:lab": 64, "jupyter_gpus:lab": 0},
            ContainerLimits(128_000, 64 * GIB, 0, 10),
            id="the readable win where they speak",
        ),
        pytest.param(
            {"jupyter_containers:lab": 2}, ContainerLimits(containers=2), id="only containers"
        ),
    ],
)
def test_rows_as_limits(amounts: dict[str, int], limits: ContainerLimits) -> None:
    assert limits_in(amounts, "lab") == limits


def test_own_rows_win_and_expired_ones_do_not_count() -> None:
    rows = [
        Allowance("public", "jupyter_cpu:lab", 4),
        Allowance("alice", "jupyter_cpu:lab", 0),
        Allowance("public", "jupyter_gpus:lab", 1, expires_at=NOW - 1),
        Allowance("public", "train_environment:x", 1),
    ]
    assert container_quotas(rows, [user("bob"), user("alice")], NOW) == (
        ContainerQuota(ALICE, LAB, ContainerLimits(millicores=0)),
        ContainerQuota(UserName("bob"), LAB, ContainerLimits(millicores=4000)),
    )
    assert container_quotas(rows[3:], [user("bob")], NOW) == ()


@pytest.mark.parametrize("name", ["cpu", "memory", "gpus", "containers"])
def test_readable_rows_are_known(name: str) -> None:
    check_resource(f"jupyter_{name}:lab")
    with pytest.raises(ValueError, match="no resource"):
        check_resource(f"jupyter_{name}s:lab")


def container(task_id: int, cpus: int, gib: int = 1, name: str = "alice") -> Claim:
    asks = Resources(cpus * 1000, gib * GIB)
    at = NOW + task_id
    return claim(
        task_id=TaskId(task_id), user=UserName(name), group=LAB, asks=asks, submitted_at=at
    )


def snapshot(limits: ContainerLimits, *claims: Claim) -> Snapshot:
    one = Node(NodeName("a"), LAB, "local", cpus=64, memory_bytes=256 * GIB)
    quotas = (ContainerQuota(ALICE, LAB, limits),)
    policy = Policy(shared_prefix="lab")
    return Snapshot(NOW + 100, policy, (one,), (), claims, {}, quotas)


def test_one_waits_for_its_users_quota_and_nobody_else_does() -> None:
    claims = [container(1, 3), container(2, 2), container(3, 1), container(4, 8, name="bob")]
    state = snapshot(ContainerLimits(millicores=4000), *claims).state()
    decided = plan(state, state.now)
    assert [start.task_id for start in decided.starts] == [1, 4]
    assert {one: decided.reasons[TaskId(one)].code for one in (2, 3)} == {
        2: WaitCode.QUOTA_EXCEEDED,
        3: WaitCode.BEHIND,
    }
    with applied(state, decided):
        told = wait_reasons.text(reason_of(state, decided, TaskId(2)))
    assert told == (
        "asks for 2 cpus in lab, where the user's quota is 4 cpus, and 3 cpus are in use"
    )


def test_more_than_the_quota_waits_alone() -> None:
    state = snapshot(ContainerLimits(containers=1, gpus=0), container(1, 1)).state()
    assert len(plan(state, state.now).starts) == 1
    state = snapshot(ContainerLimits(millicores=500), container(1, 1), container(2, 1)).state()
    decided = plan(state, state.now)
    assert {reason.code for reason in decided.reasons.values()} == {WaitCode.NO_QUOTA}
    told = wait_reasons.text(decided.reasons[TaskId(1)])
    assert told == "asks for 1 cpu in lab, where the user's quota is 0.5 cpus"


def test_the_journal_keeps_them() -> None:
    taken = snapshot(ContainerLimits(1, None, 0, 5), container(1, 1))
    assert decode_snapshot(json.loads(json.dumps(encode_snapshot(taken)))) == taken
    delta = Delta(NOW, containers=taken.containers)
    assert decode_delta(json.loads(json.dumps(encode_delta(delta)))) == delta
    state = taken.state()
    assert not plan(state, state.now).starts
    assert Delta(NOW, containers=()).apply(state)
    assert len(plan(state, state.now).starts) == 1


@given(
    st.builds(
        ContainerLimits,
        st.none() | st.integers(0, 8000),
        st.none() | st.integers(0, 8).map(lambda gib: gib * GIB),
        st.none(),
        st.none() | st.integers(0, 4),
    ),
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), max_size=8),
)
def test_no_quota_is_ever_exceeded(limits: ContainerLimits, wanted: list[tuple[int, int]]) -> None:
    claims = [container(i, cpus, gib) for i, (cpus, gib) in enumerate(wanted, 1)]
    state = snapshot(limits, *claims).state()
    for _ in range(3):
        for start in plan(state, state.now).starts:
            state.put(running(state.claims[start.task_id], start, state.now))
        held = [one.asks or NOTHING for one in state.claims.values() if one.state.is_active]
        assert not limits.exceeded_by(total(held), len(held))
        for one in [one for one in state.claims.values() if one.state.is_active][:1]:
            state.remove(one.task_id, state.now)
