"""The nodes of one group: which are free, which will be, and which of them a gang would get.

A gang stands in one zone; at most one task of the group spans two zones at a time, since traffic
between zones is what everybody shares.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from hai.core.inventory.placement import Pool
from hai.core.node import Node, NodeHealth
from hai.core.types import NodeName, TaskId

Zones = tuple[str, ...]
Gains = dict[str, int]  # nodes that somebody would free for others, by zone


class Inventory:
    """Every node of a group. A node is free, leaving (all its holders are on their way out), or
    busy; unhealthy ones are none of these. Two holders of one node are the leaver and its heir."""

    def __init__(self) -> None:
        self.nodes: dict[NodeName, Node] = {}
        self.holders: dict[NodeName, dict[TaskId, bool]] = {}  # True: it leaves
        self.free: dict[str, Pool] = {}
        self.leaving: dict[str, Pool] = {}
        self.spanning: set[TaskId] = set()
        self._pools: dict[NodeName, Pool] = {}  # where a node is to be had, if anywhere
        self._usable: dict[str, int] = {}
        self.widest = 0  # gang that could ever stand on the healthy nodes: two zones at the most

    def replace(self, node: Node) -> None:
        """A node is new or has changed; its holders stay."""
        self.discard(node.name)
        self.nodes[node.name] = node
        self.free.setdefault(node.zone, Pool())
        self.leaving.setdefault(node.zone, Pool())
        self._usable.setdefault(node.zone, 0)
        if is_usable(node):
            self._count(node.zone, 1)
            self._settle(node)

    def discard(self, name: NodeName) -> None:
        """The node is no longer part of the group."""
        node = self.nodes.pop(name, None)
        if node is None:
            return
        self._move(node, None)
        if is_usable(node):
            self._count(node.zone, -1)

    def _count(self, zone: str, change: int) -> None:
        self._usable[zone] += change
        self.widest = sum(sorted(self._usable.values())[-2:])

    def hold(self, name: NodeName, task_id: TaskId, *, leaving: bool) -> None:
        self.holders.setdefault(name, {})[task_id] = leaving
        self._resettle(name)

    def lend(self, names: Iterable[NodeName], task_id: TaskId) -> Gains:
        """Hold chosen nodes, which come free of whoever else still holds them; how many of each
        zone. `take_back` undoes it."""
        gains: Gains = {}
        for name in names:
            self.holders.setdefault(name, {})[task_id] = False
            self._pools.pop(name).remove(name)
            zone = self.nodes[name].zone
            gains[zone] = gains.get(zone, 0) + 1
        if len(gains) > 1:
            self.spanning.add(task_id)
        return gains

    def take_back(self, names: Iterable[NodeName], task_id: TaskId) -> None:
        """As it was before `lend`: each node was free, or all its other holders leave."""
        for name in names:
            holders, node = self.holders[name], self.nodes[name]
            del holders[task_id]
            if not holders:
                del self.holders[name]
            self._move(node, (self.leaving if holders else self.free)[node.zone])
        self.spanning.discard(task_id)

    def release(self, name: NodeName, task_id: TaskId) -> None:
        holders = self.holders.get(name, {})
        holders.pop(task_id, None)
        if not holders:
            self.holders.pop(name, None)
        self._resettle(name)

    def _resettle(self, name: NodeName) -> None:
        node = self.nodes.get(name)
        if node is not None and is_usable(node):
            self._settle(node)

    def _settle(self, node: Node) -> None:
        holders = self.holders.get(node.name)
        pool: Pool | None = None
        if not holders:
            pool = self.free[node.zone]
        elif all(holders.values()):
            pool = self.leaving[node.zone]
        if pool is not self._pools.get(node.name):
            self._move(node, pool)

    def _move(self, node: Node, pool: Pool | None) -> None:
        old = self._pools.pop(node.name, None)
        if old is not None:
            old.remove(node.name)
        if pool is not None:
            self._pools[node.name] = pool
            pool.add(node)

    # figures

    @property
    def size(self) -> int:
        return len(self.nodes)

    @property
    def healthy(self) -> int:
        return sum(self._usable.values())

    @property
    def free_count(self) -> int:
        return sum(len(pool) for pool in self.free.values())

    @property
    def leaving_count(self) -> int:
        return sum(len(pool) for pool in self.leaving.values())

    @property
    def widest_free(self) -> int:
        """The widest gang that the free nodes could hold now."""
        sizes = sorted(len(pool) for pool in self.free.values())
        return sum(sizes[-2:]) if not self.spanning else (sizes[-1] if sizes else 0)

    def usable_in(self, names: Iterable[NodeName]) -> Gains:
        """How many of these nodes are healthy ones of this group, by zone."""
        counts: Gains = {}
        for name in names:
            node = self.nodes.get(name)
            if node is not None and is_usable(node):
                counts[node.zone] = counts.get(node.zone, 0) + 1
        return counts

    def zones_of(self, names: Iterable[NodeName]) -> set[str]:
        return {self.nodes[name].zone for name in names if name in self.nodes}

    # choosing

    def zones_for(self, count: int, knows: Sequence[NodeName]) -> Zones | None:
        """Where a gang of `count` can start now: where it knows most nodes, then the tightest
        fit; None if nowhere."""
        sizes = {zone: len(pool) for zone, pool in self.free.items()}
        if sum(sizes.values()) < count:
            return None
        fitting = [zone for zone, size in sizes.items() if size >= count]
        if len(fitting) > 1:
            known = self.usable_in(knows)
            return (min(fitting, key=lambda zone: (-known.get(zone, 0), sizes[zone], zone)),)
        if fitting:
            return (fitting[0],)
        pairs = [(sizes[a] + sizes[b], (a, b)) for a, b in self._pairs()]
        wide_enough = ((size, pair) for size, pair in pairs if size >= count)
        _, narrowest = min(wide_enough, default=(0, None))
        return narrowest

    def options(self, count: int) -> Iterator[tuple[Zones, int]]:
        """Where a gang of `count` could stand if others left, and how many nodes they have to give
        there (it may be negative): where it is fewest first, one zone rather than two."""
        usable = self._usable
        single = [(count - self._reach(zone), zone) for zone in self.free if usable[zone] >= count]
        for missing, zone in sorted(single):
            yield (zone,), missing
        double = [
            (count - self._reach(a) - self._reach(b), (a, b))
            for a, b in self._pairs()
            if usable[a] + usable[b] >= count
        ]
        for missing, pair in sorted(double):
            yield pair, missing

    def _reach(self, zone: str) -> int:
        return len(self.free[zone]) + len(self.leaving[zone])

    def _pairs(self) -> Iterable[tuple[str, str]]:
        if self.spanning:
            return ()
        return combinations(sorted(self.free, key=lambda zone: (-len(self.free[zone]), zone)), 2)

    def choose(
        self, count: int, zones: Zones, knows: Sequence[NodeName], *, with_leaving: bool = False
    ) -> tuple[NodeName, ...]:
        """`count` nodes in these zones, rank 0 first; free ones first, then, if wanted, leaving
        ones."""
        chosen: tuple[NodeName, ...] = ()
        for pools in (self.free, self.leaving) if with_leaving else (self.free,):
            for zone in zones:
                more = min(count - len(chosen), len(pools[zone]))
                if more:
                    chosen += pools[zone].choose(more, knows)
        return chosen


def is_usable(node: Node) -> bool:
    """Whether the planner may give the node away: suspect nodes are avoided altogether."""
    return node.health is NodeHealth.READY
