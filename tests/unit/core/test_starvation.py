"""No task starves: an adversary tries to keep one waiting for longer than Policy.longest_wait.

HYPOTHESIS_PROFILE=nightly runs 10,000 examples instead of 150.
"""

import math
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.state import SchedulerState
from hai.core.types import Priority, TaskId, TaskState, UserName
from tests.unit.core.clusters import SimulatedCluster, nodes, state_of, waiting

NORMAL, LOW, ABOVE = Priority.NORMAL, Priority.LOW, Priority.ABOVE_NORMAL
HIGH = Priority.HIGH
HANDOVER = 45.0
ROUNDING = 1e-6  # seconds: times are sums of floats, and the bound is met exactly now and then
POLICY = Policy()
SLICE, PATIENCE = POLICY.slice_seconds, POLICY.patience_seconds
WIDTH = 4  # of the cluster
VICTIM = UserName("victim")
EXAMPLES = 10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 150

ADVERSARIAL = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a failure is not shrunk for minutes
)
pytestmark = pytest.mark.timeout(7200 if EXAMPLES > 150 else 600)


@dataclass(frozen=True)
class Arrival:
    """`lasts` is its running time; None: it never ends."""

    at: float
    user: str
    nodes: int
    priority: Priority = NORMAL
    lasts: float | None = None


@dataclass
class Run:
    """A cluster on a virtual clock that goes from event to event. Victims take the whole hand-over
    time to leave."""

    arrivals: Sequence[Arrival]
    cluster: SimulatedCluster = field(
        default_factory=lambda: SimulatedCluster(state_of(nodes(WIDTH), [], policy=POLICY), now=0.0)
    )
    rights: dict[TaskId, list[float]] = field(default_factory=lambda: defaultdict(list))
    by_equals: dict[TaskId, list[float]] = field(default_factory=lambda: defaultdict(list))
    waits: list[tuple[float, float]] = field(default_factory=list)  # the victim's: real, allowed
    _since: float | None = None
    _ahead: int = 0
    _lasts: dict[TaskId, float | None] = field(default_factory=dict)
    _ends: dict[TaskId, float] = field(default_factory=dict)
    _leaves: dict[TaskId, float] = field(default_factory=dict)
    _next: int = 0

    @property
    def state(self) -> SchedulerState:
        return self.cluster.state

    def until(self, end: float) -> None:
        while (now := self._next_time()) <= end:
            self.cluster.now = now
            self._happen(now)
            self._decide(now)

    def _next_time(self) -> float:
        times = [*self._ends.values(), *self._leaves.values()]
        if self._next < len(self.arrivals):
            times.append(self.arrivals[self._next].at)
        due = self.state.next_due()
        times.append(math.inf if due is None else due)
        return max(self.cluster.now, min(times))

    def _happen(self, now: float) -> None:
        self.state.advance(now)
        for task_id in [one for one, at in self._leaves.items() if at <= now]:
            del self._leaves[task_id]
            self.cluster.leave(task_id)
        for task_id in [one for one, at in self._ends.items() if at <= now]:
            del self._ends[task_id]
            self.cluster.finish(task_id)
        while self._next < len(self.arrivals) and self.arrivals[self._next].at <= now:
            arrival = self.arrivals[self._next]
            self._next += 1
            task_id = TaskId(self._next)
            self._lasts[task_id] = arrival.lasts
            self.cluster.change(
                waiting(
                    task_id, arrival.nodes, arrival.priority, user=arrival.user, submitted_at=now
                )
            )
        self._note_wait(now)

    def _note_wait(self, now: float) -> None:
        """From when on the head of the victim's line waits, and behind how many others. What runs
        as a backfill has not had its turn yet."""
        claims = self.state.claims.values()
        if not any(c.user == VICTIM and (c.state.is_waiting or c.backfill) for c in claims):
            self._since = None
        elif self._since is None:
            self._since = now
            self._ahead = len({c.user for c in claims if c.state.is_waiting} - {VICTIM})

    def _decide(self, now: float) -> None:
        """Plans until nothing changes: what one decides may allow another."""
        while True:
            claims = dict(self.state.claims)
            decided = self.cluster.tick(0.0)
            for suspend in decided.suspends:
                victim, heir = claims[suspend.task_id], claims[suspend.for_task]
                self._leaves[suspend.task_id] = now + HANDOVER
                self._ends.pop(suspend.task_id, None)
                if victim.level is heir.priority and not victim.backfill:
                    self.by_equals[suspend.task_id].append(now)
            for start in decided.starts:
                lasts = self._lasts[start.task_id]
                if lasts is not None:
                    self._ends[start.task_id] = now + lasts
                if not start.backfill:
                    self.rights[start.task_id].append(now)
                    self._note_start(start.task_id, now)
            if not decided.decides:
                return

    def _note_start(self, task_id: TaskId, now: float) -> None:
        if self.state.claims[task_id].user == VICTIM and self._since is not None:
            allowed = POLICY.longest_wait(self._ahead, HANDOVER)
            self.waits.append((now - self._since, allowed))
            self._since = None
            self._note_wait(now)

    def check(self) -> None:
        """The bound holds for every start by right of the victim's user, and for who waits yet."""
        for waited, allowed in self.waits:
            assert waited <= allowed + ROUNDING
        if self._since is not None:
            waited = self.cluster.now - self._since
            assert waited <= POLICY.longest_wait(self._ahead, HANDOVER) + ROUNDING
        for times in self.by_equals.values():
            for earlier, later in pairwise(times):
                assert later - earlier >= SLICE


def moments() -> st.SearchStrategy[float]:
    """Around the ends of slices and of the patience, or at any other time."""
    edge = st.builds(
        lambda slices, patience, off: slices * SLICE + patience * PATIENCE + off,
        st.integers(0, 8),
        st.integers(0, 1),
        st.sampled_from([-1.0, 0.0, 1.0, HANDOVER - 1.0, HANDOVER, HANDOVER + 1.0]),
    )
    return st.one_of(edge, st.floats(0, 10 * SLICE)).map(lambda at: max(0.0, at))


def arrivals() -> st.SearchStrategy[Arrival]:
    return st.builds(
        Arrival,
        at=moments(),
        user=st.sampled_from([f"u{number}" for number in range(12)]),
        nodes=st.integers(1, WIDTH),
        priority=st.sampled_from([NORMAL, NORMAL, NORMAL, LOW]),
        lasts=st.sampled_from([None, None, None, 1.0, SLICE - 1, SLICE, SLICE + 1, 3 * SLICE]),
    )


def floods() -> st.SearchStrategy[list[Arrival]]:
    """New users without any usage, one every so often."""
    return st.builds(
        lambda begin, step, width, lasts: [
            Arrival(begin + number * step, f"new{number}", width, NORMAL, lasts)
            for number in range(20)
        ],
        moments(),
        st.sampled_from([1.0, 60.0, SLICE / 2, SLICE, SLICE + HANDOVER]),
        st.integers(1, WIDTH),
        st.sampled_from([None, 60.0, SLICE]),
    )


def in_order(crowd: Sequence[Arrival]) -> list[Arrival]:
    return sorted(crowd, key=lambda arrival: arrival.at)


@ADVERSARIAL
@given(
    st.lists(arrivals(), max_size=25),
    st.one_of(st.just([]), floods()),
    st.floats(0, 3 * SLICE),
    st.lists(st.integers(1, WIDTH), min_size=1, max_size=3),
    st.sampled_from([60.0, SLICE / 2, SLICE]),
    st.booleans(),
)
def test_nobody_waits_longer_than_the_bound(
    crowd: list[Arrival],
    flood: list[Arrival],
    at: float,
    widths: list[int],
    lasts: float,
    above: bool,
) -> None:
    """The user's own tasks end within a slice, so that none stands in the way of the next one. A
    higher task may hold a node for ever: what needs all nodes then waits for it, and may not hold
    up those that do not."""
    boss = [Arrival(0.0, "boss", 1, HIGH)] if above else []
    most = WIDTH - len(boss)
    own = [Arrival(at, VICTIM, min(width, most), NORMAL, lasts) for width in widths]
    run = Run(in_order([*boss, *crowd, *flood, *own]))
    run.until(120 * SLICE)
    event(f"starts by right {len(run.waits)}")
    run.check()
    assert not [claim for claim in run.state.claims.values() if claim.user == VICTIM]


@pytest.mark.parametrize("users", [1, 4, 9])
def test_the_bound_is_not_idle_talk(users: int) -> None:
    """A crowd that never ends, each of whose users is owed a turn first, does come close to it."""
    crowd = [Arrival(0.0, f"u{number}", WIDTH) for number in range(users + 1)]
    run = Run([*crowd, Arrival(1.0, VICTIM, WIDTH, NORMAL, 60.0)])
    run.until(100 * SLICE)
    run.check()
    [(waited, allowed)] = run.waits
    assert allowed / 2 < waited <= allowed


def test_a_flood_of_new_users_does_not_pass_a_waiting_gang() -> None:
    """New users have used nothing and come first by their share, but not for longer than the
    patience."""
    flood = [Arrival(number * 60.0, f"new{number}", 1) for number in range(600)]
    run = Run(in_order([*flood, Arrival(1.0, VICTIM, WIDTH, NORMAL, 60.0)]))
    run.until(20 * SLICE)
    run.check()
    assert len(run.waits) == 1


def test_a_run_in_the_shadow_of_a_gang_costs_nobody_the_place_in_the_line() -> None:
    """Endless gangs, and a small task before the victim in line. When that has its turn, the victim
    runs beside it as backfill until the next gang fits, a second later."""
    crowd = [Arrival(float(number), f"new{number}", WIDTH) for number in range(20)]
    small = Arrival(60.0, "small", 1, NORMAL, 1.0)
    run = Run([*crowd, small, Arrival(SLICE + 120.0, VICTIM, 1, NORMAL, SLICE)])
    run.until(100 * SLICE)
    run.check()
    [(waited, _)] = run.waits
    assert waited > 20 * SLICE  # everybody before it had a turn


def test_equals_share_a_cluster_slice_by_slice() -> None:
    """Two endless gangs of two users: each is suspended once per slice and hand-over."""
    run = Run([Arrival(0.0, "ada", WIDTH), Arrival(0.0, "bob", WIDTH)])
    run.until(20 * SLICE)
    run.check()
    suspended = sorted(at for times in run.by_equals.values() for at in times)
    assert suspended == [number * (SLICE + HANDOVER) + SLICE for number in range(len(suspended))]
    assert len(suspended) == 19


def test_a_quiet_cluster_stays_put_until_a_slice_ends() -> None:
    run = Run([Arrival(0.0, f"u{number}", number % 3 + 1) for number in range(9)])
    run.until(0.0)
    state = run.state
    first_end = min(
        claim.slice_since + SLICE
        for claim in state.claims.values()
        if claim.state is TaskState.RUNNING and not claim.backfill
    )
    assert first_end == SLICE
    for now in (1.0, SLICE / 2, SLICE - 1):
        assert not plan(state, now).decides
    assert plan(state, SLICE).suspends


def test_without_preemption_there_is_no_bound() -> None:
    assert Policy(preemption=False).longest_wait(0, HANDOVER) == math.inf


def test_the_bound_grows_with_what_is_ahead() -> None:
    policy = replace(POLICY, slices={ABOVE: 2 * SLICE})
    assert POLICY.longest_wait(0, HANDOVER) == PATIENCE + SLICE + 2 * HANDOVER
    assert POLICY.longest_wait(3, HANDOVER) == PATIENCE + HANDOVER + 4 * (SLICE + HANDOVER)
    assert POLICY.longest_wait(3, HANDOVER, position=2) == 2 * POLICY.longest_wait(3, HANDOVER)
    assert policy.longest_wait(0, HANDOVER) == PATIENCE + 2 * (SLICE + HANDOVER)
