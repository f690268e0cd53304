"""The one place that writes what becomes of a node's health."""

import structlog

from hai.core.node import Node, NodeHealth
from hai.core.task import EventDraft
from hai.ports import Bus, Clock, Cluster
from hai.service.signals import EVENTS, SCHEDULE

log = structlog.get_logger("hai.nodes")


class NodeHealthWriter:
    """`actor` is who says so in the event log."""

    def __init__(self, store: Cluster, bus: Bus, clock: Clock, actor: str) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._actor = actor

    async def write(
        self, node: Node, health: NodeHealth, why: str, *, told: str = "", is_order: bool = False
    ) -> bool:
        """`why` stays with the node; the event log gets `told` ("": `why`). False, and nothing is
        done, if the node is gone or its health is not that of `node` any more; an order counts
        whatever that is."""
        event = EventDraft(
            kind=f"node.{health.value}",
            actor=self._actor,
            at=self._clock.now(),
            why=told or why,
            data={"node": node.name, "was": node.health.value},
        )
        was = None if is_order else node.health
        if not await self._store.set_node_health(node.name, health, why, event, was=was):
            return False
        log.warning("node_health", node=node.name, health=health.value, why=why)
        await self._bus.publish(SCHEDULE)
        await self._bus.publish(EVENTS)
        return True


def health_text(node: Node, health: NodeHealth, why: str) -> str:
    """Which node is what now, for the event log."""
    told = f"node {node.name}: {health.value}, was {node.health.value}"
    return f"{told}: {why}" if why else told
