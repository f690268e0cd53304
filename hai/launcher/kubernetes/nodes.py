"""Nodes from the cluster, as the platform's own; the other half of hai.service.loops.membership."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from hai.core.node import Node
from hai.core.task import WorkerKey
from hai.core.types import GroupName, NodeName
from hai.kubernetes import paths
from hai.kubernetes.quantities import amounts
from hai.kubernetes.reflector import ObjectChange
from hai.launcher.kubernetes.cluster import KubernetesCluster, node_view
from hai.launcher.kubernetes.names import key_of
from hai.launcher.kubernetes.sights import departure
from hai.ports.nodes import SourceNode

log = structlog.get_logger("hai.nodes")

AGREED = "hai/cordon"  # annotation: both sides know of the cordon
_GROUP = re.compile(r"[A-Za-z0-9_.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLabels:
    """Which labels say what; of several names for one thing the first that a node has counts."""

    group: str = "hai_mars_group"
    zone: tuple[str, ...] = ("topology.kubernetes.io/zone",)
    leaf: tuple[str, ...] = ()
    gpu_resource: str = "nvidia.com/gpu"


class KubernetesNodes:
    """A NodeSource over the launcher's own view of the cluster."""

    launcher = "kubernetes"

    def __init__(
        self,
        cluster: KubernetesCluster,
        labels: NodeLabels,
        spare_of: Callable[[Node], Awaitable[Node]] | None = None,
        shares_nodes: Callable[[GroupName], bool] = lambda _group: False,
    ) -> None:
        """`spare_of`: a node that containers share, with what they may have of it."""
        self._spare_of = spare_of
        self._shares_nodes = shares_nodes
        self._cluster = cluster
        self._labels = labels
        self._refused: set[str] = set()  # groups with names that nobody could ask for
        self._changed = asyncio.Event()
        cluster.listen(self._on_change)

    async def open(self) -> None:
        await self._cluster.open()

    async def close(self) -> None:
        await self._cluster.close()

    async def nodes(self) -> list[SourceNode]:
        await self._cluster.require_view()
        found = (source_node(item, self._labels) for item in self._cluster.raw_nodes())
        mine = [one for one in found if one is not None and self._has_good_group(one)]
        return [await self._as_shared(one) for one in sorted(mine, key=lambda o: o.node.name)]

    async def _as_shared(self, one: SourceNode) -> SourceNode:
        if self._spare_of is None or not self._shares_nodes(one.node.group):
            return one
        return replace(one, node=await self._spare_of(one.node))

    def _has_good_group(self, one: SourceNode) -> bool:
        group = one.node.group
        if _GROUP.fullmatch(group):
            return True
        if group not in self._refused:
            self._refused.add(group)
            log.warning("node_refused", node=one.node.name, group=group, why="no dashes in groups")
        return False

    async def departures(self) -> Mapping[WorkerKey, str]:
        await self._cluster.require_view()
        found: dict[WorkerKey, str] = {}
        for item in self._cluster.pods():
            key, why = key_of(item), departure(item)
            if key is not None and why:
                found[key] = why
        return found

    async def set_cordon(self, name: NodeName, *, cordoned: bool, agreed: bool) -> None:
        mark = "true" if agreed else None
        change: dict[str, Any] = {
            "metadata": {"annotations": {AGREED: mark}},
            "spec": {"unschedulable": True if cordoned else None},
        }
        await self._cluster.client.patch(paths.core("nodes", name=name), change)

    async def wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return
        finally:
            self._changed.clear()

    def _on_change(self, change: ObjectChange) -> None:
        item = change.after or {}
        if change.kind != "deleted" and item["metadata"].get("deletionTimestamp"):
            self._changed.set()


def source_node(item: Mapping[str, Any], labels: NodeLabels) -> SourceNode | None:
    """The node as the platform would have it; None if it carries no group."""
    metadata = item["metadata"]
    told = metadata.get("labels") or {}
    group = told.get(labels.group)
    if not group:
        return None
    view = node_view(item)
    capacity = amounts(view.allocatable)
    node = Node(
        name=NodeName(view.name),
        group=GroupName(group),
        launcher=KubernetesNodes.launcher,
        gpus=int(capacity.get(labels.gpu_resource, 0)),
        cpus=capacity.get("cpu", 0.0),
        memory_bytes=int(capacity.get("memory", 0)),
        leaf=_first(told, labels.leaf),
        zone=_first(told, labels.zone),
    )
    return SourceNode(
        node=node,
        is_ready=view.is_ready,
        why=view.why,
        is_cordoned=bool((item.get("spec") or {}).get("unschedulable")),
        is_agreed=AGREED in (metadata.get("annotations") or {}),
    )


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")
