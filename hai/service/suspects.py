"""Nodes that lost a worker: used last, if at all, until they have been quiet for a while."""

from collections.abc import Awaitable, Callable, Iterable

import structlog

from hai.core.node import Node, NodeHealth
from hai.core.task import EventDraft
from hai.core.types import NodeName
from hai.ports import Bus, Clock, Cluster
from hai.service.nodes import health_text
from hai.service.signals import EVENTS, SCHEDULE

log = structlog.get_logger("hai.suspects")

_LOST = "lost:"


async def mark_suspects(
    store: Cluster, bus: Bus, clock: Clock, lost: Iterable[tuple[NodeName, str]]
) -> None:
    """`lost` are nodes with what they lost; whoever else works there keeps working."""
    news = dict(lost)
    if not news:
        return
    for node in await store.nodes():
        why = f"{_LOST} {news.get(node.name)}"
        if node.name not in news or node.health_why == why:
            continue
        if node.health is NodeHealth.READY or is_ours(node):
            event = _event(node, NodeHealth.SUSPECT, clock.now(), why)
            await store.set_node_health(node.name, NodeHealth.SUSPECT, why, event, was=node.health)
            await bus.publish(SCHEDULE)
            await bus.publish(EVENTS)


class Suspects:
    """Gives a suspect back after `quiet_seconds` without a further loss, if it passes the checks
    then."""

    def __init__(self, store: Cluster, bus: Bus, clock: Clock, quiet_seconds: float) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._quiet_seconds = quiet_seconds
        self._since: dict[NodeName, tuple[str, float]] = {}  # why, and when this was seen first

    async def look(
        self, nodes: Iterable[Node], is_well: Callable[[Node], Awaitable[bool]]
    ) -> float | None:
        """Give back who was quiet long enough; seconds until the next look, None: no suspects."""
        now = self._clock.steady()
        ours = {node.name: node for node in nodes if is_ours(node)}
        self._since = {
            name: seen
            for name, seen in self._since.items()
            if name in ours and ours[name].health_why == seen[0]
        }
        left = []
        for name, node in ours.items():
            _, since = self._since.setdefault(name, (node.health_why, now))
            rest = since + self._quiet_seconds - now
            if rest > 0:
                left.append(rest)
            elif await is_well(node):
                await self._give_back(node)
            else:
                self._since[name] = (node.health_why, now)
                left.append(self._quiet_seconds)
        return min(left, default=None)

    async def _give_back(self, node: Node) -> None:
        why = f"quiet for {self._quiet_seconds:g} s, and its launcher answers"
        event = _event(node, NodeHealth.READY, self._clock.now(), why)
        await self._store.set_node_health(node.name, NodeHealth.READY, "", event, was=node.health)
        await self._bus.publish(SCHEDULE)
        await self._bus.publish(EVENTS)


def _event(node: Node, health: NodeHealth, now: float, why: str) -> EventDraft:
    log.warning("node_health", node=node.name, health=health.value, why=why)
    data = {"node": node.name, "was": node.health.value}
    told = health_text(node, health, why)
    return EventDraft(kind=f"node.{health.value}", actor="health", at=now, why=told, data=data)


def is_ours(node: Node) -> bool:
    """Whether it is a suspect because of a lost worker."""
    return node.health is NodeHealth.SUSPECT and node.health_why.startswith(_LOST)
