"""Nodes that lost a worker: used last, if at all, until they have been quiet for a while."""

from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from hai.core.node import Node, NodeHealth
from hai.core.types import NodeName
from hai.ports import Bus, Clock, Cluster
from hai.service.node_health import NodeHealthWriter, health_text

_ACTOR = "health"
_LOST = "lost:"


async def mark_suspects(
    store: Cluster, bus: Bus, clock: Clock, lost: Iterable[tuple[NodeName, str]]
) -> None:
    """`lost` are nodes with what they lost; whoever else works there keeps working."""
    news = dict(lost)
    if not news:
        return
    writer = NodeHealthWriter(store, bus, clock, _ACTOR)
    for node in await store.nodes():
        why = f"{_LOST} {news.get(node.name)}"
        if node.name not in news or node.health_why == why:
            continue
        if node.health is NodeHealth.READY or is_ours(node):
            told = health_text(node, NodeHealth.SUSPECT, why)
            await writer.write(node, NodeHealth.SUSPECT, why, told=told)


class _Suspicion(NamedTuple):
    """Why, and when this was seen first."""

    why: str
    since: float


class Suspects:
    """Gives a suspect back after `quiet_seconds` without a further loss, if it passes the checks
    then."""

    def __init__(self, store: Cluster, bus: Bus, clock: Clock, quiet_seconds: float) -> None:
        self._health = NodeHealthWriter(store, bus, clock, _ACTOR)
        self._clock = clock
        self._quiet_seconds = quiet_seconds
        self._since: dict[NodeName, _Suspicion] = {}

    async def look(
        self, nodes: Iterable[Node], is_well: Callable[[Node], Awaitable[bool]]
    ) -> float | None:
        """Give back who was quiet long enough; seconds until the next look, None: no suspects."""
        now = self._clock.steady()
        ours = {node.name: node for node in nodes if is_ours(node)}
        self._since = {
            name: seen
            for name, seen in self._since.items()
            if name in ours and ours[name].health_why == seen.why
        }
        left = []
        for name, node in ours.items():
            seen = self._since.setdefault(name, _Suspicion(node.health_why, now))
            rest = seen.since + self._quiet_seconds - now
            if rest > 0:
                left.append(rest)
            elif await is_well(node):
                await self._give_back(node)
            else:
                self._since[name] = _Suspicion(node.health_why, now)
                left.append(self._quiet_seconds)
        return min(left, default=None)

    async def _give_back(self, node: Node) -> None:
        why = f"quiet for {self._quiet_seconds:g} s, and its launcher answers"
        told = health_text(node, NodeHealth.READY, why)
        await self._health.write(node, NodeHealth.READY, "", told=told)


def is_ours(node: Node) -> bool:
    """Whether it is a suspect because of a lost worker."""
    return node.health is NodeHealth.SUSPECT and node.health_why.startswith(_LOST)
