"""The reason of every waiting task, from the state and the plan that was made of it.

The planner only tells the reasons of those that it looked at; the others follow from where they
stand.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from hai.core.group import GroupState
from hai.core.plan import Claim, Plan
from hai.core.preemption.victims import defended_level, slice_end
from hai.core.reasons.kinds import (
    ArrayLimit,
    Backoff,
    Behind,
    GroupTooSmall,
    GroupUnknown,
    Held,
    Holders,
    Ineligible,
    NoFreeNodes,
    NoQuota,
    NotPlanned,
    QuotaExceeded,
    Reason,
    Refused,
    Spot,
    TooWide,
    Unhealthy,
    UnmetDependency,
)
from hai.core.state import SchedulerState
from hai.core.types import IneligibleCode, Keeper, Priority, TaskId, WaitCode

TASKS_NAMED = 8  # in one list of a reason; the rest is a number


def reason_of(
    state: SchedulerState,
    decided: Plan,
    task_id: TaskId,
    positions: Mapping[TaskId, int] | None = None,
) -> Reason:
    """Why this waiting task waits; ask with the plan applied (transaction.applied), so that what
    others got counts. `positions`: places in the order of service, from 1."""
    claim = state.claims.get(task_id)
    told = decided.reasons.get(task_id)
    if claim is not None and isinstance(told, NoFreeNodes):
        return replace(told, holders=_holders(state, claim, told.level))
    if claim is not None and told is not None and not isinstance(told, Behind):
        return told
    if claim is None or not claim.state.is_waiting:
        return NotPlanned()
    ineligible = state.eligibility.ineligible.get(task_id)
    if ineligible is not None:
        return _ineligible(state, claim, ineligible)
    group = state.group(claim.group)
    if group.queue.level_of(task_id) is None:
        return _refusal(group, claim)
    return _behind(state, group, decided, claim, positions or {})


def _ineligible(state: SchedulerState, claim: Claim, code: IneligibleCode) -> Ineligible:
    group = claim.group
    match code:
        case WaitCode.HELD:
            return Held(group)
        case WaitCode.DEPENDENCY:
            return UnmetDependency(group, tuple(dict.fromkeys(claim.waits_for)))
        case WaitCode.BACKOFF:
            until = state.now if claim.not_before is None else claim.not_before
            return Backoff(group, until, math.ceil(max(0.0, until - state.now)))
        case WaitCode.ARRAY_LIMIT:
            return ArrayLimit(group, claim.array, claim.array_limit)
        case WaitCode.SPOT:
            return Spot(group)
        case _:
            assert_never(code)


def _refusal(group: GroupState, claim: Claim) -> Refused:
    """It stands in no level's line: too wide for the nodes, or for the quota."""
    if claim.nodes > group.inventory.widest:
        return _too_wide(group, claim)
    quota = group.user_quota(claim.user)
    level = quota.level_to_blame(claim.priority, claim.nodes)
    limit = quota.limits[level]
    kind = NoQuota if limit < claim.nodes else QuotaExceeded
    return kind(
        group=claim.group,
        level=level,
        needed=claim.nodes,
        limit=limit,
        used=quota.used[level],
    )


def _too_wide(group: GroupState, claim: Claim) -> TooWide:
    size, healthy, widest = (
        group.inventory.size,
        group.inventory.healthy,
        group.inventory.widest,
    )
    kind: type[TooWide] = Unhealthy
    if claim.nodes > size:
        kind = GroupTooSmall if size else GroupUnknown
    return kind(
        group=claim.group,
        needed=claim.nodes,
        nodes=size,
        healthy=healthy,
        in_two_zones=widest if widest < healthy else None,
    )


def _behind(
    state: SchedulerState,
    group: GroupState,
    decided: Plan,
    claim: Claim,
    positions: Mapping[TaskId, int],
) -> Reason:
    free, position = group.inventory.free_count, positions.get(claim.task_id)
    told = decided.reasons.get(claim.task_id)
    if isinstance(told, Behind):
        needed = claim.nodes if told.needed is None else told.needed
        return replace(told, needed=needed, free=free, position=position)
    level = group.queue.level_of(claim.task_id)
    own = own_first(state, decided, claim)
    return Behind(
        group=claim.group,
        level=claim.priority if level is None else level,
        needed=claim.nodes,
        free=free,
        position=position,
        head=head_of(state, decided, claim) if own is None else own,
        as_backfill=own is not None,
    )


def own_first(state: SchedulerState, decided: Plan, claim: Claim) -> TaskId | None:
    """The task of the same user that comes before this one and is kept out by the user's own:
    meanwhile this one runs as backfill only."""
    for task_id, reason in decided.reasons.items():
        if not isinstance(reason, NoFreeNodes) or reason.kept_out_by is not Keeper.OWN:
            continue
        other = state.claims.get(task_id)
        if other is None or (other.user, other.group) != (claim.user, claim.group):
            continue
        if other.task_id != claim.task_id and _asks_for(claim, reason.level):
            return task_id
    return None


def _asks_for(claim: Claim, level: Priority) -> bool:
    return claim.priority in (Priority.AUTO, level)


def head_of(state: SchedulerState, decided: Plan, claim: Claim) -> TaskId | None:
    """The waiting task that holds this one back: the first that the plan could not start, one that
    others than higher levels and its own user keep out if there is one."""
    kept_out = None
    for task_id, reason in decided.reasons.items():
        other = state.claims.get(task_id)
        if other is None or other.group != claim.group:
            continue
        if not isinstance(reason, NoFreeNodes):
            continue
        if reason.kept_out_by is None:
            return task_id
        if reason.kept_out_by is Keeper.HIGHER and kept_out is None and other.nodes <= claim.nodes:
            kept_out = task_id
    return kept_out


def _holders(state: SchedulerState, claim: Claim, level: Priority) -> Holders:
    """Who holds the nodes that the head of a line waits for, until when each is safe."""
    group = state.group(claim.group)
    others, own, higher = _by_firmness(group, claim, level)
    until = {
        holder.task_id: slice_end(holder, state.policy)
        for holder in others
        if defended_level(holder) is level
    }
    order = sorted(others, key=lambda holder: (until.get(holder.task_id, 0.0), holder.task_id))
    order += sorted((*own, *higher), key=lambda holder: holder.task_id)
    named = [holder.task_id for holder in order[:TASKS_NAMED]]
    return Holders(
        fitting=group.inventory.widest_free,
        held_by=tuple(named),
        held_by_more=len(order) - len(named),
        safe_until={one: until[one] for one in named if until.get(one, 0.0) > state.now},
        own=sum(len(holder.holds) for holder in own),
        higher=sum(len(holder.holds) for holder in higher),
    )


def _by_firmness(
    group: GroupState, claim: Claim, level: Priority
) -> tuple[list[Claim], list[Claim], list[Claim]]:
    """Who holds nodes: those who give them up at the end of a slice or before, the user's own of
    the level, and those who stand above it, or would if they left. The latter two never do."""
    others: list[Claim] = []
    own: list[Claim] = []
    higher: list[Claim] = []
    for holder in group.running.claims():
        if defended_level(holder) > level or group.requeue.is_above(holder, level):
            higher.append(holder)
        elif defended_level(holder) is level and holder.user == claim.user and not holder.backfill:
            own.append(holder)
        else:
            others.append(holder)
    return others, own, higher
