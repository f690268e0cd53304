"""The membership loop: nodes that come from a cluster join, change and leave as they do there.

A cordon counts on both sides. Which side spoke last is told by a mark that we leave there: it
stands for as long as both know of the cordon. What the cluster asks to leave (a drain, an eviction)
is suspended as for anybody else, with notice and time to save.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import structlog

from hai.core.lifecycle import transitions
from hai.core.node import Group, Node, NodeHealth
from hai.core.rowset import with_host
from hai.core.task import WorkerKey
from hai.core.types import NodeName, TaskId
from hai.errors import Conflict, Denied, HaiError, NotFound, Unavailable
from hai.ports import Bus, Clock, Cluster, Leading, Rows, Tasks
from hai.ports.nodes import NodeSource, SourceNode
from hai.service.node_health import NodeHealthWriter
from hai.service.signals import EVENTS, SCHEDULE, announce

log = structlog.get_logger("hai.membership")

_RUN_SECONDS = 1.0
_ACTOR = "cluster"
_NOT_READY = "not ready:"
_LEFT = "left the cluster:"
_THERE = "cordoned in the cluster"
_CLOSED = (NodeHealth.CORDONED, NodeHealth.DRAINED)


class MembershipStore(Cluster, Rows, Tasks, Leading, Protocol):
    """What is needed of the store here."""


class MembershipLoop:
    """One run compares all nodes of one source with ours."""

    def __init__(self, store: MembershipStore, bus: Bus, clock: Clock, source: NodeSource) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._health = NodeHealthWriter(store, bus, clock, _ACTOR)
        self._source = source
        self._may_cordon = True

    async def run_once(self) -> float:
        """Seconds until the next run; the cluster may have news before."""
        if not await self._store.lead():
            return _RUN_SECONDS
        try:
            hosts = {host.node: host for host in await self._store.hosts()}
            there = {
                one.node.name: replace(one, node=with_host(one.node, hosts.get(one.node.name)))
                for one in await self._source.nodes()
            }
            leaving = await self._source.departures()
        except Unavailable:
            return _RUN_SECONDS  # nothing is known, so nothing changes; the health loop tells
        ours = {n.name: n for n in await self._store.nodes() if n.launcher == self._source.launcher}
        await self._join(there, ours)
        await self._leave(there, ours)
        for name, one in there.items():
            if name in ours:
                await self._agree(one, ours[name])
        if leaving:
            await self._suspend(leaving)
        await self._source.wait(_RUN_SECONDS)
        return 0.0

    async def _join(
        self, there: Mapping[NodeName, SourceNode], ours: Mapping[NodeName, Node]
    ) -> None:
        new = [
            one.node
            for name, one in there.items()
            if name not in ours or _shape(ours[name]) != _shape(one.node)
        ]
        if not new:
            return
        known = {group.name for group in await self._store.groups()}
        now = self._clock.now()
        for group in sorted({node.group for node in new} - known):
            await self._store.put_group(Group(group), now)
        await self._store.put_nodes(new, now)
        log.info("nodes_changed", nodes=[node.name for node in new])
        await self._tell()

    async def _leave(
        self, there: Mapping[NodeName, SourceNode], ours: Mapping[NodeName, Node]
    ) -> None:
        """A node that a task still holds stays for as long, and gets no new work."""
        gone = [node for name, node in ours.items() if name not in there]
        if not gone:
            return
        held = {
            name
            for task in await self._store.active_tasks()
            if task.attempt is not None
            for name in task.attempt.nodes
        }
        free = [node.name for node in gone if node.name not in held]
        if free:
            await self._store.remove_nodes(free, self._clock.now())
            log.info("nodes_left", nodes=free)
            await self._tell()
        for node in gone:
            if node.name in held and node.health is not NodeHealth.DOWN:
                await self._health.write(
                    node, NodeHealth.DOWN, f"{_LEFT} its label or the node is gone"
                )

    async def _agree(self, one: SourceNode, ours: Node) -> None:
        closed_here = ours.health in _CLOSED
        try:
            if one.is_cordoned and closed_here and not one.is_agreed:
                await self._mark(one, cordoned=True, agreed=True)
            elif one.is_cordoned and not closed_here and one.is_agreed:  # resumed here
                await self._mark(one, cordoned=False, agreed=False)
            elif one.is_cordoned and not closed_here:  # cordoned there
                await self._health.write(ours, NodeHealth.CORDONED, _THERE)
                await self._mark(one, cordoned=True, agreed=True)
            elif not one.is_cordoned and closed_here and one.is_agreed:  # lifted there
                await self._health.write(ours, NodeHealth.READY, "")
                await self._mark(one, cordoned=False, agreed=False)
            elif not one.is_cordoned and closed_here:  # cordoned here
                await self._mark(one, cordoned=True, agreed=True)
            elif not one.is_cordoned and one.is_agreed:
                await self._mark(one, cordoned=False, agreed=False)
        except NotFound:
            return  # it left just now: the next run sees it
        except HaiError as error:
            log.warning("cordon_not_agreed", node=ours.name, error=error.message)
        if not one.is_cordoned and not closed_here:
            await self._readiness(one, ours)

    async def _mark(self, one: SourceNode, *, cordoned: bool, agreed: bool) -> None:
        if not self._may_cordon:
            return
        try:
            await self._source.set_cordon(one.node.name, cordoned=cordoned, agreed=agreed)
        except Denied as error:
            self._may_cordon = False  # as the cluster says; ours then counts here alone
            log.warning("cordon_denied", error=error.message)

    async def _readiness(self, one: SourceNode, ours: Node) -> None:
        is_ours = ours.health is NodeHealth.DOWN and ours.health_why.startswith((_NOT_READY, _LEFT))
        if one.is_ready and is_ours:
            await self._health.write(ours, NodeHealth.READY, "")
        elif not one.is_ready and (is_ours or ours.health is not NodeHealth.DOWN):
            why = f"{_NOT_READY} {one.why}"
            if ours.health_why != why:
                await self._health.write(ours, NodeHealth.DOWN, why)

    async def _suspend(self, leaving: Mapping[WorkerKey, str]) -> None:
        """Give notice to the tasks of these workers."""
        reasons: dict[TaskId, str] = {}
        attempts: dict[TaskId, int] = {}
        for key, why in leaving.items():
            reasons.setdefault(key.task_id, why)
            attempts[key.task_id] = key.attempt
        tasks = await self._store.tasks(list(reasons))
        changes = []
        for task in tasks:
            if not task.state.is_active or task.attempts != attempts[task.id]:
                continue
            try:
                change = transitions.suspend(
                    task, actor=_ACTOR, why=reasons[task.id], hold=False, now=self._clock.now()
                )
            except Conflict:  # it ends by itself
                continue
            if change is not None:
                changes.append(change)
        if changes:
            await announce(self._bus, await self._store.save(changes))

    async def _tell(self) -> None:
        await self._bus.publish(SCHEDULE)
        await self._bus.publish(EVENTS)


def _shape(node: Node) -> Node:
    """Without its health, which is ours to say."""
    return replace(node, health=NodeHealth.READY, health_why="")
