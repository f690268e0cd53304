"""One cluster for all tests of a run, a namespace for each test."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hai.errors import Denied, Unavailable
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.paths import core
from tests.kubernetes import testbed
from tests.kubernetes.deployed import Admin
from tests.kubernetes.platform import PodPlatform, start_platform
from tests.kubernetes.testbed import Cluster, own_cluster, wait_gone, wait_settled, what_is_missing
from tests.waiting import async_wait_until

_NODES = 2
_TIMEOUT_SECONDS = 900  # of the first test, which waits for the cluster


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All that use the cluster run in one worker of pytest-xdist: there is one cluster. The long
    ones run when they are asked for: -m campaign."""
    if "campaign" not in config.option.markexpr:
        items[:] = [item for item in items if item.get_closest_marker("campaign") is None]
    for item in items:
        if isinstance(item, pytest.Function) and "cluster" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("kubernetes"))
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_TIMEOUT_SECONDS))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes, or the cluster of HAI_TEST_KUBECONFIG."""
    if testbed.KUBECONFIG:
        yield Cluster(Path(testbed.KUBECONFIG), testbed.IMAGE)
        return
    missing = what_is_missing()
    if missing and os.environ.get("CI"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    with own_cluster(_NODES) as started:
        yield started


@pytest.fixture
def own(cluster: Cluster) -> Cluster:
    """A cluster that the test may break for a while."""
    if not cluster.is_ours:
        pytest.skip("only a cluster of scripts/testbed may be broken")
    return cluster


@pytest.fixture(scope="session")
def _namespaces(cluster: Cluster) -> Iterator[list[str]]:
    """Names of those that were deleted; at the end none may be left."""
    deleted: list[str] = []
    yield deleted
    wait_gone(cluster, deleted)


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[KubernetesClient]:
    async with await KubernetesClient.open(cluster.kubeconfig) as opened:
        yield opened


async def _takes_pods(client: KubernetesClient, namespace: str) -> bool:
    """Its controllers have made a service account, and on old clusters a token for it."""
    container = {"name": "main", "image": "none.invalid/none"}
    body = {"metadata": {"name": "tried"}, "spec": {"containers": [container]}}
    try:
        path, once = core("pods", namespace), {"dryRun": "All"}
        await client.request("POST", path, params=once, body=body)
    except (Denied, Unavailable):
        return False
    return True


@pytest.fixture
async def namespace(client: KubernetesClient, _namespaces: list[str]) -> AsyncIterator[str]:
    """An empty one of the test's own, which takes pods."""
    name = f"hai-test-{secrets.token_hex(4)}"
    await client.create("/api/v1/namespaces", {"metadata": {"name": name}})
    await async_wait_until(lambda: _takes_pods(client, name), 120, what="a service account")
    yield name
    await client.delete(f"/api/v1/namespaces/{name}")
    _namespaces.append(name)


@pytest.fixture
def platform(
    public_dir: Path, postgres_url: str, cluster: Cluster, namespace: str
) -> Iterator[PodPlatform]:
    (public_dir / "site").mkdir(mode=0o755)
    made = start_platform(public_dir / "site", postgres_url, cluster, namespace)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def admin(own: Cluster, public_dir: Path) -> Iterator[Admin]:
    """Somebody who brings the platform onto the cluster. What a failed test left goes."""
    (public_dir / "home").mkdir()
    (public_dir / "nfs").mkdir(mode=0o755)
    wait_settled(own)  # what such a test finds at its end is compared with what was there
    admin = Admin(own, public_dir / "home", public_dir / "nfs")
    yield admin
    if own.kubectl("get", "namespace", "hai-platform", "--ignore-not-found"):
        admin.shell("hai-up down --purge --yes")  # it failed, and others need the nodes
