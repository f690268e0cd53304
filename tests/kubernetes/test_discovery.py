"""Features of a real server, found by asking."""

import json

import pytest

from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.discovery import Discovery
from hai.kubernetes.paths import core
from tests.kubernetes.testbed import Cluster


async def test_resources_are_found_by_group_and_version(client: KubernetesClient) -> None:
    discovery = Discovery(client)
    assert await discovery.has("v1", "pods")
    assert await discovery.has("v1", "pods/eviction")
    assert await discovery.has("apps/v1", "deployments")
    assert not await discovery.has("v1", "deployments")
    assert not await discovery.has("none.example/v1", "things")
    assert await discovery.first_of("leases", "none.example/v1", "coordination.k8s.io/v1") == (
        "coordination.k8s.io/v1"
    )
    assert await discovery.first_of("things", "v1", "apps/v1") is None


async def test_each_group_is_asked_for_once(client: KubernetesClient) -> None:
    discovery = Discovery(client)
    await discovery.has("apps/v1", "deployments")
    asked = client.requests.total()
    await discovery.has("apps/v1", "statefulsets")
    assert client.requests.total() == asked


async def test_it_agrees_with_what_the_server_lists(
    cluster: Cluster, client: KubernetesClient
) -> None:
    groups = json.loads(cluster.kubectl("get", "--raw", "/apis"))["groups"]
    served = {version["groupVersion"] for group in groups for version in group["versions"]}
    discovery = Discovery(client)
    for group_version in ("policy/v1", "policy/v1beta1"):
        expected = group_version in served
        assert await discovery.has(group_version, "poddisruptionbudgets") is expected


async def test_server_side_apply_is_found_where_it_works(client: KubernetesClient) -> None:
    assert await Discovery(client).has_server_side_apply()


async def test_the_trial_of_image_volumes_agrees_with_a_pod_and_leaves_nothing(
    cluster: Cluster, client: KubernetesClient, namespace: str
) -> None:
    found = await Discovery(client).has_image_volumes(namespace, cluster.image)
    assert (await client.list(core("pods", namespace)))["items"] == []
    explained = cluster.kubectl("get", "--raw", "/openapi/v2")
    if '"io.k8s.api.core.v1.ImageVolumeSource"' not in explained:
        assert not found


async def test_a_quota_makes_the_trial_say_no(client: KubernetesClient, namespace: str) -> None:
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}}
    await client.create(core("resourcequotas", namespace), quota)
    assert await Discovery(client).has_image_volumes(namespace, "local/none:1") is False


@pytest.mark.parametrize("group_version", ["", "v9", "../v1", "apps/v1/namespaces"])
async def test_a_group_that_cannot_be_has_nothing(
    client: KubernetesClient, group_version: str
) -> None:
    assert not await Discovery(client).has(group_version, "pods")
