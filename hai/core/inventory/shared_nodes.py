"""Placement on shared nodes: several containers on one node, each with its part of it. Pure.

Best fit by the scarcest resource: of the nodes that have room, the one that has least left of what
is scarcest in the group once the container is there, so that large parts stay whole and a
container without GPUs does not use up nodes with free ones.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from hai.core.node import Node
from hai.core.resources import NOTHING, Place, Resources, of_node, short_of, total
from hai.core.types import NodeName


@dataclass(slots=True)
class SharedNode:
    """One node: what it has, what is free of it, which of its GPUs are free (ascending)."""

    name: NodeName
    has: Resources
    free: Resources
    gpus: list[int]
    kept: Resources | None = None  # for a claim that does not fit yet: what it asks for

    def admits(self, asks: Resources) -> bool:
        """Whether it fits, and takes nothing from whom the node is kept for."""
        if not self.free.covers(asks) or len(self.gpus) < asks.gpus:
            return False
        return self.kept is None or all(
            not asked or (there >= wanted and there - asked >= wanted)
            for there, wanted, asked in zip(self.free, self.kept, asks, strict=True)
        )


@dataclass(slots=True)
class SharedNodes:
    """The healthy nodes of one group. Whoever is placed holds its part at once."""

    nodes: dict[NodeName, SharedNode] = field(default_factory=dict)

    @classmethod
    def of(cls, nodes: Iterable[Node]) -> "SharedNodes":
        capacity = cls()
        for node in sorted(nodes, key=lambda node: node.name):
            has = of_node(node)
            capacity.nodes[node.name] = SharedNode(node.name, has, has, list(range(node.gpus)))
        return capacity

    def hold(self, name: NodeName, asks: Resources | None, gpus: Collection[int] = ()) -> None:
        """Somebody holds a part of the node, or (None) all of it. A node that is not here, or has
        less than it had, gives nothing."""
        node = self.nodes.get(name)
        if node is None:
            return
        if asks is None:
            node.free, node.gpus = NOTHING, []
            return
        node.free = Resources(*(max(0, left) for left in node.free.minus(asks)))
        taken = set(gpus)
        node.gpus = [index for index in node.gpus if index not in taken]

    def place(
        self, asks: Resources | None, count: int, knows: Sequence[NodeName] = ()
    ) -> tuple[Place, ...] | None:
        """`count` different nodes with room, rank 0 first; None if there are not so many. Who asks
        for nothing gets whole nodes, on which nobody is."""
        fitting = [node for node in self.nodes.values() if self._fits(node, asks)]
        if len(fitting) < count:
            return None
        order = self._scarcest_first()
        known = {name: at for at, name in enumerate(knows)}

        def key(node: SharedNode) -> tuple[object, ...]:
            left = node.free.minus(asks or node.has)
            return known.get(node.name, len(known)), *(left[at] for at in order), node.name

        chosen = sorted(fitting, key=key)[:count]
        return tuple(self._take(node, asks) for node in chosen)

    def keep(self, asks: Resources, count: int) -> list[SharedNode]:
        """Keep the nodes where least is missing for a claim that does not fit: nobody who comes
        later takes there what it waits for. What these nodes are, the nearest first."""
        able = [node for node in self.nodes.values() if node.has.covers(asks)]
        nearest = sorted(able, key=lambda node: (_missing(node, asks), node.name))[:count]
        for node in nearest:
            node.kept = asks
        return nearest

    def nearest(self, asks: Resources) -> SharedNode | None:
        """Of the nodes without room, the one where least is missing."""
        short = [node for node in self.nodes.values() if not node.free.covers(asks)]
        return min(short, key=lambda node: (_missing(node, asks), node.name), default=None)

    def _fits(self, node: SharedNode, asks: Resources | None) -> bool:
        if asks is None:
            return node.free == node.has and node.kept is None
        return node.admits(asks)

    def _take(self, node: SharedNode, asks: Resources | None) -> Place:
        taken = tuple(node.gpus[: node.has.gpus if asks is None else asks.gpus])
        self.hold(node.name, asks, taken)
        return Place(node.name, taken)

    def _scarcest_first(self) -> list[int]:
        """Resources by the part of them that is free in the whole group, the smallest first."""
        has = total(node.has for node in self.nodes.values())
        free = total(node.free for node in self.nodes.values())
        parts = [left / all_ if all_ else 1.0 for left, all_ in zip(free, has, strict=True)]
        return sorted(range(len(parts)), key=lambda at: (parts[at], -at))


def _missing(node: SharedNode, asks: Resources) -> tuple[int, float]:
    """How many resources the whole node is short of, and the largest part of what is asked for that
    is not free."""
    parts = [
        (wanted - there) / wanted
        for there, wanted in zip(node.free, asks, strict=True)
        if there < wanted
    ]
    return len(short_of(node.has, asks)), max(parts, default=0.0)
