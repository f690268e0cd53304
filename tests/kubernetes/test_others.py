"""What other pods request of a node, followed and not asked for with every start."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hai.core.node import Node
from hai.core.types import GroupName, NodeName
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.quantities import requests_of
from hai.launcher.kubernetes.cluster import KubernetesCluster as View
from hai.launcher.kubernetes.cluster import KubernetesLocation
from hai.launcher.kubernetes.names import MANAGED
from hai.launcher.kubernetes.orders import PodOptions
from hai.launcher.kubernetes.others import OtherPods
from hai.launcher.kubernetes.shares import Shares
from tests.kubernetes.testbed import Cluster
from tests.waiting import async_wait_until

WITHIN_SECONDS = 120.0
MIB = 2**20


@pytest.fixture
async def view(cluster: Cluster, namespace: str) -> AsyncIterator[View]:
    opened = View(KubernetesLocation(cluster.kubeconfig, None, namespace))
    await opened.open()
    await opened.require_view()
    yield opened
    await opened.close()


def pod(cluster: Cluster, name: str, node: str, mebibytes: int, **labels: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": cluster.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "600"],
        "resources": {"requests": {"memory": f"{mebibytes}Mi"}},
    }
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
        },
    }


async def mebibytes_on(others: OtherPods, node: str, names: set[str]) -> dict[str, float]:
    found = await others.on(node)
    return {
        one["metadata"]["name"]: requests_of(one)["memory"] / MIB
        for one in found
        if one["metadata"]["name"] in names
    }


async def test_counts_pods_of_others_wherever_they_are(
    cluster: Cluster, view: View, client: KubernetesClient, namespace: str
) -> None:
    node = str(view.raw_nodes()[0]["metadata"]["name"])
    names = {f"{namespace}-elsewhere", f"{namespace}-foreign", f"{namespace}-ours"}
    elsewhere, foreign, ours = sorted(names)
    await client.create(paths.core("pods", "default"), pod(cluster, elsewhere, node, 10))
    await client.create(view.path("pods"), pod(cluster, foreign, node, 20))
    await client.create(view.path("pods"), pod(cluster, ours, node, 40, **MANAGED))
    others = OtherPods(view)
    try:
        expected = {elsewhere: 10.0, foreign: 20.0}

        async def agree() -> bool:
            return await mebibytes_on(others, node, names) == expected

        await async_wait_until(agree, WITHIN_SECONDS, what="both are counted")
        lists = view.client.requests["LIST", "pods"]
        await client.delete(paths.core("pods", "default", elsewhere), grace_seconds=0)
        del expected[elsewhere]
        await async_wait_until(agree, WITHIN_SECONDS, what="one is gone")
        assert view.client.requests["LIST", "pods"] == lists
    finally:
        await others.close()
        for name in (foreign, ours):
            await client.delete(view.path("pods", name), grace_seconds=0)


async def test_a_start_costs_no_list(cluster: Cluster, view: View, namespace: str) -> None:
    shares = Shares(view, PodOptions(namespace=namespace, log_root="/tmp/logs", log_gid=0))
    name = str(view.raw_nodes()[0]["metadata"]["name"])
    node = Node(NodeName(name), GroupName("training"), "kubernetes")
    try:
        await shares.of(node)
        before = sum(view.client.requests.values())
        for _ in range(20):
            assert (await shares.of(node))["cpu"] > 0
        assert sum(view.client.requests.values()) - before < 5  # a probe of a quiet server, at most
    finally:
        await shares.close()
