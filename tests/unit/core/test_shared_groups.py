"""Groups whose nodes containers share: whole ticks of the planner, replay, what-if, forecast."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.core.assume.transaction import applied
from hai.core.codec import decode_delta, decode_snapshot, encode_delta, encode_plan, encode_snapshot
from hai.core.forecast import forecast
from hai.core.inputs import Delta, Snapshot
from hai.core.lifecycle.claim_updates import back_in_line, running
from hai.core.node import Node, NodeHealth
from hai.core.plan import Claim, Plan
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.queue.service_order import service_order
from hai.core.reasons.codec import evidence
from hai.core.reasons.finding import reason_of
from hai.core.resources import GIB, NOTHING, Resources, of_node, total
from hai.core.state import SchedulerState
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName, WaitCode
from hai.core.whatif import counterfactuals, what_if
from hai.wording import wait_reasons
from tests.factories import NOW, claim

LAB = GroupName("lab_cpu")
POLICY = Policy(shared_prefix="lab_")


def node(name: str, cpus: float = 8.0, gib: int = 32, gpus: int = 2, **more: Any) -> Node:
    size: dict[str, Any] = {"gpus": gpus, "cpus": cpus, "memory_bytes": gib * GIB}
    return Node(NodeName(name), more.pop("group", LAB), "local", **size, **more)


def container(task_id: int, cpus: float = 1.0, gib: float = 1, gpus: int = 0, **more: Any) -> Claim:
    asks = Resources(round(cpus * 1000), round(gib * GIB), gpus)
    values: dict[str, Any] = {"group": LAB, "asks": asks, "submitted_at": NOW + task_id, **more}
    return claim(task_id=TaskId(task_id), **values)


def snapshot(nodes: list[Node], *claims: Claim) -> Snapshot:
    return Snapshot(NOW + 1000, POLICY, tuple(nodes), (), claims, {})


def planned(nodes: list[Node], *claims: Claim) -> tuple[SchedulerState, Plan]:
    state = snapshot(nodes, *claims).state()
    return state, plan(state, state.now)


def told(state: SchedulerState, decided: Plan, task_id: int) -> str:
    with applied(state, decided):
        return wait_reasons.text(reason_of(state, decided, TaskId(task_id)))


def test_several_start_on_one_node_without_any_node_quota() -> None:
    _, decided = planned(
        [node("a")], container(1, 2), container(2, 4, gpus=1), container(3, gpus=1)
    )
    assert [(one.task_id, one.nodes, one.gpu_indices) for one in decided.starts] == [
        (1, ("a",), ()),
        (2, ("a",), ((0,),)),
        (3, ("a",), ((1,),)),
    ]
    assert {one.priority for one in decided.starts} == {Priority.NORMAL}


def test_who_runs_holds_its_part_and_its_gpus() -> None:
    holder = container(
        1,
        gpus=1,
        state=TaskState.RUNNING,
        holds=(NodeName("a"),),
        gpu_indices=((0,),),
        charged=Priority.NORMAL,
        since=NOW,
    )
    _, decided = planned([node("a")], holder, container(2, gpus=1), container(3, gpus=1))
    assert [(one.task_id, one.gpu_indices) for one in decided.starts] == [(2, ((1,),))]


def test_one_that_leaves_holds_its_part_until_it_has_left() -> None:
    holder = container(
        1, 8, state=TaskState.SUSPENDING, holds=(NodeName("a"),), charged=Priority.NORMAL, since=NOW
    )
    state, decided = planned([node("a")], holder, container(2))
    assert not decided.starts
    assert told(state, decided, 2) == (
        "asks for 1 cpu, 1 GiB of memory and 0 GPUs: a of lab_cpu has 0 cpus free; "
        "the rest is held by task 1"
    )


def test_the_reason_names_what_is_short_and_what_is_free() -> None:
    state, decided = planned([node("a")], container(1, 6, 30, 2), container(2, 1, 4, 1))
    assert told(state, decided, 2) == (
        "asks for 1 cpu, 4 GiB of memory and 1 GPU: a of lab_cpu has 2 GiB of memory and 0 GPUs "
        "free; the rest is held by task 1"
    )
    found = evidence(decided.reasons[TaskId(2)])
    assert found["short"] == ["memory", "gpus"]
    assert found["free"] == {"cpu": 2.0, "memory_bytes": 2 * GIB, "gpus": 0}


@pytest.mark.parametrize(
    ("nodes", "asked", "code", "said"),
    [
        pytest.param(
            [node("a"), node("b", gpus=1)],
            container(1, gpus=3),
            WaitCode.NO_ROOM,
            "asks for 3 GPUs of one node, and no node of lab_cpu has more than 2 GPUs",
            id="larger than any node",
        ),
        pytest.param(
            [node("a", health=NodeHealth.CORDONED)],
            container(1),
            WaitCode.UNHEALTHY,
            "needs 1 node: only 0 of 1 in lab_cpu are healthy",
            id="out of service",
        ),
        pytest.param(
            [],
            container(1),
            WaitCode.GROUP_UNKNOWN,
            "waits for a group that has no nodes: lab_cpu",
            id="no node",
        ),
        pytest.param(
            [node("a")],
            container(1, held=True),
            WaitCode.HELD,
            "is suspended until somebody resumes it",
            id="held",
        ),
    ],
)
def test_what_cannot_start(nodes: list[Node], asked: Claim, code: WaitCode, said: str) -> None:
    state, decided = planned(nodes, asked)
    assert not decided.starts
    with applied(state, decided):
        assert reason_of(state, decided, asked.task_id).code is code
    assert told(state, decided, asked.task_id) == said


def test_the_first_that_does_not_fit_is_not_passed_over_for_ever() -> None:
    """It keeps the node where least is missing; what it does not wait for there others may have."""
    full = container(
        1, 6, state=TaskState.RUNNING, holds=(NodeName("a"),), charged=Priority.NORMAL, since=NOW
    )
    first, small, memory = container(2, 4), container(3, 1), container(4, 0.001, 30)
    state, decided = planned([node("a")], full, first, small, memory)
    assert [one.task_id for one in decided.starts] == []
    assert decided.reasons[TaskId(3)].code is WaitCode.BEHIND
    assert "behind task 2" in told(state, decided, 3)
    _, decided = planned([node("a"), node("b", 2)], full, first, small)
    assert [(one.task_id, one.nodes) for one in decided.starts] == [(3, ("b",))]


def test_users_take_turns_and_a_priority_above_normal_is_none() -> None:
    claims = [
        container(1, 8, user=UserName("alice")),
        container(2, 8, user=UserName("alice"), priority=Priority.EXTREME_HIGH),
        container(3, 8, user=UserName("bob"), priority=Priority.AUTO),
        container(4, 8, user=UserName("carol"), priority=Priority.LOW),
    ]
    state, decided = planned([node("a"), node("b")], *claims)
    assert [one.task_id for one in decided.starts] == [1, 3]
    assert service_order(state, LAB) == [1, 3, 2, 4]


def test_a_task_without_a_part_gets_a_node_alone() -> None:
    alone = claim(task_id=TaskId(1), group=LAB, submitted_at=NOW)
    _, decided = planned([node("a")], alone, container(2))
    assert [one.task_id for one in decided.starts] == [1]


def test_dedicated_groups_are_as_before() -> None:
    whole = container(1, group=GroupName("other"), asks=None)
    nodes = [node("a", group=GroupName("other"))]
    state, decided = planned(nodes, whole)
    assert not decided.starts
    with applied(state, decided):
        assert reason_of(state, decided, TaskId(1)).code is WaitCode.NO_QUOTA


def test_a_resumed_container_finds_its_node_again() -> None:
    started = running(container(1), planned([node("b")], container(1))[1].starts[0], NOW)
    waiting = back_in_line(started, NOW + 5)
    assert waiting.gpu_indices == ()
    _, decided = planned([node("a"), node("b")], waiting)
    assert decided.starts[0].nodes == ("b",)


def test_what_if_and_forecast() -> None:
    nodes = [node("a"), node("c", group=GroupName("other"))]
    holder = container(
        1, 8, state=TaskState.RUNNING, holds=(NodeName("a"),), charged=Priority.NORMAL, since=NOW
    )
    state, decided = planned(nodes, holder, container(2))
    prospect = what_if(state, TaskId(2), before=decided)
    assert prospect.reason is not None
    assert prospect.reason.code is WaitCode.NO_ROOM
    assert counterfactuals(state, TaskId(2), before=decided) == ()
    guess = forecast(snapshot(nodes, holder, container(2)), TaskId(2), {})
    assert guess.latest is None
    assert forecast(snapshot(nodes, container(2)), TaskId(2), {}).latest == NOW + 1000


def test_the_journal_keeps_everything() -> None:
    taken = snapshot([node("a")], container(1, 2, gpus=1), container(2, 2, gpus=2))
    data = json.loads(json.dumps(encode_snapshot(taken)))
    assert decode_snapshot(data) == taken
    state = taken.state()
    decided = plan(state, state.now)
    start = decided.starts[0]
    assert json.loads(json.dumps(encode_plan(decided)))["starts"] == [[1, ["a"], 10, False, [[0]]]]
    delta = Delta(NOW + 1001, claims=(running(state.claims[TaskId(1)], start, NOW + 1001),))
    assert decode_delta(json.loads(json.dumps(encode_delta(delta)))) == delta


CLAIMS = st.lists(
    st.tuples(
        st.integers(1, 9000),
        st.integers(1, 20),
        st.integers(0, 3),
        st.sampled_from(["alice", "bob", "carol"]),
        st.sampled_from([Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.AUTO]),
        st.booleans(),
    ),
    max_size=12,
)


@given(
    st.lists(st.tuples(st.integers(1, 8), st.integers(4, 16), st.integers(0, 3)), max_size=4),
    CLAIMS,
    st.randoms(use_true_random=False),
)
def test_ticks_never_overfill_a_node_and_serve_who_is_next(
    sizes: list[tuple[int, int, int]], wanted: list[Any], chance: Any
) -> None:
    nodes = [node(f"n{i}", c, m, g) for i, (c, m, g) in enumerate(sizes)]
    claims = [
        container(i, milli / 1000, gib, gpus, user=UserName(user), priority=level)
        for i, (milli, gib, gpus, user, level, _) in enumerate(wanted, 1)
    ]
    state = snapshot(nodes, *claims).state()
    for _ in range(4):
        shuffled = list(state.claims.values())
        chance.shuffle(shuffled)
        decided = plan(state, state.now)
        rebuilt = snapshot(nodes, *shuffled).state()
        assert plan(rebuilt, rebuilt.now).starts == decided.starts
        _check_next(state, nodes, decided)
        for start in decided.starts:
            state.put(running(state.claims[start.task_id], start, state.now))
        _check_sums(state, nodes)
        for ended in [one for one in state.claims.values() if one.state.is_active][::2]:
            state.remove(ended.task_id, state.now)


def _check_sums(state: SchedulerState, nodes: list[Node]) -> None:
    for one in nodes:
        holders = state.holders_of(one.name)
        parts = total(holder.asks or NOTHING for holder in holders)
        assert of_node(one).covers(parts)
        given_out = sorted(index for holder in holders for index in sum(holder.gpu_indices, ()))
        assert all(a < b for a, b in pairwise(given_out))
        assert set(given_out) <= set(range(one.gpus))
        assert len(given_out) == parts.gpus


def _check_next(state: SchedulerState, nodes: list[Node], decided: Plan) -> None:
    """Whoever is next and fits somewhere starts."""
    started = {start.task_id for start in decided.starts}
    order = service_order(state, LAB)
    if not order:
        return
    first = state.claims[order[0]]
    free = [
        of_node(one).minus(total(h.asks or NOTHING for h in state.holders_of(one.name)))
        for one in nodes
    ]
    fits = any(room.covers(first.asks or NOTHING) for room in free)
    assert (first.task_id in started) == fits
    waiting = {task_id for task_id in order if task_id not in started}
    assert waiting == set(decided.reasons)
    assert replace(decided, starts=(), reasons={}) == Plan()
