"""Which of the free nodes a gang gets: the ones that it knows, then as few leaf switches as can be.

Only nodes that the planner may use come into a pool; health is the planner's concern.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from hai.core.node import Node
from hai.core.types import NodeName


class Pool:
    """Nodes to give out, by leaf. Choosing costs O(nodes chosen + log of leaves), give or take a
    memory move; the order of insertion never matters."""

    __slots__ = ("_leaf_of", "_leaves", "_sizes")

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        self._leaf_of: dict[NodeName, str] = {}
        self._leaves: dict[str, list[NodeName]] = {}  # names in order
        self._sizes: list[tuple[int, str]] = []  # (nodes in the pool, leaf) in order
        for node in nodes:
            self.add(node)

    def __len__(self) -> int:
        return len(self._leaf_of)

    def __contains__(self, name: object) -> bool:
        return name in self._leaf_of

    def __iter__(self) -> Iterator[NodeName]:
        return iter(self._leaf_of)

    def add(self, node: Node) -> None:
        names = self._leaves.setdefault(node.leaf, [])
        self._resize(node.leaf, len(names), len(names) + 1)
        insort(names, node.name)
        self._leaf_of[node.name] = node.leaf

    def remove(self, name: NodeName) -> None:
        leaf = self._leaf_of.pop(name)
        names = self._leaves[leaf]
        self._resize(leaf, len(names), len(names) - 1)
        del names[bisect_left(names, name)]
        if not names:
            del self._leaves[leaf]

    def choose(self, count: int, knows: Sequence[NodeName] = ()) -> tuple[NodeName, ...]:
        """`count` of the nodes (at most len(self)), rank 0 first; the pool stays as it is.

        Known nodes come first and in the order given, so that a rank finds its own node again;
        the rest comes from one leaf if one can hold it: a leaf of the known nodes, otherwise the
        smallest that fits, otherwise the fullest leaves until one fits.
        """
        chosen = [name for name in dict.fromkeys(knows) if name in self._leaf_of][:count]
        if not chosen:  # mostly, and then mostly one leaf holds them all
            at = bisect_left(self._sizes, (count, ""))
            if at < len(self._sizes):
                _, leaf = self._sizes[at]
                return tuple(self._leaves[leaf][:count])
        known = set(chosen)
        taken = Counter(self._leaf_of[name] for name in chosen)
        near = list(taken)
        while len(chosen) < count:
            rest = count - len(chosen)
            leaf = self._leaf_for(rest, near, taken)
            unknown = (name for name in self._leaves[leaf] if name not in known)
            names = list(islice(unknown, rest))
            chosen += names
            known.update(names)
            taken[leaf] += len(names)
        return tuple(chosen)

    def _leaf_for(self, count: int, near: Iterable[str], taken: Counter[str]) -> str:
        there = ((self._left(leaf, taken), leaf) for leaf in near)
        fitting = [(left, leaf) for left, leaf in there if left >= count]
        if fitting:
            _, smallest = min(fitting)
            return smallest
        at = bisect_left(self._sizes, (count, ""))
        for size, leaf in self._sizes[at:]:
            if size - taken[leaf] >= count:
                return leaf
        return self._fullest(taken)

    def _left(self, leaf: str, taken: Counter[str]) -> int:
        return len(self._leaves.get(leaf, ())) - taken[leaf]

    def _fullest(self, taken: Counter[str]) -> str:
        """The leaf with most nodes left, the first by name of those."""
        most, fullest = 0, ""
        for size, leaf in reversed(self._sizes):
            if size < most:
                break
            left = size - taken[leaf]
            if left > most or (left == most and leaf < fullest):
                most, fullest = left, leaf
        return fullest

    def _resize(self, leaf: str, before: int, after: int) -> None:
        if before:
            del self._sizes[bisect_left(self._sizes, (before, leaf))]
        if after:
            insort(self._sizes, (after, leaf))
