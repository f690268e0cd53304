"""One's own order: what a user has later in the line does not keep an earlier task waiting.

HYPOTHESIS_PROFILE=nightly runs 10,000 examples of the property instead of 300.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hai.core.node import Node
from hai.core.plan import Claim
from hai.core.policy import Policy
from hai.core.quota import EVERYONE, Quota
from hai.core.reasons.codec import evidence
from hai.core.types import Priority, TaskId, WaitCode
from hai.wording import wait_reasons
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

NORMAL, AUTO = Priority.NORMAL, Priority.AUTO
SLICE = Policy().slice_seconds
HANDOVER = 45.0
WIDTH = 4
AS_WIDE_AS_THE_GROUP = (Quota(EVERYONE, GROUP, NORMAL, WIDTH),)
NARROWER = (Quota(EVERYONE, GROUP, NORMAL, WIDTH),)  # on a cluster of one node more
EXAMPLES = 10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 300


@dataclass
class Course:
    """One cluster on a virtual clock. Whoever is told to leave takes the whole hand-over time; what
    it ran before counts, as if it had saved."""

    cluster: SimulatedCluster
    lasts: dict[TaskId, float]
    begun: dict[TaskId, float] = field(default_factory=dict)  # by right, or as backfill: the last
    ended: dict[TaskId, float] = field(default_factory=dict)
    _leaves: dict[TaskId, float] = field(default_factory=dict)

    def until(self, end: float) -> None:
        while (at := self._next()) <= end and self.cluster.state.claims:
            self.cluster.now = at
            self.cluster.state.advance(at)
            self._happen(at)
            self._decide(at)

    def _next(self) -> float:
        ends = [self.begun[one] + left for one, left in self.lasts.items() if self._runs(one)]
        due = self.cluster.state.next_due()
        times = [*ends, *self._leaves.values(), math.inf if due is None else due]
        return max(self.cluster.now, min(times))

    def _runs(self, task_id: TaskId) -> bool:
        claim = self.cluster.state.claims.get(task_id)
        return claim is not None and claim.state.is_active and task_id not in self._leaves

    def _happen(self, now: float) -> None:
        for task_id in [one for one, at in self._leaves.items() if at <= now]:
            del self._leaves[task_id]
            self.cluster.leave(task_id)
        for task_id, left in self.lasts.items():
            if self._runs(task_id) and self.begun[task_id] + left <= now:
                self.ended[task_id] = now
                self.cluster.finish(task_id)

    def _decide(self, now: float) -> None:
        while (decided := self.cluster.tick(0.0)).decides:
            for suspend in decided.suspends:
                self._leaves[suspend.task_id] = now + HANDOVER
                ran = now - self.begun[suspend.task_id]
                self.lasts[suspend.task_id] = max(1.0, self.lasts[suspend.task_id] - ran)
            self.begun |= dict.fromkeys((start.task_id for start in decided.starts), now)


def course(
    members: Sequence[Node],
    claims: Sequence[Claim],
    lasts: dict[int, float],
    quotas: Sequence[Quota] = AMPLE,
) -> Course:
    made = Course(
        SimulatedCluster(state_of(members, claims, quotas, now=0.0), now=0.0),
        {TaskId(one): seconds for one, seconds in lasts.items()},
    )
    made.begun = {one.task_id: 0.0 for one in claims if one.state.is_active}
    made.until(0.0)
    return made


def sweep(
    gang: int, small: int, priority: Priority = NORMAL
) -> tuple[list[Claim], dict[int, float]]:
    """Four tasks of one node run, a gang of four waits, and many of one node behind it."""
    running = [
        active(number + 1, [f"n{number}"], user="ada", priority=NORMAL) for number in range(WIDTH)
    ]
    crowd = [waiting(number, priority=priority) for number in range(gang + 1, gang + 1 + small)]
    claims = [*running, waiting(gang, WIDTH, priority), *crowd]
    lasts = {claim.task_id: 600.0 + claim.task_id % 7 for claim in claims}
    return claims, {int(one): seconds for one, seconds in lasts.items()}


@pytest.mark.parametrize("quotas", [AMPLE, AS_WIDE_AS_THE_GROUP])
@pytest.mark.parametrize("priority", [NORMAL, AUTO])
def test_a_gang_starts_when_what_ran_before_it_has_ended(
    quotas: Sequence[Quota], priority: Priority
) -> None:
    claims, lasts = sweep(5, 196, priority)
    made = course(nodes(WIDTH), claims, lasts, quotas)
    made.until(100_000.0)
    assert made.begun[TaskId(5)] <= 604.0 + HANDOVER  # first come, first served: 604 s
    assert len(made.ended) == len(claims)  # and nobody else is forgotten


def test_the_nodes_are_not_idle_meanwhile() -> None:
    """What comes later runs as backfill, for nothing but the gang would it be stopped."""
    claims, lasts = sweep(5, 196)
    lasts[4] = 20_000.0  # the last of those that run holds the gang up for long
    made = course(nodes(WIDTH), claims, lasts)
    made.until(19_999.0)
    others = [one for one in made.cluster.state.claims.values() if one.state.is_active]
    assert [one.backfill for one in sorted(others, key=lambda one: one.task_id)] == [False] + [
        True
    ] * 3
    assert len(made.ended) >= 3 + 3 * (19_000 // 607)
    made.until(20_000.0 + HANDOVER)
    assert made.begun[TaskId(5)] <= 20_000.0 + HANDOVER


@pytest.mark.parametrize("quotas", [AMPLE, AS_WIDE_AS_THE_GROUP, NARROWER])
def test_a_rank_wins_at_once(quotas: Sequence[Quota]) -> None:
    """The gang joins the line last, and passes what has not begun yet."""
    members = nodes(WIDTH) if quotas is not NARROWER else (*nodes(WIDTH), node("n4", ready=False))
    claims, lasts = sweep(5, 100)
    made = course(members, [replace(one, submitted_at=3.0) for one in claims], lasts, quotas)
    gang = made.cluster.state.claims[TaskId(5)]
    made.cluster.change(replace(gang, submitted_at=1000.0))
    made.until(5000.0)
    assert TaskId(5) not in made.begun
    made.cluster.change(replace(gang, submitted_at=1000.0, custom_rank=-5.0))
    made.until(5000.0 + 607.0 + HANDOVER)
    assert made.begun[TaskId(5)] > 5000.0 - 607.0


def test_a_rank_lets_a_small_task_by() -> None:
    claims, _ = sweep(5, 2)
    small = replace(claims[-1], custom_rank=-1.0)
    made = course(nodes(WIDTH), [*claims[:-1], small], {})
    made.cluster.finish(TaskId(1))
    decided = made.cluster.tick()
    assert [(one.task_id, one.backfill) for one in decided.starts] == [(small.task_id, False)]


def test_others_are_not_held_up() -> None:
    """Bob's task starts by right, with a slice, where Ada's later ones may be backfill at most."""
    claims, _ = sweep(5, 3)
    made = course(nodes(WIDTH), [*claims, waiting(50, user="bob", submitted_at=60.0)], {})
    for ended in (1, 2):
        made.cluster.finish(TaskId(ended))
    started = {one.task_id: one.backfill for one in made.cluster.tick().starts}
    assert started == {TaskId(50): False, TaskId(6): True}


def test_without_backfill_ones_own_wait() -> None:
    claims, _ = sweep(5, 3)
    policy = Policy(backfill=False)
    state = state_of(nodes(WIDTH), claims[1:], policy=policy, now=0.0)
    cluster = SimulatedCluster(state, 0.0)
    decided = cluster.tick()
    assert not decided.starts
    why = decided.reasons[TaskId(6)]
    assert (why.code, evidence(why)["head"]) == (WaitCode.BEHIND, 5)
    assert "would take the nodes" in wait_reasons.text(why)


def test_the_reasons_are_true() -> None:
    claims, _ = sweep(5, 3)
    state = state_of(nodes(WIDTH), claims[1:], now=0.0)
    made = SimulatedCluster(state, 0.0)
    decided = made.tick()
    found = {task: wait_reasons.text(why) for task, why in reasons(state, decided).items()}
    assert "3 by its user's own tasks" in found[TaskId(5)]
    assert [one.task_id for one in decided.starts] == [6]
    assert found[TaskId(7)] == (
        "waits its turn in training, behind task 5 "
        "(and runs meanwhile as backfill at most, which ends when that one fits)"
    )


def test_a_node_that_was_taken_away_leaves_no_room_in_a_quota() -> None:
    """A quota as wide as the group is no limit but for this: ada holds a node that is gone."""
    claims = [active(1, ["n4"], user="ada"), waiting(2, WIDTH)]
    state = state_of(nodes(WIDTH + 1), claims, AS_WIDE_AS_THE_GROUP, now=0.0)
    state.set_nodes(nodes(WIDTH))
    cluster = SimulatedCluster(state, 0.0)
    decided = cluster.tick()
    assert not decided.decides
    assert decided.reasons[TaskId(2)].code is WaitCode.QUOTA_EXCEEDED
    cluster.finish(TaskId(1))
    assert [one.task_id for one in cluster.tick().starts] == [2]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.timeout(7200 if EXAMPLES > 300 else 600)
@given(
    st.lists(
        st.tuples(
            st.integers(1, WIDTH),
            st.sampled_from([1.0, 60.0, 600.0, SLICE - 1, SLICE + 1, 3 * SLICE]),
            st.integers(-1, 1),
        ),
        min_size=2,
        max_size=25,
    ),
    st.sampled_from([AMPLE, AS_WIDE_AS_THE_GROUP]),
)
def test_mixed_widths_of_one_user(
    tasks: list[tuple[int, float, int]], quotas: Sequence[Quota]
) -> None:
    """Each starts for good no later than when all that comes before it has ended, but for what a
    hand-over and a backfill's rest of a slice take."""
    claims = [
        waiting(number, width, custom_rank=float(rank))
        for number, (width, _, rank) in enumerate(tasks, 1)
    ]
    lasts = {number: seconds for number, (_, seconds, _) in enumerate(tasks, 1)}
    made = course(nodes(WIDTH), claims, lasts, quotas)
    made.until(1e9)
    order = sorted(claims, key=lambda one: (one.custom_rank, one.task_id))
    ends = 0.0
    late = 0.0
    for claim in order:
        late = max(late, made.begun[claim.task_id] - ends)
        assert made.begun[claim.task_id] <= ends + SLICE + HANDOVER
        ends = max(ends, made.ended[claim.task_id])
    event(f"late {late > HANDOVER}, suspends {bool(made.cluster.suspends)}")
    assert len(made.ended) == len(claims)
