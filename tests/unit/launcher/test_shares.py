"""What a pod gets of its node."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pytest

from hai.core.node import Node
from hai.core.resources import Resources
from hai.core.types import GroupName, NodeName
from hai.errors import Unavailable
from hai.launcher.kubernetes.orders import PodOptions
from hai.launcher.kubernetes.shares import Shares

if TYPE_CHECKING:
    from hai.launcher.kubernetes.cluster import KubernetesCluster

GIB = 2.0**30
NODE = Node(NodeName("node1"), GroupName("training"), "kubernetes")


class View:
    """A cluster of one node, as the reflectors show it, with the pods of others and ours there."""

    def __init__(
        self,
        allocatable: Mapping[str, str],
        others: Sequence[Mapping[str, Any]],
        ours: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.allocatable = allocatable
        self.others = others
        self.ours = ours

    def pods(self) -> Sequence[Mapping[str, Any]]:
        return self.ours

    def node(self, _name: str) -> "View":
        return self

    async def on(self, _node: str) -> Sequence[Mapping[str, Any]]:
        return self.others

    async def close(self) -> None:
        """Nothing is open."""


def other(disk: str) -> dict[str, Any]:
    requests = {"cpu": "1", "memory": "1Gi", "ephemeral-storage": disk}
    spec = {"containers": [{"resources": {"requests": requests}}]}
    return {"metadata": {"namespace": "default", "labels": {}}, "spec": spec, "status": {}}


@pytest.mark.parametrize(
    ("asked_gib", "has", "gets_gib"),
    [(0, "100Gi", 45), (20, "100Gi", 20), (200, "100Gi", 90), (0, "", None)],
)
async def test_of_the_nodes_disk(asked_gib: float, has: str, gets_gib: float | None) -> None:
    """Half of what others leave, or what the admin says and is there."""
    allocatable = {"cpu": "8", "memory": "32Gi", **({"ephemeral-storage": has} if has else {})}
    view = View(allocatable, [other("10Gi")])
    options = PodOptions(namespace="tasks", log_root="/logs", log_gid=0, disk_bytes=asked_gib * GIB)
    share = await Shares(cast("KubernetesCluster", view), options, view).of(NODE)
    assert share.get("ephemeral-storage") == (None if gets_gib is None else gets_gib * GIB)
    assert share["cpu"] == 7


SHARED = Node(
    NodeName("node1"), GroupName("lab"), "kubernetes", gpus=4, cpus=8, memory_bytes=32 * 2**30
)
PART = Resources(2000, 8 * 2**30, 1)


def ours(cpu: str) -> dict[str, Any]:
    pod = other("0")
    pod["spec"]["nodeName"] = "node1"
    pod["spec"]["containers"][0]["resources"]["requests"] = {"cpu": cpu, "memory": "1Gi"}
    return pod


async def test_a_container_gets_what_it_asked_for() -> None:
    allocatable = {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "4", "ephemeral-storage": "80Gi"}
    view = View(allocatable, [other("0")], [ours("4")])
    options = PodOptions(namespace="tasks", log_root="/logs", log_gid=0, reserve_cpus=0.5)
    shares = Shares(cast("KubernetesCluster", view), options, view)
    assert await shares.part_of(SHARED, PART) == {
        "cpu": 2.0,
        "memory": 8 * GIB,
        "nvidia.com/gpu": 1,
        "ephemeral-storage": 10 * GIB,
    }
    with pytest.raises(Unavailable, match="pods leave 3 of cpu on node1, and 4 are asked for"):
        await shares.part_of(SHARED, Resources(4000, 2**30))
    spare = await shares.spare_of(SHARED)
    assert (spare.cpus, spare.memory_bytes, spare.gpus) == (6.5, 31 * 2**30, 4)
