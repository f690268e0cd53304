"""Which of the free nodes a gang gets: the ones that it knows, then as few leaf switches as can be.

Only nodes that the planner may use come into a pool; health is the planner's concern.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

from hai.core.node import Node
from hai.core.types import NodeName


class Pool:
    """Nodes to give out, by leaf. Taking costs O(nodes taken + log of leaves), give or take a
    memory move; the order of insertion never matters."""

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        self._leaf_of: dict[NodeName, str] = {}
        self._leaves: dict[str, list[NodeName]] = {}  # names in order
        self._sizes: list[tuple[int, str]] = []  # (nodes in the pool, leaf) in order
        for node in nodes:
            self._leaf_of[node.name] = node.leaf
            self._leaves.setdefault(node.leaf, []).append(node.name)
        for names in self._leaves.values():
            names.sort()
        self._sizes = sorted((len(names), leaf) for leaf, names in self._leaves.items())

    def __len__(self) -> int:
        return len(self._leaf_of)

    def add(self, node: Node) -> None:
        names = self._leaves.setdefault(node.leaf, [])
        self._resize(node.leaf, len(names), len(names) + 1)
        insort(names, node.name)
        self._leaf_of[node.name] = node.leaf

    def take(self, count: int, knows: Sequence[NodeName] = ()) -> tuple[NodeName, ...]:
        """Remove `count` nodes (at most len(self)) and return them, rank 0 first.

        Known nodes come first and in the order given, so that a rank finds its own node again;
        the rest comes from one leaf if one can hold it: a leaf of the known nodes, otherwise the
        smallest that fits, otherwise the fullest leaves until one fits.
        """
        chosen = [name for name in dict.fromkeys(knows) if name in self._leaf_of][:count]
        near = list(dict.fromkeys(self._leaf_of[name] for name in chosen))
        for name in chosen:
            self._remove(name)
        while len(chosen) < count:
            rest = count - len(chosen)
            leaf = self._leaf_for(rest, near)
            names = self._leaves[leaf][:rest]
            del self._leaves[leaf][:rest]
            self._resize(leaf, len(self._leaves[leaf]) + len(names), len(self._leaves[leaf]))
            for name in names:
                del self._leaf_of[name]
            chosen += names
        return tuple(chosen)

    def _leaf_for(self, count: int, near: Iterable[str]) -> str:
        fitting = [(len(self._leaves[leaf]), leaf) for leaf in near]
        fitting = [pair for pair in fitting if pair[0] >= count]
        if fitting:
            return min(fitting)[1]
        at = bisect_left(self._sizes, (count, ""))
        if at == len(self._sizes):
            at = bisect_left(self._sizes, (self._sizes[-1][0], ""))
        return self._sizes[at][1]

    def _remove(self, name: NodeName) -> None:
        leaf = self._leaf_of.pop(name)
        names = self._leaves[leaf]
        self._resize(leaf, len(names), len(names) - 1)
        del names[bisect_left(names, name)]

    def _resize(self, leaf: str, before: int, after: int) -> None:
        if before:
            del self._sizes[bisect_left(self._sizes, (before, leaf))]
        if after:
            insort(self._sizes, (after, leaf))
