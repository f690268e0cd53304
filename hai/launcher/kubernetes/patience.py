"""Clocks of this process: how long something has been so, and when a silent node is lost."""

from collections.abc import Callable
from typing import Generic, TypeVar

from hai.launcher.kubernetes.cluster import Cluster
from hai.ports import WorkerPhase

T = TypeVar("T")

_FORGET_SECONDS = 600.0


class Since(Generic[T]):
    """When each thing was first asked about; forgotten when nobody asks for ten minutes."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._first: dict[T, tuple[float, float]] = {}  # first and last time

    def seconds(self, what: T) -> float:
        now = self._monotonic()
        first, _ = self._first.get(what, (now, now))
        self._first[what] = (first, now)
        if len(self._first) > 1000:
            self._first = {
                one: times for one, times in self._first.items() if now - times[1] < _FORGET_SECONDS
            }
        return now - first


class NodeClocks:
    """A node that is not ready may come back: only after `lost_after_seconds` by our own clock is
    it lost. A node that the cluster has removed is lost at once."""

    def __init__(
        self, cluster: Cluster, lost_after_seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self._cluster = cluster
        self._lost_after_seconds = lost_after_seconds
        self._monotonic = monotonic
        self._since: dict[str, float] = {}

    def look(self) -> None:
        """Start and stop the clocks; call it whenever the cluster is looked at."""
        now = self._monotonic()
        silent = {
            view.name
            for item in self._cluster.raw_nodes()
            if (view := self._cluster.node(item["metadata"]["name"])) and not view.is_ready
        }
        self._since = {name: self._since.get(name, now) for name in silent}

    def is_lost(self, node: str) -> bool:
        trouble = self.trouble(node)
        return trouble is not None and trouble[0] is WorkerPhase.NODE_LOST

    def trouble(self, node: str) -> tuple[WorkerPhase, int | None, str] | None:
        """Phase, no exit code, and why, for a worker on this node; None: the node is well."""
        if not node:
            return None
        view = self._cluster.node(node)
        if view is None:
            return WorkerPhase.NODE_LOST, None, f"{node} has left the cluster"
        if view.is_ready:
            return None
        seconds = self._monotonic() - self._since.get(node, self._monotonic())
        limit = self._lost_after_seconds
        if seconds >= limit:
            why = f"{node} was not ready for {limit:.0f} s: {view.why}"
            return WorkerPhase.NODE_LOST, None, why
        why = f"{node} is not ready ({view.why}); it counts as lost after {limit:.0f} s of that"
        return WorkerPhase.UNKNOWN, None, why
