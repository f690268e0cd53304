"""What admins do to nodes: cordon, drain, resume."""

from typing import Protocol

from hai.core.identity import User
from hai.core.lifecycle import transitions
from hai.core.node import Node, NodeHealth
from hai.core.task import Task
from hai.core.types import NodeName, TaskId
from hai.errors import Conflict, NotFound
from hai.ports import Bus, Clock, Cluster, Tasks
from hai.service.access import require_admin
from hai.service.node_health import NodeHealthWriter, health_text
from hai.service.signals import announce


class NodeStore(Cluster, Tasks, Protocol):
    """What is needed of the store here."""


class NodeService:
    """Every change is a line of the event log; doing one twice changes nothing."""

    def __init__(self, store: NodeStore, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock

    async def cordon(self, admin: User, name: str, why: str) -> list[TaskId]:
        """No new work; what runs there goes on. Nobody has to leave: []."""
        await self._set(admin, name, NodeHealth.CORDONED, why or f"cordoned by {admin.name}")
        return []

    async def drain(self, admin: User, name: str, why: str) -> list[TaskId]:
        """No new work, and what runs there saves, leaves and goes on elsewhere; the tasks that have
        to leave."""
        await self._set(admin, name, NodeHealth.DRAINED, why or f"drained by {admin.name}")
        return await self.clear_drained(actor=admin.name)

    async def resume(self, admin: User, name: str, why: str) -> list[TaskId]:
        """Ready for work, whatever was said about it before."""
        await self._set(admin, name, NodeHealth.READY, why)
        return []

    async def _set(self, admin: User, name: str, health: NodeHealth, why: str) -> None:
        require_admin(admin, "changing nodes")
        node = await self._find(name)
        kept_why = "" if health is NodeHealth.READY else why
        if (node.health, node.health_why) == (health, kept_why):
            return
        writer = NodeHealthWriter(self._store, self._bus, self._clock, admin.name)
        told = health_text(node, health, why)
        if not await writer.write(node, health, kept_why, told=told, is_order=True):
            raise Conflict(f"node {name} was removed just now", hint="hai-cli nodes lists them")

    async def _find(self, name: str) -> Node:
        for node in await self._store.nodes():
            if node.name == name:
                return node
        raise NotFound(f"there is no node {name!r}", hint="hai-cli nodes lists them")

    async def clear_drained(self, *, actor: str) -> list[TaskId]:
        """Give notice to whatever runs on drained nodes; ids of the tasks that have to leave."""
        drained = {n.name: n for n in await self._store.nodes() if n.health is NodeHealth.DRAINED}
        if not drained:
            return []
        staying = [
            (task, node)
            for task in await self._store.active_tasks()
            if task.attempt is not None and not task.state.is_leaving
            for node in _first(task, drained)
        ]
        now = self._clock.now()
        changes = []
        for task, node in staying:
            why = f"node {node.name} is drained: {node.health_why}"
            try:
                change = transitions.suspend(task, actor=actor, why=why, hold=False, now=now)
            except Conflict:  # it ends by itself
                continue
            if change is not None:
                changes.append(change)
        saved = await self._store.save(changes) if changes else []
        await announce(self._bus, saved)
        return [task.id for task in saved]


def _first(task: Task, nodes: dict[NodeName, Node]) -> list[Node]:
    """The first of these nodes that the task holds, or nothing."""
    held = task.attempt.nodes if task.attempt is not None else ()
    return [nodes[name] for name in held if name in nodes][:1]
