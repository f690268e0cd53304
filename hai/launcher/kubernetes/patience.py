"""Clocks of this process: how long something has been so, and when a silent node is lost."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Generic, TypeVar

from hai.core.task import WorkerKey
from hai.launcher.kubernetes.cluster import KubernetesCluster
from hai.ports import WorkerPhase

T = TypeVar("T")

Heard = Callable[[Sequence[WorkerKey]], Awaitable[Collection[WorkerKey]]]

_FORGET_SECONDS = 600.0
_GAP_SECONDS = 20.0  # between two looks: longer, and this process was away, or did not lead


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


class Contact:
    """Which workers may run although nobody sees them. An agent without contact pauses its program
    before `lost_after_seconds` are over (docs/decisions/0020-fence.md); these count from the last
    contact that is known, and from when this process began to look, if it was away before.

    `heard` tells whose agents have spoken to the server in the last `lost_after_seconds`.
    """

    def __init__(
        self, heard: Heard, lost_after_seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self._heard = heard
        self._lost_after_seconds = lost_after_seconds
        self._monotonic = monotonic
        self._looked_at = self._since = monotonic()

    def look(self) -> bool:
        """Call it before every look at the cluster. True: this process was away before."""
        now = self._monotonic()
        was_away = now - self._looked_at > _GAP_SECONDS
        self._looked_at = now
        if was_away:
            self._since = now
        return was_away

    async def is_fresh(self, key: WorkerKey) -> bool:
        """Its agent was heard."""
        return bool(await self._heard([key]))

    async def may_run(self, key: WorkerKey) -> bool:
        """It was heard, or could have been without anybody's knowing."""
        is_new = self._monotonic() - self._since < self._lost_after_seconds
        return is_new or await self.is_fresh(key)

    def doubt(self, why: str) -> str:
        """The words for a worker that may run."""
        limit = self._lost_after_seconds
        return f"{why}; it counts as lost once its agent has been silent for {limit:.0f} s"


class NodeClocks:
    """A node that is not ready may come back: only after `lost_after_seconds` by our own clock is
    it lost; without contact for `fence_seconds` its agents pause their programs. A node that the
    cluster has removed is lost."""

    def __init__(
        self,
        cluster: KubernetesCluster,
        lost_after_seconds: float,
        fence_seconds: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._lost_after_seconds = lost_after_seconds
        self._fence_seconds = fence_seconds
        self._monotonic = monotonic
        self._since: dict[str, float] = {}

    def look(self, *, was_away: bool = False) -> None:
        """Start and stop the clocks; call it whenever the cluster is looked at. They begin anew
        when this process was away."""
        now = self._monotonic()
        if was_away:
            self._since = {}
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
        if self._fence_seconds:
            why += (
                f", and before, after {self._fence_seconds:.0f} s without contact with the server,"
                " its agents pause their programs"
            )
        return WorkerPhase.UNKNOWN, None, why
