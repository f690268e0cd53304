"""What there is to tell of a task beside its reason: facts of the scheduler's state. The tasks in
them are named once their names are known (`hai.wording.explanations`)."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hai.core.plan import Claim, Plan
from hai.core.preemption.victims import defended_level, slice_end
from hai.core.quota import LEVELS
from hai.core.reasons.finding import head_of
from hai.core.reasons.kinds import (
    Behind,
    ContainerQuotaExceeded,
    NoFreeNodes,
    QuotaExceeded,
    Reason,
)
from hai.core.state import SchedulerState
from hai.core.types import Keeper, Loss, Priority, TaskId
from hai.core.whatif import after_slice, victim_of

_MOST_AHEAD = 3
_MOST_HOLDERS = 5


@dataclass(frozen=True, slots=True)
class Holder:
    """An active task; `until` it is safe from its equals (None: it is backfill, or `shares` its
    nodes and leaves them to nobody). `above`: where it stands if that is above the one who
    waits."""

    task_id: TaskId
    nodes: int
    until: float | None
    above: Priority | None = None
    shares: bool = False


@dataclass(frozen=True, slots=True)
class WaitFacts:
    """Where a waiting task stands and who has what it waits for."""

    group: str = ""
    position: int | None = None
    ahead: tuple[TaskId, ...] = ()
    holders: tuple[Holder, ...] = ()
    more_holders: int = 0
    spenders: tuple[TaskId, ...] = ()  # the user's own tasks that use its quota up
    kept_out_by: Keeper | Loss | None = None  # who lets it wait although it is the first

    @property
    def mentioned(self) -> set[TaskId]:
        return {*self.ahead, *self.spenders, *(holder.task_id for holder in self.holders)}


def wait_facts(
    state: SchedulerState, claim: Claim, reason: Reason, order: Mapping[TaskId, int]
) -> WaitFacts:
    """`order`: places in the order of service, from 1, in that order."""
    position = order.get(claim.task_id)
    ahead: list[TaskId] = []
    for task_id, place in order.items():
        if position is None or place >= position or len(ahead) == _MOST_AHEAD:
            break
        ahead.append(task_id)
    running = state.group(claim.group).running
    holders: list[Holder] = []
    if isinstance(reason, NoFreeNodes | Behind):
        level = LEVELS[0] if reason.level is Priority.AUTO else reason.level
        holders = _holders(state, running.claims(), level)
    spenders: list[TaskId] = []
    if isinstance(reason, QuotaExceeded | ContainerQuotaExceeded):
        own = (one for one in running.claims() if one.user == claim.user)
        spenders = sorted(one.task_id for one in own if one.level is reason.level)
    return WaitFacts(
        group=claim.group,
        position=position,
        ahead=tuple(ahead),
        holders=tuple(holders),
        more_holders=len(running) - len(holders) if holders else 0,
        spenders=tuple(spenders[:_MOST_HOLDERS]),
        kept_out_by=_kept_out_by(reason),
    )


def _kept_out_by(reason: Reason) -> Keeper | Loss | None:
    """Who keeps the first of a line out; None if nobody in particular does."""
    match reason:
        case NoFreeNodes():
            return reason.kept_out_by
        case Behind():
            return reason.spares
        case _:
            return None


def _holders(state: SchedulerState, active: Iterable[Claim], level: Priority) -> list[Holder]:
    """Whose nodes may come free first for one who waits at the level."""
    first = heapq.nsmallest(
        _MOST_HOLDERS,
        active,
        key=lambda one: (defended_level(one) > level, slice_end(one, state.policy), one.task_id),
    )
    return [
        Holder(
            one.task_id,
            len(one.holds),
            safe_until(state, one),
            defended_level(one) if defended_level(one) > level else None,
            state.group(one.group).is_shared,
        )
        for one in first
    ]


def safe_until(state: SchedulerState, claim: Claim) -> float | None:
    """Until when no equal takes the nodes of an active claim. None where that is no question of
    time: a backfill yields at any moment, and nobody is suspended for a part of a shared node."""
    if claim.backfill or state.group(claim.group).is_shared:
        return None
    return slice_end(claim, state.policy)


@dataclass(frozen=True, slots=True)
class ActiveFacts:
    """How firmly an active task holds its nodes. `next_taker` gets them if its slice ends now;
    `shadow_of` is the gang that a backfill yields to; `shares`: it has a part of each, for nobody
    else to take."""

    until: float | None = None
    backfill: bool = False
    next_taker: TaskId | None = None
    shadow_of: TaskId | None = None
    at_risk_seconds: float = 0.0
    saved_at: float | None = None
    shares: bool = False

    @property
    def mentioned(self) -> set[TaskId]:
        return {one for one in (self.next_taker, self.shadow_of) if one is not None}


def active_facts(state: SchedulerState, decided: Plan, task_id: TaskId) -> ActiveFacts:
    claim = state.claims.get(task_id)
    if claim is None or not claim.state.is_active or claim.state.is_leaving:
        return ActiveFacts()
    if state.group(claim.group).is_shared:
        return ActiveFacts(shares=True)
    return ActiveFacts(
        until=safe_until(state, claim),
        backfill=claim.backfill,
        next_taker=after_slice(state, task_id),
        shadow_of=head_of(state, decided, claim) if claim.backfill else None,
        at_risk_seconds=victim_of(state, task_id).lost_seconds,
        saved_at=claim.saved_at,
    )
