"""A scheduler state as plain values, so that two of them can be compared whole."""

from typing import Any

from hai.core.group import GroupState
from hai.core.state import SchedulerState


def picture(state: SchedulerState, *, with_shares: bool = True) -> dict[str, Any]:
    """Everything that a plan could depend on. Without shares: not the usage of what has ended,
    which only the history knows, nor the orders that follow from it."""
    return {
        "now": state.now,
        "nodes": dict(sorted(state.nodes.items())),
        "claims": dict(sorted(state.claims.items())),
        "ineligible": dict(sorted(state.eligibility.ineligible.items())),
        "promised": sorted(state.promised),
        "demotable": sorted(state.demotable),
        "groups": {
            name: _group(group, with_shares=with_shares)
            for name, group in sorted(state.groups.items())
            if group.inventory.nodes or len(group.queue) or len(group.running)
        },
    }


def _group(group: GroupState, *, with_shares: bool) -> dict[str, Any]:
    queue, running, inventory = group.queue, group.running, group.inventory
    queue.levels()  # whatever is asked first puts the orders right
    found: dict[str, Any] = {
        "free": {zone: sorted(pool) for zone, pool in inventory.free.items() if len(pool)},
        "leaving": {zone: sorted(pool) for zone, pool in inventory.leaving.items() if len(pool)},
        "spanning": sorted(inventory.spanning),
        "widest": inventory.widest,
        "holders": {name: dict(sorted(held.items())) for name, held in inventory.holders.items()},
        "waiting": {claim.task_id: queue.level_of(claim.task_id) for claim in queue.claims()},
        "running": {
            claim.task_id: vars_of(running, claim.task_id)
            for claim in sorted(running.claims(), key=lambda claim: claim.task_id)
        },
        "returning": _returning(group),
        "used": _used(group),
    }
    if with_shares:
        users = group.fair_share.users()
        found["shares"] = {user: group.fair_share.key(user) for user in users}
        found["started"] = {user: group.fair_share.last_start(user) for user in users}
        found["orders"] = {
            level: {width: list(order) for width, order in sorted(widths.items())}
            for level, widths in sorted(queue._classes._orders.items())
            if widths
        }
        waiters = sorted(queue._classes._waiters.items())
        found["waiters"] = {level: list(waiting) for level, waiting in waiters if waiting}
    return found


def vars_of(running: Any, task_id: int) -> tuple[Any, ...]:
    place = running._places[task_id]
    return place.level, place.hold, place.cost, {z: n for z, n in place.gains.items() if n}


def _returning(group: GroupState) -> dict[Any, Any]:
    returning = group.requeue
    returning._settle()
    return {
        at: {zone: count for zone, count in gains.items() if count}
        for at, gains in sorted(returning._totals.items())
        if any(gains.values())
    }


def _used(group: GroupState) -> dict[str, Any]:
    quotas = group._user_quotas._by_user
    return {
        user: (
            {level: n for level, n in quota.used.items() if n},
            {level: n for level, n in quota.leaving.items() if n},
        )
        for user, quota in sorted(quotas.items())
        if any(quota.used.values()) or any(quota.leaving.values())
    }
