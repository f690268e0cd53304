"""Reasons in plain words: one sentence for each, made of its evidence and nothing else."""

from collections.abc import Iterable, Mapping
from typing import assert_never

from hai.core.reasons.kinds import (
    ArrayLimit,
    Backoff,
    Behind,
    ContainerQuotaExceeded,
    GroupTooSmall,
    GroupUnknown,
    Handover,
    Held,
    Holders,
    Ineligible,
    InLine,
    NoContainerQuota,
    NodesTooSmall,
    NoFreeNodes,
    NoQuota,
    NoRoom,
    NotPlanned,
    Paused,
    QuotaExceeded,
    Reason,
    Refused,
    Spot,
    Unhealthy,
    UnmetDependency,
)
from hai.core.types import Loss
from hai.wording import phrases
from hai.wording.amounts import amounts
from hai.wording.phrases import are


def text(reason: Reason, now: float | None = None) -> str:
    """Why a task waits, as the end of the sentence "task 7 ...". With `now` (Unix seconds) it also
    tells how long something lasts."""
    if isinstance(reason, Ineligible):
        return _ineligible(reason)
    if isinstance(reason, Refused):
        return _refused(reason)
    return _in_line(reason, now)


def _ineligible(reason: Ineligible) -> str:
    match reason:
        case Held():
            return "is suspended until somebody resumes it"
        case UnmetDependency():
            return f"starts after {phrases.tasks(reason.tasks)}"
        case Backoff():
            when = f"in {phrases.span(reason.seconds)}" if reason.seconds else "later"
            return f"is tried again {when}"
        case ArrayLimit():
            return f"waits for its array, of which {reason.limit} may run at once"
        case Spot():
            where = f"nodes of {reason.group} that are free while nobody waits there"
            return f"is spot: it starts on {where}"
        case _:
            assert_never(reason)


def _refused(reason: Refused) -> str:
    match reason:
        case GroupUnknown():
            return f"waits for a group that has no nodes: {reason.group}"
        case GroupTooSmall():
            return _group_too_small(reason)
        case Unhealthy():
            return _unhealthy(reason)
        case NoQuota():
            quota = phrases.nodes(reason.limit)
            return f"{_at_level(reason)}, where the user's quota is {quota}"
        case QuotaExceeded():
            used = f"{reason.used} of the user's quota of {reason.limit} {are(reason.used)} in use"
            return f"{_at_level(reason)}: {used}"
        case NoContainerQuota():
            return _over_limits(reason)
        case ContainerQuotaExceeded():
            used = amounts(reason.in_use.as_data(), reason.short)
            return f"{_over_limits(reason)}, and {used} are in use"
        case NodesTooSmall():
            return _nodes_too_small(reason)
        case _:
            assert_never(reason)


def _in_line(reason: InLine, now: float | None) -> str:
    match reason:
        case NoFreeNodes():
            return _no_free_nodes(reason, now)
        case NoRoom():
            return _no_room(reason)
        case Behind():
            return _behind(reason)
        case Handover():
            return _handover(reason)
        case Paused():
            return _paused(reason)
        case NotPlanned():
            return "waits for the next turn of the scheduler"
        case _:
            assert_never(reason)


def _group_too_small(reason: GroupTooSmall) -> str:
    size, healthy = reason.nodes, reason.healthy
    sick = "" if healthy == size else f" ({healthy} healthy)"
    needed = phrases.nodes(reason.needed)
    return f"needs {needed}, more than the {size}{sick} that {reason.group} has"


def _unhealthy(reason: Unhealthy) -> str:
    needed = phrases.nodes(reason.needed)
    if reason.in_two_zones is not None:
        return (
            f"needs {needed}: a task spans two zones at the most, and no two of "
            f"{reason.group} have more than {reason.in_two_zones} healthy ones"
        )
    return (
        f"needs {needed}: only {reason.healthy} of {reason.nodes} in {reason.group} "
        f"{are(reason.healthy)} healthy"
    )


def _at_level(reason: NoQuota | QuotaExceeded) -> str:
    return f"needs {phrases.nodes(reason.needed)} at {reason.level.name} in {reason.group}"


def _over_limits(reason: NoContainerQuota | ContainerQuotaExceeded) -> str:
    wanted = amounts(reason.asks.as_data(), reason.short)
    limit = amounts(reason.limits.as_data(), reason.short)
    return f"asks for {wanted} in {reason.group}, where the user's quota is {limit}"


def _nodes_too_small(reason: NodesTooSmall) -> str:
    most = amounts(reason.largest.as_data(), reason.short)
    asked = amounts(reason.asks.as_data(), reason.short)
    where = f"no node of {reason.group} has more than {most}"
    return f"asks for {asked} of one node, and {where}"


def _no_free_nodes(reason: NoFreeNodes, now: float | None) -> str:
    size, healthy, free = reason.nodes, reason.healthy, reason.free
    start = f"waits for {phrases.nodes(reason.needed)}"
    if reason.needed > healthy:
        return f"{start}: only {healthy} of {size} in {reason.group} {are(healthy)} healthy"
    facts = [f"{free} of {size} in {reason.group} {are(free)} free"]
    holders, busy = reason.holders, healthy - free
    if holders is not None and holders.fitting < free:
        fitting = f"no more than {holders.fitting} of them for one task"
        facts.append(f"{fitting}, as they lie in several zones")
    if busy and holders is not None and holders.held_by:
        who = phrases.tasks(holders.held_by, holders.held_by_more)
        facts.append(f"{busy} {are(busy)} held by {who}{_kept(holders, busy)}")
    if reason.leaving:
        facts.append(f"{reason.leaving} will soon be free")
    left = _next_end(holders.safe_until.values(), now) if holders is not None else ""
    if left:
        facts.append(f"the next slice ends in {left}")
    if size > healthy:
        facts.append(f"{size - healthy} {are(size - healthy)} not healthy")
    return f"{start}: {', '.join(facts)}"


def _next_end(times: Iterable[float], now: float | None) -> str:
    """How long until the next of these; "" if there is none to come."""
    ahead = [at for at in times if now is not None and at > now]
    return "" if now is None or not ahead else phrases.span(min(ahead) - now)


def _kept(holders: Holders, busy: int) -> str:
    """How many of the busy nodes no slice frees."""
    own, higher = holders.own, holders.higher
    if higher == busy:
        return " at a higher priority"
    parts = [
        f"{own} by its user's own tasks, which are never interrupted for each other" if own else "",
        f"{higher} at a higher priority" if higher else "",
    ]
    told = "; ".join(part for part in parts if part)
    return f" ({told})" if told else ""


def _no_room(reason: NoRoom) -> str:
    free = amounts(reason.free.as_data(), reason.short)
    holders = phrases.tasks(reason.held_by, reason.held_by_more)
    held = f"; the rest is held by {holders}" if holders else ""
    where = f"{reason.node} of {reason.group}"
    return f"asks for {amounts(reason.asks.as_data())}: {where} has {free} free{held}"


_PRICES: Mapping[Loss, str] = {
    Loss.QUOTA: "and does not run meanwhile, for it would take the quota that that one needs",
    Loss.TURN: "and does not run meanwhile, for others would then come first and take its nodes",
    Loss.NODES: "and does not run meanwhile, for it would take the nodes that that one needs",
}
_ONLY_BACKFILL = "and runs meanwhile as backfill at most, which ends when that one fits"


def _behind(reason: Behind) -> str:
    place, head = reason.position, reason.head
    turn = "waits its turn" if place is None else f"is number {place} in its line"
    behind = "" if head is None else f", behind task {head}"
    price = _ONLY_BACKFILL if reason.as_backfill else ""
    if reason.spares is not None:
        price = _PRICES[reason.spares]
    return f"{turn} in {reason.group}{behind}{f' ({price})' if price else ''}"


def _handover(reason: Handover) -> str:
    have = phrases.have(len(reason.tasks))
    nodes = phrases.nodes(len(reason.nodes))
    return f"starts on {nodes} of {reason.group} once {phrases.tasks(reason.tasks)} {have} left"


def _paused(reason: Paused) -> str:
    left = reason.seconds
    goes_on = f", and goes on in {phrases.span(left)} if it does not" if left else ""
    return f"waits because the platform is going down (hai-up down){goes_on}"
