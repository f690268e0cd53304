"""How much of its node a worker gets: all that others leave, less a reserve."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from hai.core.node import Node
from hai.core.resources import Resources
from hai.errors import PlatformError, Unavailable
from hai.kubernetes.quantities import left_of, requests_of
from hai.launcher.kubernetes.cluster import KubernetesCluster
from hai.launcher.kubernetes.orders import PodOptions
from hai.launcher.kubernetes.others import OtherPods
from hai.launcher.kubernetes.sights import is_over, node_of

_LEAST_CPUS = 0.1
_LEAST_BYTES = 64 * 2**20


class Others(Protocol):
    """The pods of others, with what they request."""

    async def on(self, node: str) -> Sequence[Mapping[str, Any]]: ...

    async def close(self) -> None: ...


class EqualShares:
    """The same for everybody, for nodes that several tasks share; the cluster counts them."""

    are_whole_nodes = False

    def __init__(self, resources: Mapping[str, float]) -> None:
        self._resources = dict(resources)

    async def of(self, _node: Node) -> dict[str, float]:
        return dict(self._resources)

    async def part_of(self, _node: Node, asks: Resources) -> dict[str, float]:
        return {"cpu": asks.cpus, "memory": asks.memory_bytes}

    async def close(self) -> None:
        """Nothing is kept."""


class Shares:
    """Keeps a copy of what the pods of others request."""

    are_whole_nodes = True

    def __init__(
        self, cluster: KubernetesCluster, options: PodOptions, others: Others | None = None
    ) -> None:
        self._cluster = cluster
        self._options = options
        self._others = others or OtherPods(cluster)

    async def close(self) -> None:
        await self._others.close()

    async def of(self, node: Node) -> dict[str, float]:
        """Requests of a worker on this node: cores, bytes, pieces. Unavailable when the node is not
        there now; PlatformError when nothing is left of it."""
        left = await self._left_on(node)
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

    async def part_of(self, node: Node, asks: Resources) -> dict[str, float]:
        """Requests of a container that shares its node: what it asked for. Unavailable when the
        pods of others take so much that it would be refused there."""
        left = await self._left_on(node)
        wanted = {"cpu": asks.cpus, "memory": float(asks.memory_bytes)}
        if asks.gpus:
            wanted[self._options.gpu_resource] = asks.gpus
        for one in self._ours_on(node):
            for name, amount in requests_of(one).items():
                left[name] = left.get(name, 0.0) - amount
        short = [name for name, amount in wanted.items() if left.get(name, 0.0) < amount]
        if short:
            raise Unavailable(
                f"pods leave {max(0.0, left.get(short[0], 0.0)):g} of {short[0]} on {node.name}, "
                f"and {wanted[short[0]]:g} are asked for"
            )
        if disk := self._disk(left):
            part = asks.memory_bytes / node.memory_bytes if node.memory_bytes else 1.0
            wanted["ephemeral-storage"] = disk * min(1.0, part)
        return wanted

    async def spare_of(self, node: Node) -> Node:
        """The node with what containers may have of it: all that others leave, less the reserve."""
        left = await self._left_on(node)
        cpus = left.get("cpu", 0.0) - self._options.reserve_cpus
        memory = left.get("memory", 0.0) - self._options.reserve_memory_bytes
        gpus = int(left.get(self._options.gpu_resource, 0.0))
        return replace(
            node, cpus=max(0.0, cpus), memory_bytes=max(0, int(memory)), gpus=min(node.gpus, gpus)
        )

    async def _left_on(self, node: Node) -> dict[str, float]:
        """What the pods of others leave."""
        view = self._cluster.node(node.name)
        if view is None:
            raise Unavailable(f"{node.name} is not a node of the cluster now")
        return left_of(view.allocatable, await self._others.on(node.name))

    def _ours_on(self, node: Node) -> list[Mapping[str, Any]]:
        return [
            item
            for item in self._cluster.pods()
            if node_of(item) == node.name and not is_over(item)
        ]

    def _disk(self, left: Mapping[str, float]) -> float:
        """Bytes for what the pod writes into its own file system. The other half is for images and
        the logs of containers, which the cluster does not count. 0: the node does not say."""
        free = left.get("ephemeral-storage", 0.0)
        return min(self._options.disk_bytes or free / 2, free)
