"""How much of its node a worker gets: all that others leave, less a reserve."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from hai.core.node import Node
from hai.errors import Denied, PlatformError, Unavailable
from hai.kubernetes import paths
from hai.kubernetes.quantities import left_of
from hai.launcher.kubernetes.cluster import Cluster
from hai.launcher.kubernetes.names import MANAGED
from hai.launcher.kubernetes.orders import PodOptions

log = structlog.get_logger("hai.launcher.kubernetes")

_FRESH_SECONDS = 30.0  # what others request is read again after that
_LEAST_CPUS = 0.1
_LEAST_BYTES = 64 * 2**20


class EqualShares:
    """The same for everybody, for nodes that several tasks share; the cluster counts them."""

    are_whole_nodes = False

    def __init__(self, resources: Mapping[str, float]) -> None:
        self._resources = dict(resources)

    async def of(self, _node: Node) -> dict[str, float]:
        return dict(self._resources)


class Shares:
    """Reads the pods of others at most twice a minute for each node."""

    are_whole_nodes = True

    def __init__(
        self,
        cluster: Cluster,
        options: PodOptions,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._options = options
        self._monotonic = monotonic
        self._others: dict[str, tuple[float, list[Mapping[str, Any]]]] = {}
        self._may_look = True

    async def of(self, node: Node) -> dict[str, float]:
        """Requests of a worker on this node: cores, bytes, pieces. Unavailable when the node is not
        there now; PlatformError when nothing is left of it."""
        view = self._cluster.node(node.name)
        if view is None:
            raise Unavailable(f"{node.name} is not a node of the cluster now")
        left = left_of(view.allocatable, await self._other_pods(node.name))
        options = self._options
        share = {
            "cpu": left.get("cpu", 0.0) - options.reserve_cpus,
            "memory": left.get("memory", 0.0) - options.reserve_memory_bytes,
        }
        if share["cpu"] < _LEAST_CPUS or share["memory"] < _LEAST_BYTES:
            raise PlatformError(
                f"other pods leave {max(0, share['cpu']):.1f} cores and "
                f"{max(0, share['memory']) / 2**30:.1f} GiB of {node.name}",
                hint=f"kubectl describe node {node.name}",
            )
        if node.gpus:
            if left.get(options.gpu_resource, 0.0) < node.gpus:
                raise Unavailable(
                    f"{left.get(options.gpu_resource, 0.0):.0f} of {node.gpus} GPUs of {node.name} "
                    "are free: other pods hold the others"
                )
            share[options.gpu_resource] = node.gpus
        if disk := self._disk(left):
            share["ephemeral-storage"] = disk
        if options.rdma_resource:
            share[options.rdma_resource] = 1
        return share

    def _disk(self, left: Mapping[str, float]) -> float:
        """Bytes for what the pod writes into its own file system. The other half is for images and
        the logs of containers, which the cluster does not count. 0: the node does not say."""
        free = left.get("ephemeral-storage", 0.0)
        return min(self._options.disk_bytes or free / 2, free)

    async def _other_pods(self, node: str) -> list[Mapping[str, Any]]:
        now = self._monotonic()
        known = self._others.get(node)
        if known is not None and now - known[0] < _FRESH_SECONDS:
            return known[1]
        others = await self._list(node) if self._may_look else []
        self._others[node] = (now, others)
        return others

    async def _list(self, node: str) -> list[Mapping[str, Any]]:
        fields = f"spec.nodeName={node},status.phase!=Succeeded,status.phase!=Failed"
        try:
            listed = await self._cluster.client.list(paths.core("pods"), fieldSelector=fields)
        except Denied as error:
            log.warning("other_pods_unknown", error=error.message)
            self._may_look = False  # the reserve has to do
            return []
        return [item for item in listed["items"] if not self._is_ours(item)]

    def _is_ours(self, item: Mapping[str, Any]) -> bool:
        metadata = item["metadata"]
        labels = metadata.get("labels") or {}
        is_here = metadata.get("namespace") == self._cluster.namespace
        return is_here and MANAGED.items() <= labels.items()
