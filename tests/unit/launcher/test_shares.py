"""What a pod gets of its node."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import pytest

from hai.core.node import Node
from hai.core.types import GroupName, NodeName
from hai.launcher.kubernetes.orders import PodOptions
from hai.launcher.kubernetes.shares import Shares

if TYPE_CHECKING:
    from hai.launcher.kubernetes.cluster import Cluster

GIB = 2.0**30
NODE = Node(NodeName("node1"), GroupName("training"), "kubernetes")


class View:
    """A cluster of one node, as the reflector shows it."""

    namespace = "tasks"

    def __init__(self, allocatable: Mapping[str, str], pods: list[Mapping[str, Any]]) -> None:
        self.allocatable = allocatable
        self.pods = pods
        self.client = self

    def node(self, _name: str) -> "View":
        return self

    async def list(self, _path: str, **_query: str) -> dict[str, Any]:
        return {"items": self.pods}


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
    share = await Shares(cast("Cluster", view), options).of(NODE)
    assert share.get("ephemeral-storage") == (None if gets_gib is None else gets_gib * GIB)
    assert share["cpu"] == 7
