"""One tick of a group whose nodes are shared by containers: who starts where, why others wait.

Claims are looked at in the order of service. One that has room starts. The first that has none
keeps the node where least is missing: whoever comes later takes nothing there of what it waits for,
so it is not passed over for ever. Nobody is suspended for a container.
"""

from dataclasses import dataclass, field

from hai.core.container_quota import UNLIMITED
from hai.core.group import GroupState, container_level
from hai.core.inventory.nodes import is_usable
from hai.core.inventory.shared_nodes import SharedNode, SharedNodes
from hai.core.plan import Claim, Start
from hai.core.queue.service_order import service_order
from hai.core.reasons.kinds import (
    Behind,
    ContainerQuotaExceeded,
    Containers,
    GroupTooSmall,
    GroupUnknown,
    NoContainerQuota,
    NodesTooSmall,
    NoRoom,
    NotPlanned,
    Reason,
    Unhealthy,
)
from hai.core.resources import NAMES, NOTHING, Resources, of_node, short_of, total
from hai.core.state import SchedulerState
from hai.core.types import NodeName, TaskId, UserName

_NAMED = 8  # holders, in one reason


@dataclass(slots=True)
class Shared:
    """What was decided about one group."""

    starts: list[Start] = field(default_factory=list)
    reasons: dict[TaskId, Reason] = field(default_factory=dict)


def shared_nodes_of(state: SchedulerState, group: GroupState) -> SharedNodes:
    """The group's healthy nodes with what is held there now."""
    capacity = SharedNodes.of(node for node in group.inventory.nodes.values() if is_usable(node))
    for name in capacity.nodes:
        for claim in state.holders_of(name):
            rank = claim.holds.index(name)
            gpus = claim.gpu_indices[rank] if rank < len(claim.gpu_indices) else ()
            capacity.hold(name, claim.asks, gpus)
    return capacity


def serve(state: SchedulerState, group: GroupState) -> Shared:
    """One tick of a shared group. O(its nodes, containers and waiting claims)."""
    return _PackingTurn(state, group).run()


class _Quotas:
    """What users' containers hold in the group. The first of a user's that has no node in the quota
    holds up the user's later ones: they would keep it out for ever."""

    def __init__(self, state: SchedulerState, group: GroupState) -> None:
        self._limits = state.container_limits
        self._group = group.name
        self._held: dict[UserName, tuple[Resources, int]] = {}
        self._first: dict[UserName, Claim] = {}
        if self._limits:
            for claim in state.claims.values():
                if claim.state.is_active and claim.group == group.name:
                    self.charge(claim)

    def charge(self, claim: Claim) -> None:
        self._held[claim.user] = self._with(claim)

    def refuses(self, claim: Claim) -> Reason | None:
        limits = self._limits.get((claim.user, self._group), UNLIMITED)
        wanted = total([claim.asks or NOTHING] * claim.nodes)
        group, level = claim.group, container_level(claim.priority)
        asks = Containers(claim.nodes, wanted)
        if over := limits.exceeded_by(wanted, claim.nodes):
            return NoContainerQuota(
                group=group, level=level, asks=asks, limits=limits, short=tuple(over)
            )
        if first := self._first.get(claim.user):
            return Behind(group=group, level=level, head=first.task_id)
        if over := limits.exceeded_by(*self._with(claim)):
            self._first[claim.user] = claim
            held, count = self._held.get(claim.user, (NOTHING, 0))
            return ContainerQuotaExceeded(
                group=group,
                level=level,
                asks=asks,
                limits=limits,
                short=tuple(over),
                in_use=Containers(count, held),
            )
        return None

    def _with(self, claim: Claim) -> tuple[Resources, int]:
        held, count = self._held.get(claim.user, (NOTHING, 0))
        return held.plus(total([claim.asks or NOTHING] * claim.nodes)), count + claim.nodes


class _PackingTurn:
    def __init__(self, state: SchedulerState, group: GroupState) -> None:
        self._state = state
        self._group = group
        self._capacity = shared_nodes_of(state, group)
        self._shared = Shared()
        self._quotas = _Quotas(state, group)
        self._head: Claim | None = None

    def run(self) -> Shared:
        for task_id in service_order(self._state, self._group.name):
            claim = self._group.queue.claim(task_id)
            over = self._quotas.refuses(claim)
            if not self._is_possible(claim):
                self._wait(claim, self._too_large(claim))
            elif over is not None:
                self._wait(claim, over)
            elif not self._start(claim):
                self._stand(claim)
        return self._shared

    def _start(self, claim: Claim) -> bool:
        places = self._capacity.place(claim.asks, claim.nodes, claim.knows)
        if places is None:
            return False
        nodes = tuple(place.node for place in places)
        has_gpus = claim.asks is not None and claim.asks.gpus > 0
        gpus = tuple(place.gpus for place in places) if has_gpus else ()
        level = container_level(claim.priority)
        self._quotas.charge(claim)
        self._shared.starts.append(Start(claim.task_id, nodes, level, gpu_indices=gpus))
        return True

    def _stand(self, claim: Claim) -> None:
        """It goes on waiting."""
        asks = self._asks(claim)
        reason = self._no_room(claim, asks)
        if self._head is None:
            self._head = claim
            self._capacity.keep(asks, claim.nodes)
        elif reason is None:
            level = container_level(claim.priority)
            reason = Behind(group=claim.group, head=self._head.task_id, level=level)
        self._wait(claim, reason or NotPlanned())

    def _asks(self, claim: Claim) -> Resources:
        """What it needs of one node; of whoever asks for no part, all of the largest."""
        return claim.asks or self._largest()

    def _largest(self) -> Resources:
        return max((node.has for node in self._capacity.nodes.values()), default=Resources())

    def _is_possible(self, claim: Claim) -> bool:
        """Whether it fits the healthy nodes if nobody else is there."""
        if claim.asks is None:
            return len(self._capacity.nodes) >= claim.nodes
        able = sum(node.has.covers(claim.asks) for node in self._capacity.nodes.values())
        return able >= claim.nodes

    def _too_large(self, claim: Claim) -> Reason:
        """No node is large enough, or those that are large enough are out of service."""
        nodes, healthy = self._group.inventory.nodes.values(), self._group.inventory.healthy
        group, needed, asks = claim.group, claim.nodes, claim.asks
        able = sum(asks is None or of_node(node).covers(asks) for node in nodes)
        if able >= needed:
            return Unhealthy(group=group, needed=needed, nodes=len(nodes), healthy=healthy)
        if asks is None or not nodes:
            kind = GroupTooSmall if nodes else GroupUnknown
            return kind(group=group, needed=needed, nodes=len(nodes), healthy=healthy)
        most = Resources(*(max(values) for values in zip(*map(of_node, nodes), strict=True)))
        return NodesTooSmall(
            group=group,
            needed=needed,
            nodes=len(nodes),
            healthy=healthy,
            asks=asks,
            largest=most,
            short=tuple(short_of(most, asks) or NAMES),
        )

    def _no_room(self, claim: Claim, asks: Resources) -> Reason | None:
        """Which resource is short, and what is free, where least is missing; None if it would fit
        but for the one that comes first."""
        there = self._capacity.nodes.values()
        if claim.asks and sum(node.free.covers(asks) for node in there) >= claim.nodes:
            return None
        node = self._capacity.nearest(asks)
        return None if node is None else self._short_at(node, claim, asks)

    def _short_at(self, node: SharedNode, claim: Claim, asks: Resources) -> NoRoom:
        holders = self._holders(node.name)
        return NoRoom(
            group=claim.group,
            level=container_level(claim.priority),
            needed=claim.nodes,
            nodes=self._group.inventory.size,
            healthy=self._group.inventory.healthy,
            asks=asks,
            short=tuple(short_of(node.free, asks)),
            node=node.name,
            free=node.free,
            held_by=holders[:_NAMED],
            held_by_more=max(0, len(holders) - _NAMED),
        )

    def _holders(self, name: NodeName) -> tuple[TaskId, ...]:
        held = [claim.task_id for claim in self._state.holders_of(name)]
        started = [start.task_id for start in self._shared.starts if name in start.nodes]
        return (*held, *started)

    def _wait(self, claim: Claim, reason: Reason) -> None:
        self._shared.reasons[claim.task_id] = reason
