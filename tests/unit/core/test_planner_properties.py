"""What always holds of a plan, over random clusters and over many ticks of their life.

HYPOTHESIS_PROFILE=nightly runs 10,000 examples of each property instead of 500.
"""

import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hai.core.node import Node, NodeHealth
from hai.core.planner import Claim, ClusterState, Plan, Policy, plan
from hai.core.preemption import charged_level
from hai.core.quota import LEVELS, Quota, QuotaTable
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName, WaitCode
from tests.unit.core.clusters import SimulatedCluster

GROUPS = [GroupName("training"), GroupName("jupyter")]
USERS = [UserName(name) for name in ("ada", "bob", "eve")]
FEW_LEVELS = [Priority.LOW, Priority.NORMAL, Priority.HIGH]
ASKED = [*FEW_LEVELS, Priority.AUTO]
NOW = 1000.0

EXAMPLES = 10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 500
PROPERTY = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
pytestmark = pytest.mark.timeout(7200 if EXAMPLES > 500 else 120)


@st.composite
def member_lists(draw: st.DrawFn) -> tuple[Node, ...]:
    healths = st.sampled_from([NodeHealth.READY] * 5 + list(NodeHealth))
    leaves = st.sampled_from(["", "a", "b"])
    count = draw(st.integers(0, 8))
    return tuple(
        Node(
            NodeName(f"n{number}"),
            draw(st.sampled_from(GROUPS)) if number > 5 else GROUPS[0],
            "hollow",
            leaf=draw(leaves),
            health=draw(healths),
        )
        for number in range(count)
    )


@st.composite
def waiting_claims(draw: st.DrawFn, task_id: int, asked: Sequence[Priority]) -> Claim:
    return Claim(
        task_id=TaskId(task_id),
        user=draw(st.sampled_from(USERS)),
        group=draw(st.sampled_from([GROUPS[0]] * 4 + GROUPS)),
        nodes=draw(st.integers(1, 5)),
        priority=draw(st.sampled_from(asked)),
        state=draw(st.sampled_from([TaskState.QUEUED, TaskState.SUSPENDED])),
        submitted_at=float(draw(st.integers(0, 5))),
        held=draw(st.integers(0, 9)) == 0,
        custom_rank=float(draw(st.integers(0, 2))),
    )


@st.composite
def clusters(
    draw: st.DrawFn,
    *,
    asked: Sequence[Priority] = ASKED,
    changed: bool = True,
    leaving: bool = True,
    least_limit: int = 0,
) -> ClusterState:
    members = draw(member_lists())
    limits = st.integers(least_limit, least_limit + 8)
    quotas = [
        Quota(user, group, level, draw(limits))
        for user in USERS
        for group in GROUPS
        for level in FEW_LEVELS
    ]
    states = [TaskState.STARTING, TaskState.RUNNING]
    states += [TaskState.SUSPENDING, TaskState.STOPPING] if leaving else []
    free = {group: [node.name for node in members if node.group == group] for group in GROUPS}
    claims = []
    for task_id in range(1, draw(st.integers(0, 14)) + 1):
        claim = draw(waiting_claims(task_id, asked))
        holds = tuple(free[claim.group][: claim.nodes])
        if len(holds) == claim.nodes and draw(st.booleans()):
            del free[claim.group][: claim.nodes]
            charged = claim.priority
            if charged is Priority.AUTO or (changed and draw(st.integers(0, 4)) == 0):
                charged = draw(st.sampled_from(FEW_LEVELS))
            claim = replace(
                claim,
                state=draw(st.sampled_from(states)),
                holds=holds,
                held=False,
                charged=charged,
                since=NOW - draw(st.integers(0, 99)),
            )
        claims.append(claim)
    return ClusterState(members, tuple(claims), QuotaTable.of(quotas))


def unranked(state: ClusterState) -> ClusterState:
    claims = (replace(claim, custom_rank=0.0) for claim in state.claims)
    return replace(state, claims=tuple(claims))


def check(state: ClusterState, decided: Plan) -> None:
    """Every invariant that one plan can be held to."""
    claims = {claim.task_id: claim for claim in state.claims}
    check_nodes(state, claims, decided)
    check_quota(state, claims, decided)
    check_suspends(claims, decided)
    started = [start.task_id for start in decided.starts]
    candidates = {claim.task_id for claim in state.claims if claim.state.is_waiting}
    assert len(set(started)) == len(started)
    assert set(started) | set(decided.reasons) == candidates  # nobody is lost
    assert not set(started) & set(decided.reasons)
    assert not any(claims[task_id].held for task_id in started)


def check_nodes(state: ClusterState, claims: dict[TaskId, Claim], decided: Plan) -> None:
    held = Counter(name for c in state.claims if c.state.is_active for name in c.holds)
    nodes = {node.name: node for node in state.nodes}
    for start in decided.starts:
        claim = claims[start.task_id]
        assert len(start.nodes) == claim.nodes
        for name in start.nodes:
            assert nodes[name].health is NodeHealth.READY
            assert nodes[name].group == claim.group
        held.update(start.nodes)
    assert all(count == 1 for count in held.values())


def check_quota(state: ClusterState, claims: dict[TaskId, Claim], decided: Plan) -> None:
    used: Counter[tuple[UserName, GroupName, Priority]] = Counter()
    for claim in state.claims:
        if claim.state.is_active:
            used[claim.user, claim.group, charged_level(claim)] += len(claim.holds)
    for start in decided.starts:
        claim = claims[start.task_id]
        assert start.priority in LEVELS
        assert claim.priority in (start.priority, Priority.AUTO)
        key = (claim.user, claim.group, start.priority)
        used[key] += claim.nodes
        assert used[key] <= state.quotas.limit(*key)


def check_suspends(claims: dict[TaskId, Claim], decided: Plan) -> None:
    victims = [suspend.task_id for suspend in decided.suspends]
    assert len(set(victims)) == len(victims)
    for suspend in decided.suspends:
        victim, winner = claims[suspend.task_id], claims[suspend.for_task]
        assert victim.state in (TaskState.STARTING, TaskState.RUNNING)
        assert decided.reasons[winner.task_id].code is WaitCode.HANDOVER
        assert winner.priority is Priority.AUTO or charged_level(victim) < winner.priority
        named = decided.reasons[winner.task_id].evidence["tasks"]
        assert isinstance(named, list)
        assert victim.task_id in named
    set_aside = [
        name
        for reason in decided.reasons.values()
        if reason.code is WaitCode.HANDOVER
        for name in list_of(reason.evidence["nodes"])
    ]
    started = [name for start in decided.starts for name in start.nodes]
    assert len(set(set_aside + started)) == len(set_aside + started)


def list_of(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


@PROPERTY
@given(clusters(), st.booleans())
def test_one_plan(state: ClusterState, preemption: bool) -> None:
    decided = plan(state, Policy(preemption=preemption), NOW)
    event(f"starts {bool(decided.starts)}, suspends {bool(decided.suspends)}")
    check(state, decided)
    assert preemption or not decided.suspends


@PROPERTY
@given(clusters(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(state: ClusterState, rng: random.Random) -> None:
    nodes = rng.sample(state.nodes, len(state.nodes))
    claims = rng.sample(state.claims, len(state.claims))
    limits = rng.sample(list(state.quotas.limits.items()), len(state.quotas.limits))
    shuffled = ClusterState(tuple(nodes), tuple(claims), QuotaTable(dict(limits)))
    assert plan(shuffled, Policy(), NOW) == plan(state, Policy(), NOW)


@PROPERTY
@given(clusters(), st.booleans())
def test_an_unchanging_cluster_comes_to_rest(state: ClusterState, preemption: bool) -> None:
    """Nothing arrives and nothing ends: after every hand-over the plan is empty, and stays so.
    Each suspension made room for a start (its own task's or a better one's)."""
    cluster = SimulatedCluster(state, Policy(preemption=preemption), NOW)
    plans = cluster.settle()
    assert not cluster.tick().starts
    last = plans[-1]
    assert WaitCode.HANDOVER not in {reason.code for reason in last.reasons.values()}
    for number, decided in enumerate(plans):
        if decided.suspends:
            assert any(later.starts for later in plans[number + 1 :])


@PROPERTY
@given(clusters(asked=FEW_LEVELS, changed=False, leaving=False, least_limit=100))
def test_who_others_left_for_does_start(state: ClusterState) -> None:
    """With room in every quota and no ranks nobody new comes first: the named task starts."""
    cluster = SimulatedCluster(unranked(state), Policy(), NOW)
    for number, decided in enumerate(plans := cluster.settle()):
        for suspend in decided.suspends:
            later = [start.task_id for each in plans[number + 1 :] for start in each.starts]
            assert suspend.for_task in later


@PROPERTY
@given(clusters(), st.data())
def test_a_long_life(state: ClusterState, data: st.DataObject) -> None:
    """Tasks arrive, finish and leave when they like, nodes fail and come back: all plans hold."""
    cluster = SimulatedCluster(state, Policy(), NOW)
    task_id = len(state.claims)
    for _ in range(data.draw(st.integers(1, 8), label="ticks")):
        before = cluster.state
        check(before, cluster.tick())
        for leaver in cluster.leaving:
            if data.draw(st.booleans()):
                cluster.leave(leaver)
        running = [c for c in cluster.state.claims if c.state is TaskState.RUNNING]
        if data.draw(st.booleans()) and running:
            done = data.draw(st.sampled_from(running))
            cluster.finish(done.task_id)
        if data.draw(st.booleans()):
            task_id += 1
            cluster.change(data.draw(waiting_claims(task_id, ASKED)))
        if data.draw(st.booleans()) and cluster.state.nodes:
            node = data.draw(st.sampled_from(cluster.state.nodes))
            cluster.set_health(node.name, data.draw(st.sampled_from(NodeHealth)))
    cluster.settle()


@PROPERTY
@given(clusters())
def test_nobody_starts_past_a_better_claim_of_its_own_kind(state: ClusterState) -> None:
    """Of two claims alike but for age, neither ranked, the younger never starts alone."""
    state = unranked(state)
    started = {start.task_id for start in plan(state, Policy(), NOW).starts}
    free = [c for c in state.claims if c.state.is_waiting and not c.held]
    for older in free:
        for younger in free:
            alike = (older.user, older.group, older.nodes, older.priority) == (
                younger.user,
                younger.group,
                younger.nodes,
                younger.priority,
            )
            first = (older.submitted_at, older.task_id) < (younger.submitted_at, younger.task_id)
            if alike and first and younger.task_id in started:
                assert older.task_id in started
