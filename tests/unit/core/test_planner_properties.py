"""What always holds of a plan, over random clusters and over many ticks of their life.

HYPOTHESIS_PROFILE=nightly runs 10,000 examples of each property instead of 500.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from hai.core.assume.transaction import applied, demoted
from hai.core.node import NodeHealth
from hai.core.plan import Claim, Plan
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.preemption.victims import defended_level
from hai.core.quota import LEVELS, QuotaTable
from hai.core.reasons.codec import evidence
from hai.core.state import SchedulerState, build_state
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName, WaitCode
from tests.unit.core.clusters import SimulatedCluster, reasons
from tests.unit.core.pictures import picture
from tests.unit.core.properties import EXAMPLES, PROPERTY
from tests.unit.core.random_clusters import (
    ASKED,
    NOW,
    SLICE,
    Cluster,
    clusters,
    gangs_that_wait,
    waiting_claims,
)

pytestmark = pytest.mark.timeout(7200 if EXAMPLES > 500 else 600)


def check(state: SchedulerState, decided: Plan) -> None:
    """Every invariant that one plan can be held to."""
    with demoted(state, decided.demotions):  # who falls in this tick is an equal in it already
        check_after_demotions(state, decided)


def check_after_demotions(state: SchedulerState, decided: Plan) -> None:
    check_nodes(state, decided)
    check_zones(state, decided)
    check_quota(state, decided)
    check_suspends(state, decided)
    check_arrays(state, decided)
    check_heads(state, decided)
    started = [start.task_id for start in decided.starts]
    candidates = {claim.task_id for claim in state.claims.values() if claim.state.is_waiting}
    assert len(set(started)) == len(started)
    why = reasons(state, decided)
    assert set(started) | set(why) == candidates  # nobody is lost, and nobody without a reason
    assert WaitCode.NOT_PLANNED not in {reason.code for reason in why.values()}
    assert not set(started) & set(decided.reasons)
    for task_id in started:
        claim = state.claims[task_id]
        assert not claim.held
        assert not claim.waits_for
        assert claim.not_before is None or claim.not_before <= state.now


def check_nodes(state: SchedulerState, decided: Plan) -> None:
    held = Counter(n for c in state.claims.values() if c.state.is_active for n in c.holds)
    for start in decided.starts:
        claim = state.claims[start.task_id]
        assert len(start.nodes) == claim.nodes
        for name in start.nodes:
            assert state.nodes[name].health is NodeHealth.READY
            assert state.nodes[name].group == claim.group
        held.update(start.nodes)
    assert all(count == 1 for count in held.values())


def zones_of(state: SchedulerState, names: Sequence[NodeName]) -> set[str]:
    return {state.nodes[name].zone for name in names if name in state.nodes}


def check_zones(state: SchedulerState, decided: Plan) -> None:
    """No start spans more than two zones, or two when another task of the group does already."""
    spanning = Counter(
        claim.group
        for claim in state.claims.values()
        if claim.state.is_active and len(zones_of(state, claim.holds)) > 1
    )
    for start in decided.starts:
        zones = zones_of(state, start.nodes)
        assert len(zones) <= 2
        if len(zones) == 2:
            group = state.claims[start.task_id].group
            spanning[group] += 1
            assert spanning[group] == 1


def check_quota(state: SchedulerState, decided: Plan) -> None:
    used: Counter[tuple[UserName, GroupName, Priority]] = Counter()
    for claim in state.claims.values():
        if claim.state.is_active:
            used[claim.user, claim.group, claim.level] += len(claim.holds)
    for start in decided.starts:
        claim = state.claims[start.task_id]
        assert start.priority in LEVELS
        assert claim.priority in (start.priority, Priority.AUTO)
        key = (claim.user, claim.group, start.priority)
        used[key] += claim.nodes
        assert used[key] <= state.quotas.limit(*key)


def check_arrays(state: SchedulerState, decided: Plan) -> None:
    begun = {start.task_id for start in decided.starts}
    active = [
        claim
        for claim in state.claims.values()
        if claim.array is not None and (claim.state.is_active or claim.task_id in begun)
    ]
    if any(claim.task_id in begun for claim in active):
        assert len(active) <= active[0].array_limit


def heads(decided: Plan) -> set[TaskId]:
    """Whom nodes are kept for."""
    return {
        task_id
        for task_id, reason in decided.reasons.items()
        if reason.code is WaitCode.NO_FREE_NODES and "kept_out_by" not in evidence(reason)
    }


def check_heads(state: SchedulerState, decided: Plan) -> None:
    """What runs in the shadow of a gang takes no quota that the gang will need."""
    with applied(state, decided):
        for task_id in heads(decided):
            queue = state.group(state.claims[task_id].group).queue
            level = evidence(decided.reasons[task_id])["level"]
            assert queue.level_of(task_id) is Priority[str(level)]


def check_suspends(state: SchedulerState, decided: Plan) -> None:
    claims = state.claims
    victims = [suspend.task_id for suspend in decided.suspends]
    assert len(set(victims)) == len(victims)
    levels = {handover.task_id: handover.priority for handover in decided.handovers}
    for suspend in decided.suspends:
        victim, winner = claims[suspend.task_id], claims[suspend.for_task]
        assert victim.state in (TaskState.STARTING, TaskState.RUNNING)
        assert decided.reasons[winner.task_id].code is WaitCode.HANDOVER
        check_right(state, victim, winner, levels[winner.task_id])
        named = evidence(decided.reasons[winner.task_id])["tasks"]
        assert isinstance(named, list)
        assert victim.task_id in named
    set_aside = [name for handover in decided.handovers for name in handover.nodes]
    started = [name for start in decided.starts for name in start.nodes]
    assert len(set(set_aside + started)) == len(set_aside + started)


def check_right(state: SchedulerState, victim: Claim, winner: Claim, level: Priority) -> None:
    """Lower levels at once; of equals only backfill, or another user's after its slice."""
    if defended_level(victim) < level:
        return
    assert defended_level(victim) is level
    if victim.backfill:
        assert state.now - (victim.suspended_at or 0.0) >= SLICE
    else:
        assert victim.user != winner.user
        assert state.now - victim.slice_since >= SLICE


@PROPERTY
@given(clusters(), st.booleans(), st.booleans())
def test_one_plan(cluster: Cluster, preemption: bool, backfill: bool) -> None:
    policy = Policy(preemption=preemption, backfill=backfill)
    cluster.policy = policy
    state = cluster.state()
    before = picture(state)
    decided = plan(state, NOW)
    event(f"starts {bool(decided.starts)}, suspends {bool(decided.suspends)}")
    assert picture(state) == before  # planning leaves no trace
    assert plan(state, NOW) == decided
    check(state, decided)
    assert preemption or not decided.suspends
    assert (preemption and backfill) or not any(start.backfill for start in decided.starts)


@PROPERTY
@given(clusters(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(cluster: Cluster, rng: random.Random) -> None:
    nodes = rng.sample(cluster.nodes, len(cluster.nodes))
    claims = rng.sample(cluster.claims, len(cluster.claims))
    state = SchedulerState(cluster.policy, (), QuotaTable(), NOW)
    steps: list[Callable[[], None]] = [partial(state.put, claim) for claim in claims]
    steps.insert(rng.randint(0, len(steps)), partial(state.set_nodes, nodes))
    steps.insert(rng.randint(0, len(steps)), partial(state.set_quotas, cluster.quotas))
    for step in steps:
        step()
    whole = cluster.state()
    assert picture(state) == picture(whole)
    assert plan(state, NOW) == plan(whole, NOW)


@PROPERTY
@given(gangs_that_wait())
def test_the_shadow_of_a_gang_is_no_burden_to_it(cluster: Cluster) -> None:
    """Whoever runs there is suspended for the gang alone, which keeps its quota."""
    simulated = SimulatedCluster(cluster.state(), NOW)
    filled: set[TaskId] = set()
    gangs: set[TaskId] = set()
    for decided in (plans := simulated.settle()):
        gangs |= heads(decided)
        filled |= {start.task_id for start in decided.starts if start.backfill}
        leave = [suspend for suspend in decided.suspends if suspend.task_id in filled]
        assert {suspend.for_task for suspend in leave} <= gangs
    event(f"backfills {bool(filled)}, suspends {any(decided.suspends for decided in plans)}")


@PROPERTY
@given(st.one_of(clusters(), gangs_that_wait()))
def test_no_start_is_regretted_at_once(cluster: Cluster) -> None:
    """The next tick, at the same time, suspends nobody who was just started, but for one for whom
    nodes were kept or set aside: backfill may have used enough for it to be the gang's turn, and a
    start at a lower level may move it to other nodes. But for that it finds no further victims."""
    simulated = SimulatedCluster(cluster.state(), NOW)
    first, second = simulated.tick(0.0), simulated.tick(0.0)
    event(f"starts {bool(first.starts)}, suspends {bool(first.suspends)}, {bool(second.suspends)}")
    begun = {start.task_id for start in first.starts}
    regretted = {one.for_task for one in second.suspends if one.task_id in begun}
    known = heads(first) | {handover.task_id for handover in first.handovers}
    assert regretted <= known
    if not first.suspends and not regretted:
        assert {suspend.for_task for suspend in second.suspends} <= known


@PROPERTY
@given(clusters(), st.booleans())
def test_an_unchanging_cluster_comes_to_rest(cluster: Cluster, preemption: bool) -> None:
    """Nothing arrives and nothing ends: after every hand-over the plan is empty, and stays so until
    a slice ends. Each suspension made room for a start (its own task's or a better one's)."""
    cluster.policy = Policy(preemption=preemption)
    simulated = SimulatedCluster(cluster.state(), NOW)
    plans = simulated.settle()
    assert not simulated.tick().decides
    last = plans[-1]
    assert WaitCode.HANDOVER not in {reason.code for reason in last.reasons.values()}
    for number, decided in enumerate(plans):
        if decided.suspends:
            assert any(later.starts for later in plans[number + 1 :])
    assert all(count == 1 for count in Counter(id_ for id_, _ in simulated.suspends).values())


@PROPERTY
@given(clusters(), st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4))
def test_time_alone_decides_nothing_before_it_is_due(
    cluster: Cluster, parts: Sequence[float]
) -> None:
    """A cluster at rest may sleep until the time that its state names, and never longer."""
    simulated = SimulatedCluster(cluster.state(), NOW)
    state = simulated.state
    for part in parts:
        simulated.settle()
        due = state.next_due()
        latest = simulated.now + 10 * SLICE if due is None else due
        between = simulated.now + part * max(0.0, latest - simulated.now)
        if due is None or between < due:
            assert not plan(state, between).decides
        simulated.now = max(simulated.now, latest)


@PROPERTY
@given(clusters(asked=[Priority.NORMAL], leaving=False, least_limit=100))
def test_who_others_left_for_does_start(cluster: Cluster) -> None:
    """Among equals, with room in every quota and array, and in one zone, the named task starts."""
    cluster.claims = tuple(replace(claim, array=None) for claim in cluster.claims)
    cluster.nodes = tuple(replace(node, zone="") for node in cluster.nodes)
    simulated = SimulatedCluster(cluster.state(), NOW)
    for number, decided in enumerate(plans := simulated.settle()):
        for suspend in decided.suspends:
            later = [start.task_id for each in plans[number + 1 :] for start in each.starts]
            assert suspend.for_task in later


@PROPERTY
@given(clusters(), st.data())
def test_a_long_life(cluster: Cluster, data: st.DataObject) -> None:
    """Tasks arrive, finish and leave when they like, nodes fail and come back, quotas change, time
    passes: all plans hold, and the state is always the one that could be built anew."""
    simulated = SimulatedCluster(cluster.state(), NOW)
    state = simulated.state
    task_id = len(cluster.claims)
    for _ in range(data.draw(st.integers(1, 8), label="ticks")):
        before = plan(state, simulated.now)
        check(state, before)
        simulated.tick(data.draw(st.sampled_from([1.0, 700.0, 1800.0, 90_000.0])))
        for leaver in simulated.leaving:
            if data.draw(st.booleans()):
                simulated.leave(leaver)
        running = [c for c in state.claims.values() if c.state is TaskState.RUNNING]
        if data.draw(st.booleans()) and running:
            simulated.finish(data.draw(st.sampled_from(running)).task_id)
        if data.draw(st.booleans()):
            task_id += 1
            simulated.change(data.draw(waiting_claims(task_id, ASKED)))
        if data.draw(st.booleans()) and state.nodes:
            node = data.draw(st.sampled_from(sorted(state.nodes)))
            simulated.set_health(node, data.draw(st.sampled_from(NodeHealth)))
        if data.draw(st.integers(0, 4)) == 0:
            limit = data.draw(st.integers(0, 9))
            state.set_quotas(QuotaTable(dict.fromkeys(state.quotas.limits, limit)))
        rebuilt = build_state(
            state.policy, state.nodes.values(), state.quotas, state.claims.values(), state.now
        )
        assert picture(state, with_shares=False) == picture(rebuilt, with_shares=False)
    simulated.settle()


@PROPERTY
@given(clusters())
def test_nobody_starts_past_a_better_claim_of_its_own_kind(cluster: Cluster) -> None:
    """Of two claims of one user alike but for their place in the line, the later never starts
    alone."""
    state = cluster.state()
    decided = plan(state, NOW)
    with demoted(state, decided.demotions):
        check_places(state, decided)


def check_places(state: SchedulerState, decided: Plan) -> None:
    started = {start.task_id for start in decided.starts}
    standing_there = [
        claim
        for claim in state.claims.values()
        if claim.state.is_waiting
        and claim.task_id not in state.eligibility.ineligible
        and claim.task_id not in state.promised
    ]
    for first in standing_there:
        for later in standing_there:
            alike = (first.user, first.group, first.nodes, first.priority, first.first) == (
                later.user,
                later.group,
                later.nodes,
                later.priority,
                later.first,
            )
            is_before = (first.custom_rank, first.line_since, first.task_id) < (
                later.custom_rank,
                later.line_since,
                later.task_id,
            )
            if alike and is_before and later.task_id in started:
                assert first.task_id in started
