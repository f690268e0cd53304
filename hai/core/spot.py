"""Spot containers: whole nodes that are free while nobody waits for them.

They start after everybody else and as backfill at the lowest level, so whoever starts by right may
have their nodes at once. They cost no quota and no turn.
"""

from hai.core.assume.assumed import Assumed
from hai.core.group import GroupState
from hai.core.plan import Start
from hai.core.state import SchedulerState
from hai.core.types import Priority


def spot_starts(state: SchedulerState, drafted: Assumed) -> list[Start]:
    """Who starts, by the time in line; tried on the state, which has this tick's other starts.
    Without preemption nobody: they could not be told to leave."""
    starts: list[Start] = []
    if not state.policy.preemption:
        return starts
    waiting = sorted(state.eligibility.spot.values(), key=lambda one: (one.line_since, one.task_id))
    is_idle: dict[str, bool] = {}
    for claim in waiting:
        group = state.group(claim.group)
        if not is_idle.setdefault(group.name, _is_idle(group)):
            continue
        zones = group.inventory.zones_for(claim.nodes, claim.knows)
        if zones is not None:
            nodes = group.inventory.choose(claim.nodes, zones, claim.knows)
            start = Start(claim.task_id, nodes, Priority.LOW, backfill=True)
            drafted.start(claim, start)
            starts.append(start)
    return starts


def _is_idle(group: GroupState) -> bool:
    """Whether nobody waits in its line who could get nodes there."""
    if group.is_shared:
        return False
    queue = group.queue
    return all(queue.level_of(claim.task_id) is None for claim in queue.claims())
