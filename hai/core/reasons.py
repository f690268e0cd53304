"""The structured reason of every waiting task, from the state and the plan that was made of it.

The planner only tells the reasons of those that it looked at; the others follow from where they
stand. Texts are explain.py's.
"""

import math
from collections.abc import Mapping

from hai.core.group import GroupState
from hai.core.plan import Claim, Plan, Reason
from hai.core.preemption.victims import defended_level, slice_end
from hai.core.queue.heads import Keeper
from hai.core.state import SchedulerState
from hai.core.types import Priority, TaskId, WaitCode

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
    if claim is not None and told is not None and told.code is not WaitCode.BEHIND:
        return _with_holders(state.group(claim.group), state, claim, told)
    if claim is None or not claim.state.is_waiting:
        return Reason(WaitCode.NOT_PLANNED)
    parked = state.eligibility.parked.get(task_id)
    if parked is not None:
        return _parked(state, claim, parked)
    group = state.group(claim.group)
    if group.queue.level_of(task_id) is None:
        return _refusal(group, claim)
    return _behind(state, group, decided, claim, positions or {})


def _parked(state: SchedulerState, claim: Claim, code: WaitCode) -> Reason:
    evidence: dict[str, object] = {"group": claim.group}
    if code is WaitCode.DEPENDENCY:
        evidence["tasks"] = list(dict.fromkeys(claim.waits_for))
    elif code is WaitCode.BACKOFF and claim.not_before is not None:
        evidence["until"] = claim.not_before
        evidence["seconds"] = math.ceil(max(0.0, claim.not_before - state.now))
    elif code is WaitCode.ARRAY_LIMIT:
        evidence |= {"array": claim.array, "limit": claim.array_limit}
    return Reason(code, evidence)


def _refusal(group: GroupState, claim: Claim) -> Reason:
    """It stands in no level's line: too wide for the nodes, or for the quota."""
    size, healthy = group.inventory.size, group.inventory.healthy
    evidence: dict[str, object] = {"group": claim.group, "needed": claim.nodes}
    if claim.nodes > group.inventory.widest:
        code = WaitCode.UNHEALTHY
        if claim.nodes > size:
            code = WaitCode.GROUP_TOO_SMALL if size else WaitCode.GROUP_UNKNOWN
        evidence |= {"nodes": size, "healthy": healthy}
        if group.inventory.widest < healthy:
            evidence["in_two_zones"] = group.inventory.widest
        return Reason(code, evidence)
    account = group.account(claim.user)
    level = account.level_to_blame(claim.priority, claim.nodes)
    limit = account.limits[level]
    code = WaitCode.NO_QUOTA if limit < claim.nodes else WaitCode.QUOTA_EXCEEDED
    return Reason(
        code, {**evidence, "limit": limit, "used": account.used[level], "level": level.name}
    )


def _behind(
    state: SchedulerState,
    group: GroupState,
    decided: Plan,
    claim: Claim,
    positions: Mapping[TaskId, int],
) -> Reason:
    level = group.queue.level_of(claim.task_id)
    evidence: dict[str, object] = {
        "group": claim.group,
        "level": level.name if level is not None else claim.priority.name,
        "needed": claim.nodes,
        "free": group.inventory.free_count,
    }
    if claim.task_id in positions:
        evidence["position"] = positions[claim.task_id]
    told = decided.reasons.get(claim.task_id)
    if told is not None:
        return Reason(WaitCode.BEHIND, {**evidence, **told.evidence})
    own = own_first(state, decided, claim)
    if own is not None:
        return Reason(WaitCode.BEHIND, {**evidence, "head": own, "as_backfill": True})
    head = head_of(state, decided, claim)
    if head is not None:
        evidence["head"] = head
    return Reason(WaitCode.BEHIND, evidence)


def own_first(state: SchedulerState, decided: Plan, claim: Claim) -> TaskId | None:
    """The task of the same user that comes before this one and is kept out by the user's own:
    meanwhile this one runs as backfill only."""
    for task_id, reason in decided.reasons.items():
        if reason.evidence.get("kept_out_by") != Keeper.OWN:
            continue
        other = state.claims.get(task_id)
        if other is None or (other.user, other.group) != (claim.user, claim.group):
            continue
        if other.task_id != claim.task_id and _asks_for(claim, str(reason.evidence["level"])):
            return task_id
    return None


def _asks_for(claim: Claim, level: str) -> bool:
    return claim.priority is Priority.AUTO or claim.priority.name == level


def head_of(state: SchedulerState, decided: Plan, claim: Claim) -> TaskId | None:
    """The waiting task that holds this one back: the first that the plan could not start, one that
    others than higher levels and its own user keep out if there is one."""
    kept_out = None
    for task_id, reason in decided.reasons.items():
        other = state.claims.get(task_id)
        if other is None or other.group != claim.group:
            continue
        if reason.code is not WaitCode.NO_FREE_NODES:
            continue
        keeper = reason.evidence.get("kept_out_by")
        if keeper is None:
            return task_id
        if keeper == Keeper.HIGHER and kept_out is None and other.nodes <= claim.nodes:
            kept_out = task_id
    return kept_out


def _with_holders(group: GroupState, state: SchedulerState, claim: Claim, reason: Reason) -> Reason:
    """Who holds the nodes that the head of a line waits for, until when each is safe."""
    if reason.code is not WaitCode.NO_FREE_NODES:
        return reason
    level = Priority[str(reason.evidence["level"])]
    others, own, higher = _holders(group, claim, level)
    until = {
        holder.task_id: slice_end(holder, state.policy)
        for holder in others
        if defended_level(holder) is level
    }
    order = sorted(others, key=lambda holder: (until.get(holder.task_id, 0.0), holder.task_id))
    order += sorted((*own, *higher), key=lambda holder: holder.task_id)
    named = [holder.task_id for holder in order[:TASKS_NAMED]]
    evidence = {
        **reason.evidence,
        "fitting": group.inventory.widest_free,
        "held_by": named,
        "held_by_more": len(order) - len(named),
        "safe_until": {str(one): until[one] for one in named if until.get(one, 0.0) > state.now},
        "own": sum(len(holder.holds) for holder in own),
        "higher": sum(len(holder.holds) for holder in higher),
    }
    return Reason(reason.code, evidence)


def _holders(
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
