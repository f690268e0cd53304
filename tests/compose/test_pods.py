"""HAI_TASKS=k8s: the platform with Docker, its tasks on a cluster."""

from pathlib import Path

import pytest

from tests.compose.deployed import TOKEN, UID, Deployed
from tests.kubernetes.conftest import cluster
from tests.kubernetes.images import bring, build
from tests.kubernetes.testbed import Cluster
from tests.waiting import wait_until

__all__ = ["cluster"]

pytestmark = [pytest.mark.acceptance, pytest.mark.campaign, pytest.mark.timeout(1200)]

WITHIN_SECONDS = 240.0
_TICK = "import os, time\nprint('by', os.getuid(), flush=True)\ntime.sleep(600)\n"


def test_tasks_are_pods(deployed: Deployed, cluster: Cluster, tmp_path: Path) -> None:
    """Up, a task that ends, one that runs through a second run and down, and nothing left."""
    if cluster.is_ours:  # else whoever owns it has put the image there
        bring(cluster, build(tmp_path)[1], nodes=2)
    labels, before = _labels(cluster), deployed.left()
    names = cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}")
    deployed.edit(
        API_REPLICAS="0",
        HAI_TASKS="k8s",
        KUBECONFIG=str(cluster.kubeconfig),
        TRAINING_NODES=f"'{names}'",
        HAI_SERVER_ADDR=deployed.engine.address,
        TRAIN_IMAGE=cluster.image,
    )
    said = deployed.run()
    assert TOKEN not in said
    deployed.init()
    quick = deployed.submit("quick.py", "import os\nprint('by', os.getuid())\n", "--", "-n", "1")
    deployed.wait(quick, "succeeded")
    assert f"by {UID}" in deployed.log(quick)
    slow = deployed.submit("slow.py", _TICK, "--", "-n", "1")
    deployed.wait_log(slow, f"by {UID}")
    assert _pods(cluster)
    assert "nothing had to be changed" in deployed.run()
    _the_kubeconfig_is_the_servers_alone(deployed)
    assert "suspending 1 task" in deployed.shell.line("hai-up down")
    wait_until(lambda: not _pods(cluster), WITHIN_SECONDS, what="no pod of a task")
    deployed.shell.line("hai-up down --purge --yes")
    assert deployed.left() == before
    assert _labels(cluster) == labels
    cluster.kubectl("delete", "namespace", deployed.name)


def _pods(cluster: Cluster) -> str:
    return cluster.kubectl(
        "get", "pods", "-A", "-l", "app.kubernetes.io/managed-by=hai", "-o", "name"
    )


def _labels(cluster: Cluster) -> str:
    return cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.labels}")


def _the_kubeconfig_is_the_servers_alone(deployed: Deployed) -> None:
    path = deployed.share / "hai-platform" / "secrets" / "kubeconfig"
    assert path.stat().st_mode & 0o777 == 0o400
    mounts = {one["Destination"]: one for one in deployed.containers()["server"]["Mounts"]}
    assert not mounts["/run/secrets/kubeconfig"]["RW"]
    assert not [place for place in mounts if place.endswith("docker.sock")]
    others = [one for name, one in deployed.containers().items() if name != "server"]
    assert not [m for one in others for m in one["Mounts"] if "kubeconfig" in m["Destination"]]
