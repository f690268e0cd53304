"""Groups, nodes and quotas; part of hai.ports.Store."""

from collections.abc import Collection, Sequence
from typing import Protocol

from hai.core.node import Group, Node, NodeHealth
from hai.core.quota import Quota
from hai.core.task import EventDraft
from hai.core.types import NodeName


class Cluster(Protocol):
    """What there is to run on, and how much of it users may hold."""

    # These three append "nodes.changed" (actor "platform", `now` None: the store's own clock) when
    # they change anything.
    async def put_group(self, group: Group, now: float | None = None) -> None: ...

    async def groups(self) -> list[Group]: ...

    async def put_nodes(self, nodes: Sequence[Node], now: float | None = None) -> None:
        """Insert or replace; keeps the health of a node that exists already."""

    async def remove_nodes(self, names: Collection[NodeName], now: float | None = None) -> None: ...

    async def nodes(self) -> list[Node]:
        """Ordered by name."""

    async def set_node_health(
        self,
        name: NodeName,
        health: NodeHealth,
        why: str,
        event: EventDraft,
        *,
        was: NodeHealth | None = None,
    ) -> bool:
        """False if there is no such node, or if its health is not `was` (None: any) any more."""

    async def put_quotas(self, quotas: Sequence[Quota], event: EventDraft) -> None: ...

    async def quotas(self) -> list[Quota]: ...
