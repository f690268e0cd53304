"""When a waiting task may start: the production planner on a copy, with time running ahead of us.

The copy is run twice, with short and with long running times of the others. Nobody arrives, every
start runs at once, and whoever is suspended leaves at once: an estimate, and its `grounds` say so.
What a task's running time goes by is, best first: its declared time limit (as the longest), the
user's earlier runs of that name, the user's earlier runs, the group's earlier runs.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from hai.core.container_quota import ContainerQuota
from hai.core.inputs import Snapshot
from hai.core.lifecycle.claim_updates import back_in_line, leaving, running
from hai.core.past_runs import History
from hai.core.plan import Claim, Plan
from hai.core.planner import plan
from hai.core.policy import DAY
from hai.core.quota import LEVELS, Quota
from hai.core.state import SchedulerState
from hai.core.types import GroupName, Priority, TaskId, TaskState

MOST_PLANS = 300  # of one run; then the answer is "later than that"
MOST_AHEAD = 1000  # waiting claims that are taken into account
HORIZON_SECONDS = 30 * DAY
_GRAIN = 0.03  # what happens within such a part of the time looked ahead happens at once
_TICK_SECONDS = 0.001
_SOON_SECONDS = 1.0  # what is left to a task that should have ended by now


class Basis(StrEnum):
    """What a running time goes by."""

    LIMIT = "limit"  # its own
    NAME = "name"  # earlier runs of that name
    USER = "user"  # its user's earlier runs
    GROUP = "group"  # earlier runs there
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class RunTime:
    """All the running time that a task may need, in seconds; `longest` None: nobody knows."""

    shortest: float = 0.0
    longest: float | None = None
    basis: Basis = Basis.NOTHING


UNKNOWN = RunTime()


def run_time(claim: Claim, name: str | None, limit: float | None, history: History) -> RunTime:
    """From a quarter of the earlier runs up to nine in ten, and no longer than the limit."""
    past = history.closest(claim.user, name)
    if past is None:
        return UNKNOWN if limit is None else RunTime(0.0, limit, Basis.LIMIT)
    if limit is not None:
        return RunTime(min(past.p25, limit), limit, Basis.LIMIT)
    basis = Basis.GROUP if past.user is None else Basis.USER if past.name is None else Basis.NAME
    return RunTime(past.p25, past.p90, basis)


class Outlook(Enum):
    """What can be said beside the times."""

    IF_NOBODY_COMES = auto()  # both ends are known
    BY_SLICES = auto()  # the latest start is known, the earliest is any time
    NOT_IN_SIGHT = auto()  # no start before the earliest
    MUCH_LONGER = auto()  # the latest start is not known
    NO_BASIS = auto()  # nobody knows how long those run who have to end
    NO_ROOM = auto()  # nor there, and nobody is made to leave: nodes are shared
    OUT_OF_SERVICE = auto()  # it needs nodes that are not there
    OVER_QUOTA = auto()  # it needs a larger quota


@dataclass(frozen=True, slots=True)
class Grounds:
    """What an estimate goes by. `counts`: how many running times by what, the most first;
    `unknown`: of how many active tasks nobody knows any; `ahead`: how many come first, if that is
    more than were looked at."""

    outlook: Outlook
    counts: tuple[tuple[Basis, int], ...] = ()
    unknown: int = 0
    ahead: int | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Unix seconds. `latest` None: nobody can say; `earliest` is then a lower bound."""

    earliest: float
    latest: float | None
    grounds: Grounds


def copy_of(
    state: SchedulerState, name: GroupName, order: Collection[TaskId], asked: Claim
) -> Snapshot:
    """One group as immutable values: whoever is active, the first in the `order` of service, whose
    backoff will end, and the claim that is asked about. Costs O(claims)."""
    ahead = {task_id for task_id, _ in zip(order, range(MOST_AHEAD), strict=False)}
    ineligible = state.eligibility.ineligible
    claims = [
        claim
        for claim in state.claims.values()
        if claim.group == name
        and claim.task_id != asked.task_id
        and (claim.state.is_active or claim.task_id in ahead or _comes_back(claim, ineligible))
    ]
    ended = state.group(name).fair_share.ended(state.now)
    return Snapshot(
        now=state.now,
        policy=state.policy,
        nodes=tuple(node for node in state.nodes.values() if node.group == name),
        quotas=tuple(
            Quota(user, group, level, nodes)
            for (user, group, level), nodes in state.quotas.limits.items()
            if group == name
        ),
        claims=(*claims, asked),
        usage={(name, user): used for user, used in ended.items()},
        containers=tuple(
            ContainerQuota(user, group, limits)
            for (user, group), limits in state.container_limits.items()
            if group == name
        ),
    )


def _comes_back(claim: Claim, ineligible: Collection[TaskId]) -> bool:
    if claim.task_id not in ineligible or claim.held or claim.waits_for:
        return False
    return claim.not_before is not None or claim.array is not None


def forecast(
    copy: Snapshot,
    task_id: TaskId,
    times: Mapping[TaskId, RunTime],
    leave_seconds: float = 0.0,
) -> Forecast:
    """When the waiting claim `task_id` of the copy may start. Claims without an entry in `times`,
    or with an UNKNOWN one, run on until they are suspended. Whoever has to leave for it may take
    `leave_seconds`."""
    barred = _barred(copy, task_id)
    if barred is not None:
        return Forecast(copy.now, None, Grounds(barred))
    soon = _Ahead(copy, task_id, lambda claim: _shortest(times, claim, copy.now)).run()
    late = _Ahead(copy, task_id, lambda claim: _longest(times, claim, copy.now)).run()
    counts = Counter(times.get(one, UNKNOWN).basis for one in soon.ended | late.ended)
    unknown = sum(
        1
        for claim in copy.claims
        if claim.task_id not in soon.left
        and claim.state.is_active
        and times.get(claim.task_id, UNKNOWN).longest is None
    )
    known = tuple(counts.most_common())
    if soon.start is None and unknown and not soon.ended:
        group = next(claim.group for claim in copy.claims if claim.task_id == task_id)
        is_shared = copy.policy.shares_nodes(group)
        outlook = Outlook.NO_ROOM if is_shared else Outlook.NO_BASIS
        return Forecast(copy.now, None, Grounds(outlook, unknown=unknown))
    if soon.start is None:
        return Forecast(soon.until, None, Grounds(Outlook.NOT_IN_SIGHT, known, unknown))
    if late.start is None:
        return Forecast(soon.start, None, Grounds(Outlook.MUCH_LONGER, known, unknown))
    earliest, latest = sorted((soon.start, late.start))
    if late.suspends or late.left:
        latest += leave_seconds
    if unknown and not counts and late.suspends and late.start > copy.now:
        # any of them may end at any moment
        by_slices = Grounds(Outlook.BY_SLICES, unknown=unknown)
        return Forecast(_soonest(copy, task_id), latest, by_slices)
    return Forecast(earliest, latest, Grounds(Outlook.IF_NOBODY_COMES, known, unknown))


def _soonest(copy: Snapshot, task_id: TaskId) -> float:
    """It may not be tried before."""
    tried = (claim.not_before for claim in copy.claims if claim.task_id == task_id)
    return max(copy.now, *(at or 0.0 for at in tried))


def _barred(copy: Snapshot, task_id: TaskId) -> Outlook | None:
    """What has to change besides that others end or leave; None: nothing."""
    state = copy.state()
    claim = state.claims[task_id]
    group = state.group(claim.group)
    if group.is_shared:
        return None
    if claim.nodes > group.inventory.widest:
        return Outlook.OUT_OF_SERVICE
    quota = group.user_quota(claim.user)
    if all(quota.limits[level] < claim.nodes for level in _asked(claim)):
        return Outlook.OVER_QUOTA
    return None


def _asked(claim: Claim) -> Collection[Priority]:
    return LEVELS if claim.priority is Priority.AUTO else (claim.priority,)


def _shortest(times: Mapping[TaskId, RunTime], claim: Claim, _now: float) -> float | None:
    time = times.get(claim.task_id, UNKNOWN)
    if time.longest is None:
        return None
    return max(_SOON_SECONDS, time.shortest - claim.ran_seconds)


def _longest(times: Mapping[TaskId, RunTime], claim: Claim, now: float) -> float | None:
    """One that has run longer than nine in ten before it may need as long again."""
    time = times.get(claim.task_id, UNKNOWN)
    if time.longest is None:
        return None
    running = 0.0 if claim.running_since is None else max(0.0, now - claim.running_since)
    ran = claim.ran_seconds + running
    needs = time.longest if ran < time.longest or time.basis is Basis.LIMIT else 2 * ran
    return max(_SOON_SECONDS, needs - claim.ran_seconds)


@dataclass(frozen=True, slots=True)
class _Seen:
    """`start`: when it got its nodes; `until`: how far was looked; `ended`: who ended before;
    `left`: who was on the way out at first; `suspends`: how many more were suspended."""

    start: float | None
    until: float
    ended: frozenset[TaskId]
    left: frozenset[TaskId]
    suspends: int


class _End(NamedTuple):
    """When an attempt ends, told apart from later ones by when it began."""

    at: float
    task_id: TaskId
    since: float


class _Ahead:
    """One run ahead of time. `needs` says how long an attempt of a claim runs; None: for ever."""

    def __init__(
        self, copy: Snapshot, task_id: TaskId, needs: Callable[[Claim], float | None]
    ) -> None:
        self._state = copy.state()
        self._began = copy.now
        self._task_id = task_id
        self._needs = needs
        self._ended: set[TaskId] = set()
        self._left = frozenset(c.task_id for c in copy.claims if c.state.is_leaving)
        self._suspends = 0
        self._ends: list[_End] = []
        for claim in copy.claims:
            if claim.state.is_leaving:
                self._leave(claim, copy.now)
            elif claim.state.is_active:
                self._ends += self._end_of(claim)
        heapify(self._ends)

    def run(self) -> _Seen:
        now = self._began
        for _ in range(MOST_PLANS):
            decided = plan(self._state, now)
            if any(start.task_id == self._task_id for start in decided.starts):
                return self._seen(now, now)
            if decided.decides:
                self._apply(decided, now)
                continue
            at = self._next(now)
            if at is None:
                break
            now = at
            if now > self._began + HORIZON_SECONDS:
                break
        return self._seen(None, now)

    def _seen(self, start: float | None, until: float) -> _Seen:
        return _Seen(start, until, frozenset(self._ended), self._left, self._suspends)

    def _next(self, now: float) -> float | None:
        """Let attempts end, or only time pass, up to the next thing that happens and what follows
        closely; the time at which that is. The further ahead, the coarser."""
        at = self._first()
        if at is None:
            return None
        reached = max(at, now)
        limit = reached + _GRAIN * (reached - self._began)
        while at is not None and at <= limit:
            reached = max(reached, at)
            self._state.advance(reached)
            if self._first_end() == at:
                task_id = heappop(self._ends).task_id
                self._state.remove(task_id, reached)
                self._ended.add(task_id)
            at = self._first()
        return reached

    def _first(self) -> float | None:
        """When the next thing happens; later than the state's time, unless it is an end."""
        due = self._state.next_due()
        if due is not None:  # rounded, it may be the present
            due = max(due, self._state.now + _TICK_SECONDS)
        known = [at for at in (self._first_end(), due) if at is not None]
        return min(known, default=None)

    def _first_end(self) -> float | None:
        while self._ends and not self._is_current(self._ends[0]):
            heappop(self._ends)
        return self._ends[0].at if self._ends else None

    def _is_current(self, end: _End) -> bool:
        claim = self._state.claims.get(end.task_id)
        return claim is not None and claim.state.is_active and claim.since == end.since

    def _end_of(self, claim: Claim) -> Iterator[_End]:
        needs = self._needs(claim)
        if needs is not None:
            at = max(claim.slice_since + needs, self._state.now + _SOON_SECONDS)
            yield _End(at, claim.task_id, claim.since or 0.0)

    def _apply(self, decided: Plan, now: float) -> None:
        claims = self._state.claims
        self._suspends += len(decided.suspends)
        for suspend in decided.suspends:
            self._leave(leaving(claims[suspend.task_id], suspend.for_task, now), now)
        for start in decided.starts:
            self._begin(running(claims[start.task_id], start, now))
        for demotion in decided.demotions:
            claim = claims[demotion.task_id]
            self._state.put(replace(claim, priority=demotion.priority))

    def _begin(self, claim: Claim) -> None:
        self._state.put(claim)
        for end in self._end_of(claim):
            heappush(self._ends, end)

    def _leave(self, claim: Claim, now: float) -> None:
        """A suspending claim is back in its line at once, a stopping one is gone."""
        if claim.state is TaskState.STOPPING:
            self._state.remove(claim.task_id, now)
            return
        self._state.put(back_in_line(claim, now))
