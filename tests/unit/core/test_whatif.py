"""What one change would do, on small clusters and, as properties, on random ones."""

from dataclasses import replace

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from hai.core.assume.transaction import transaction
from hai.core.claims import submitted_now
from hai.core.plan import Claim
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.quota import EVERYONE, Quota
from hai.core.state import SchedulerState
from hai.core.types import GroupName, Priority, TaskId, TaskState, WaitCode
from hai.core.whatif import (
    NEW,
    Counterfactual,
    Variant,
    Victim,
    after_slice,
    counterfactuals,
    what_if,
)
from tests.unit.core.clusters import AMPLE, active, node, nodes, state_of, waiting
from tests.unit.core.pictures import picture
from tests.unit.core.properties import PROPERTY
from tests.unit.core.random_clusters import ASKED, GROUPS, Cluster
from tests.unit.core.random_clusters import clusters as random_clusters

OTHER = GroupName("other")
MINUTE = 60.0


def small(*claims: Claim, now: float = 10 * MINUTE) -> SchedulerState:
    """Four nodes of one group and two of another, ample quota in both."""
    members = (*nodes(4), node("o0", group=OTHER), node("o1", group=OTHER))
    quotas = (*AMPLE, Quota(EVERYONE, OTHER, Priority.NORMAL, 2))
    return state_of(members, claims, quotas, now=now)


def test_a_task_that_fits_starts_where_the_plan_says() -> None:
    state = small(active(1, ["n0"]), waiting(2, 3))
    prospect = what_if(state, TaskId(2))
    assert prospect.starts_now
    assert prospect.start is not None
    assert prospect.start.nodes == ("n1", "n2", "n3")
    assert counterfactuals(state, TaskId(2)) == ()


def test_fewer_nodes_are_the_most_that_start_now() -> None:
    state = small(active(1, ["n0"], running_since=0.0), waiting(2, 4))
    found = {one.variant: one.prospect for one in counterfactuals(state, TaskId(2))}
    assert found[Variant(nodes=3)].starts_now
    assert not any(variant.nodes in (1, 2) for variant in found)


def test_another_group_is_named_only_where_it_starts() -> None:
    blocked = (active(1, ["n0", "n1", "n2", "n3"]), waiting(2, 2))
    variants = [one.variant for one in counterfactuals(small(*blocked), TaskId(2))]
    assert Variant(group=OTHER) in variants
    busy = replace(active(3, ["o0", "o1"]), group=OTHER)
    variants = [one.variant for one in counterfactuals(small(*blocked, busy), TaskId(2))]
    assert Variant(group=OTHER) not in variants


def test_a_higher_priority_tells_whom_it_would_suspend_and_what_that_costs() -> None:
    state = small(
        active(1, ["n0", "n1"], running_since=0.0, saved_at=8 * MINUTE),
        active(3, ["n2", "n3"], running_since=0.0, user="eve"),
        waiting(2, 2),
    )
    prospect = what_if(state, TaskId(2), Variant(priority=Priority.HIGH))
    assert not prospect.starts_now
    assert prospect.gets_nodes
    assert prospect.suspends == (Victim(TaskId(1), state.claims[TaskId(1)].user, 2, 2 * MINUTE),)
    (higher,) = [one for one in counterfactuals(state, TaskId(2)) if one.variant.priority]
    assert higher.variant == Variant(priority=Priority.ABOVE_NORMAL)  # yet higher: the same victim


def test_a_yet_higher_priority_is_told_if_it_takes_other_nodes() -> None:
    above = active(1, ["n0", "n1"], Priority.ABOVE_NORMAL, since=0.0)
    state = small(above, active(3, ["n2", "n3"], user="eve", since=0.0), waiting(2, 4))
    found = [one for one in counterfactuals(state, TaskId(2)) if one.variant.priority]
    assert [one.variant.priority for one in found] == [Priority.HIGH]


def test_the_cost_of_a_victim_has_the_cap_of_the_policy() -> None:
    holder = active(1, ["n0", "n1", "n2", "n3"], running_since=0.0)
    state = state_of(
        nodes(4), [holder, waiting(2)], policy=Policy(lost_work_cap_seconds=60.0), now=500.0
    )
    (victim,) = what_if(state, TaskId(2), Variant(priority=Priority.HIGH)).suspends
    assert victim.lost_seconds == 60.0


def test_whoever_is_leaving_already_is_no_victim() -> None:
    leaver = active(1, ["n0", "n1", "n2", "n3"], state=TaskState.SUSPENDING)
    prospect = what_if(small(leaver, waiting(2, 4)), TaskId(2))
    assert (prospect.leavers, prospect.suspends) == ((1,), ())


def test_a_change_that_does_not_help_says_why() -> None:
    prospect = what_if(small(waiting(2, 9)), TaskId(2), Variant(priority=Priority.HIGH))
    assert prospect.reason is not None
    assert prospect.reason.code is WaitCode.GROUP_TOO_SMALL


def test_a_new_task_tells_whom_it_would_delay() -> None:
    state = small(active(1, ["n0", "n1"]), waiting(2, 2))
    prospect = what_if(state, waiting(NEW, 2, Priority.HIGH, user="eve", submitted_at=600.0))
    assert prospect.starts_now
    assert prospect.delays == (2,)
    assert NEW not in state.claims


def test_no_more_plans_are_made_than_allowed() -> None:
    state = small(active(1, ["n0"], running_since=0.0), waiting(2, 4))
    found = counterfactuals(state, TaskId(2))
    assert len(found) > 1
    assert counterfactuals(state, TaskId(2), before=plan(state, state.now)) == found
    assert counterfactuals(state, TaskId(2), most_plans=0) == ()
    few = counterfactuals(state, TaskId(2), most_plans=2)
    assert [one.variant for one in few] == [Variant(nodes=3)]


@pytest.mark.parametrize(
    "claim",
    [
        waiting(2, 1, held=True),
        waiting(2, 1, waits_for=(TaskId(9),)),
        waiting(2, 1, not_before=5000.0),
    ],
    ids=["held", "dependency", "backoff"],
)
def test_nothing_helps_who_is_kept_out_of_the_line(claim: Claim) -> None:
    assert counterfactuals(small(claim), TaskId(2)) == ()


def test_a_running_task_is_told_for_whom_it_would_leave() -> None:
    state = small(active(1, ["n0", "n1", "n2", "n3"], running_since=0.0), waiting(2, 1))
    assert what_if(state, TaskId(1)).taken_by is None
    assert what_if(state, TaskId(1), Variant(priority=Priority.LOW)).taken_by == 2
    assert after_slice(state, TaskId(1)) == 2
    assert after_slice(small(active(1, ["n0"])), TaskId(1)) is None


def test_trials_nest() -> None:
    state = small(active(1, ["n0"]), waiting(2, 1))
    before = picture(state)
    with transaction(state) as outer:
        outer.put(waiting(NEW, 2, user="eve"))
        inside = picture(state)
        with transaction(state) as inner:
            inner.remove(TaskId(2))
            inner.put(active(NEW, ["n1", "n2"], user="eve"))
            assert state.in_transaction
        assert picture(state) == inside
        assert state.in_transaction
    assert picture(state) == before
    assert not state.in_transaction


VARIANTS = st.builds(
    Variant,
    priority=st.sampled_from([None, *ASKED]),
    nodes=st.sampled_from([None, 1, 2, 5]),
    group=st.sampled_from([None, *GROUPS]),
)


@PROPERTY
@given(random_clusters(), VARIANTS)
def test_asking_leaves_the_state_as_it_was(cluster: Cluster, variant: Variant) -> None:
    state = cluster.state()
    before, decided, due = picture(state), plan(state, state.now), state.next_due()
    for claim in cluster.claims:
        if claim.state.is_waiting:
            what_if(state, claim.task_id, variant)
            counterfactuals(state, claim.task_id)
        elif not claim.state.is_leaving:
            what_if(state, claim.task_id, Variant(priority=variant.priority))
            after_slice(state, claim.task_id)
    what_if(state, waiting(NEW, 2, user="ada", submitted_at=state.now), variant)
    assert picture(state) == before
    assert state.next_due() == due
    assert plan(state, state.now) == decided


@PROPERTY
@given(random_clusters())
def test_what_is_said_to_start_does_start(cluster: Cluster) -> None:
    """Every counterfactual, made for good on a state of its own: the plan does what was said."""
    state = cluster.state()
    found: list[tuple[TaskId, Counterfactual]] = [
        (claim.task_id, one)
        for claim in cluster.claims
        if claim.state.is_waiting
        for one in counterfactuals(state, claim.task_id)
    ]
    event(f"counterfactuals: {min(len(found), 3)}")
    for task_id, one in found:
        assert one.prospect.gets_nodes
        real = cluster.state()
        changed = one.variant.of(real.claims[task_id])
        if one.variant.is_resubmission:
            real.remove(task_id, real.now)
            changed = submitted_now(changed, NEW, real.now)
        real.put(changed)
        decided = plan(real, real.now)
        served = decided.starts if one.prospect.starts_now else decided.handovers
        assert changed.task_id in {start.task_id for start in served}
        victims = {s.task_id for s in decided.suspends if s.for_task == changed.task_id}
        assert {victim.task_id for victim in one.prospect.suspends} == victims
