"""What one change would do: the plan is made again with it, and everything is undone.

Nothing here is guessed: each prospect is what the planner decided about a state that has the
change, at the time that the state stands at.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hai.core.assume.transaction import Transaction, applied, transaction
from hai.core.claims import submitted_now
from hai.core.plan import Claim, Plan, Start
from hai.core.planner import plan
from hai.core.preemption.victims import lost_since
from hai.core.quota import LEVELS
from hai.core.reasons.finding import reason_of
from hai.core.reasons.kinds import ArrayLimit, Backoff, Handover, Held, Reason, UnmetDependency
from hai.core.state import SchedulerState
from hai.core.types import GroupName, Priority, TaskId, UserName

NEW = TaskId(2**62)
"""Stands for a task that is not submitted yet: newer than any other."""

MOST_PLANS = 32  # that one list of counterfactuals may cost
_MOST_GROUPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What is other than it is; None: as it is. A waiting task gets another priority where it
    stands; with other nodes or another group it has to be submitted anew."""

    priority: Priority | None = None
    nodes: int | None = None
    group: GroupName | None = None

    @property
    def is_resubmission(self) -> bool:
        return self.nodes is not None or self.group is not None

    def of(self, claim: Claim) -> Claim:
        return replace(
            claim,
            priority=claim.priority if self.priority is None else self.priority,
            nodes=claim.nodes if self.nodes is None else self.nodes,
            group=claim.group if self.group is None else self.group,
        )


AS_IT_IS = Variant()


@dataclass(frozen=True, slots=True)
class Victim:
    """Who would be suspended, and how much work that would cost (seconds, up to the policy's
    cap)."""

    task_id: TaskId
    user: UserName
    nodes: int
    lost_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What the plan makes of a claim: it starts now (`start`), or once `leavers` and `suspends`
    have left (`handover`), or it goes on waiting (`reason`).

    `delays` are the tasks that would get nodes without it and do not get them with it. An active
    claim has none of these: `taken_by` is for whom it would be suspended.
    """

    claim: Claim
    start: Start | None = None
    handover: Start | None = None
    suspends: tuple[Victim, ...] = ()
    leavers: tuple[TaskId, ...] = ()
    delays: tuple[TaskId, ...] = ()
    reason: Reason | None = None
    taken_by: TaskId | None = None

    @property
    def starts_now(self) -> bool:
        return self.start is not None

    @property
    def gets_nodes(self) -> bool:
        """Now, or once others have left."""
        return self.start is not None or self.handover is not None


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """A change, and the prospect that a plan gave it; `before` is the claim without it."""

    variant: Variant
    prospect: Prospect
    before: Claim


def what_if(
    state: SchedulerState,
    subject: Claim | TaskId,
    variant: Variant = AS_IT_IS,
    *,
    before: Plan | None = None,
) -> Prospect:
    """The prospect of an unfinished task, or of a claim that is not submitted yet, with a change.
    KeyError for an unknown id. The state is left as it was. `before`: its plan, if it is known."""
    return _Question(state, _claim_of(state, subject), before).ask(variant)


def counterfactuals(
    state: SchedulerState,
    subject: Claim | TaskId,
    *,
    before: Plan | None = None,
    most_plans: int = MOST_PLANS,
) -> tuple[Counterfactual, ...]:
    """Changes with which a waiting task would get nodes: fewer of them (as many as can start now),
    another group, a higher priority. None for one that would get them anyhow, or that something
    else than nodes and quota keeps out of its line. After `most_plans` no more is tried."""
    claim = _claim_of(state, subject)
    question = _Question(state, claim, before, most_plans)
    now = question.as_it_is()
    if now.gets_nodes or not claim.state.is_waiting or _is_kept_out(now):
        return ()
    found = (*_narrower(question), *_elsewhere(question), *_higher(question))
    return tuple(Counterfactual(variant, prospect, claim) for variant, prospect in found)


def _claim_of(state: SchedulerState, subject: Claim | TaskId) -> Claim:
    return state.claims[subject] if isinstance(subject, int) else subject


def after_slice(state: SchedulerState, task_id: TaskId) -> TaskId | None:
    """For whom this running task would be suspended if its slice were over now."""
    claim = state.claims[task_id]
    seconds = state.policy.slice_of(claim.level)
    with transaction(state) as changes:
        began = state.now - seconds
        since = min(began, claim.since or began)
        changes.put(replace(claim, since=since, running_since=min(began, claim.slice_since)))
        return _taken_by(plan(state, state.now), task_id)


class _Question:
    """One claim, asked about again and again."""

    def __init__(
        self,
        state: SchedulerState,
        claim: Claim,
        before: Plan | None = None,
        most_plans: int = MOST_PLANS,
    ) -> None:
        self.state = state
        self.claim = claim
        self._before = plan(state, state.now) if before is None else before
        self._plans_left = most_plans

    @property
    def is_open(self) -> bool:
        """Whether another plan may be made."""
        return self._plans_left > 0

    def as_it_is(self) -> Prospect:
        if self.state.claims.get(self.claim.task_id) == self.claim:
            return _prospect(self.state, self.claim, self._before, self._before)
        return self.ask(AS_IT_IS)

    def ask(self, variant: Variant) -> Prospect:
        self._plans_left -= 1
        state = self.state
        with transaction(state) as changes:
            claim = _make(state, changes, self.claim, variant)
            return _prospect(state, claim, self._before, plan(state, state.now))


def _make(state: SchedulerState, changes: Transaction, claim: Claim, variant: Variant) -> Claim:
    """The claim as the change makes it, on the state."""
    changed = variant.of(claim)
    if variant.is_resubmission and claim.task_id in state.claims:
        changes.remove(claim.task_id)
        changed = submitted_now(changed, NEW, state.now)
    changes.put(changed)
    return changed


def _prospect(state: SchedulerState, claim: Claim, before: Plan, decided: Plan) -> Prospect:
    if claim.state.is_active:
        return Prospect(claim=claim, taken_by=_taken_by(decided, claim.task_id))
    delays = tuple(sorted(_served(before) - _served(decided) - {claim.task_id}))
    start = next((s for s in decided.starts if s.task_id == claim.task_id), None)
    if start is not None:
        return Prospect(claim=claim, start=start, delays=delays)
    handover = next((s for s in decided.handovers if s.task_id == claim.task_id), None)
    if handover is None:
        with applied(state, decided):
            return Prospect(claim=claim, reason=reason_of(state, decided, claim.task_id))
    victims = [s.task_id for s in decided.suspends if s.for_task == claim.task_id]
    return Prospect(
        claim=claim,
        handover=handover,
        suspends=tuple(victim_of(state, task_id) for task_id in victims),
        leavers=_leavers(decided, claim.task_id, victims),
        delays=tuple(task_id for task_id in delays if task_id not in victims),
    )


def victim_of(state: SchedulerState, task_id: TaskId) -> Victim:
    """What it would cost to suspend this active task now."""
    claim = state.claims[task_id]
    lost = max(0.0, state.now - lost_since(claim))
    cap = state.policy.lost_work_cap_seconds
    return Victim(task_id, claim.user, len(claim.holds), min(lost, cap))


def _leavers(decided: Plan, task_id: TaskId, victims: list[TaskId]) -> tuple[TaskId, ...]:
    """Others that hold its nodes and leave anyhow."""
    told = decided.reasons[task_id]
    everybody = told.tasks if isinstance(told, Handover) else ()
    return tuple(one for one in everybody if one not in victims)


def _taken_by(decided: Plan, task_id: TaskId) -> TaskId | None:
    return next((s.for_task for s in decided.suspends if s.task_id == task_id), None)


def _served(decided: Plan) -> set[TaskId]:
    return {start.task_id for start in (*decided.starts, *decided.handovers)}


def _is_kept_out(prospect: Prospect) -> bool:
    """By something that neither nodes nor quota could change."""
    return isinstance(prospect.reason, Held | UnmetDependency | Backoff | ArrayLimit)


Found = tuple[Variant, Prospect]


def _narrower(question: _Question) -> Iterator[Found]:
    """The widest gang that starts now, by bisection; a narrower one may still not, for it meets
    other claims: what is returned was tried."""
    best: Found | None = None
    low, high = 1, question.claim.nodes - 1
    while low <= high and question.is_open:
        middle = (low + high + 1) // 2
        variant = Variant(nodes=middle)
        prospect = question.ask(variant)
        if prospect.starts_now:
            best = (variant, prospect)
            low = middle + 1
        else:
            high = middle - 1
    if best is not None:
        yield best


def _elsewhere(question: _Question) -> Iterator[Found]:
    """Every other group that could ever hold it and where the user has quota."""
    state, claim = question.state, question.claim
    fitting = [
        name
        for name, group in sorted(state.groups.items())
        if name != claim.group
        and group.inventory.widest >= claim.nodes
        and not (group.is_shared or state.group(claim.group).is_shared)
    ]
    for name in [name for name in fitting if _may_ask(state, claim, name)][:_MOST_GROUPS]:
        if not question.is_open:
            return
        variant = Variant(group=name)
        prospect = question.ask(variant)
        if prospect.gets_nodes:
            yield variant, prospect


def _higher(question: _Question) -> Iterator[Found]:
    """Every higher level where the user has quota, the lowest first, until one starts at once. One
    that takes the same tasks' nodes as the last is no other change."""
    state, claim = question.state, question.claim
    if claim.priority is Priority.AUTO or state.group(claim.group).is_shared:
        return
    known: Prospect | None = None
    for level in reversed(LEVELS):
        limit = state.quotas.limit(claim.user, claim.group, level)
        if level <= claim.priority or limit < claim.nodes:
            continue
        if not question.is_open:
            return
        variant = Variant(priority=level)
        prospect = question.ask(variant)
        if prospect.gets_nodes and not _is_alike(known, prospect):
            yield variant, prospect
            known = prospect
        if prospect.starts_now:
            return


def _is_alike(one: Prospect | None, other: Prospect) -> bool:
    if one is None or one.starts_now != other.starts_now:
        return False
    return (one.suspends, one.leavers, one.delays) == (other.suspends, other.leavers, other.delays)


def _may_ask(state: SchedulerState, claim: Claim, group: GroupName) -> bool:
    if claim.priority is Priority.AUTO:
        return state.quotas.highest(claim.user, group) >= claim.nodes
    return state.quotas.limit(claim.user, group, claim.priority) >= claim.nodes
