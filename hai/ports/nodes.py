"""Nodes that come from a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hai.core.node import Node
from hai.core.task import WorkerKey
from hai.core.types import NodeName


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNode:
    """A node as its cluster shows it. `node` is what it would be here; its health is not looked at.

    `is_agreed`: we have marked it there as cordoned by agreement, so that whoever lifts the cordon
    on one side lifts it on both.
    """

    node: Node
    is_ready: bool
    why: str = ""  # it is not ready, in the cluster's words
    is_cordoned: bool = False
    is_agreed: bool = False


class NodeSource(Protocol):
    """A cluster that nodes come from. Unavailable from any method: nothing can be said now."""

    launcher: str  # of its nodes

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def nodes(self) -> list[SourceNode]:
        """All that carry a group, by name."""

    async def departures(self) -> Mapping[WorkerKey, str]:
        """Workers that the cluster asks to leave (a drain, an eviction), and why."""

    async def set_cordon(self, name: NodeName, *, cordoned: bool, agreed: bool) -> None:
        """Cordon the node there or lift it, and note the agreement. Denied: we may not; NotFound:
        it is gone."""

    async def wait(self, seconds: float) -> None:
        """Until something of this may have changed, or the time is over."""
