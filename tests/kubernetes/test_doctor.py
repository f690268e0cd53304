"""hai-up doctor against a real cluster: planted faults, each with its fix."""

import base64
from pathlib import Path

import yaml

from hai_up.checks import FAIL, OK, WARN, Check
from hai_up.providers.kubernetes.doctor import cluster_checks
from tests.kubernetes.testbed import Cluster
from tests.waiting import wait_until


def found(cluster: Cluster, **changes: str) -> dict[str, Check]:
    nodes = cluster.kubectl("get", "nodes", "-o", "name").split()
    names = " ".join(node.removeprefix("node/") for node in nodes)
    values = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "MANAGER_NODES": names.split()[0],
        "TRAINING_NODES": names,
        "BASE_IMAGE": "hai-platform:1",
        "DB_PATH": "/var/lib/hai-database",
    }
    return {check.name: check for check in cluster_checks({**values, **changes})}


def test_a_good_cluster(cluster: Cluster) -> None:
    checks = found(cluster, SERVICE_TYPE="NodePort")
    assert {check.status for check in checks.values()} == {OK}, checks
    assert list(checks) == ["api", "rights", "nodes", "gpus", "address", "database"]


def test_planted_faults_have_a_fix(cluster: Cluster) -> None:
    checks = found(
        cluster, TRAINING_NODES="node-of-nowhere", NODE_GPUS="8", DB_PATH="/nfs-shared/db"
    )
    assert checks["nodes"].status == FAIL
    assert "node-of-nowhere" in checks["nodes"].text
    assert checks["address"].status == WARN
    assert "NodePort" in checks["address"].fix
    assert checks["database"].status == WARN
    assert all(check.fix for check in checks.values() if check.status != OK)
    names = cluster.kubectl("get", "nodes", "-o", "name").split()
    gpus = found(cluster, NODE_GPUS="8", TRAINING_NODES=names[0].removeprefix("node/"))["gpus"]
    assert (gpus.status, "NODE_GPUS=8" in gpus.text) == (WARN, True)


def test_an_account_without_rights(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    checks = found(cluster, KUBECONFIG=str(_weak(cluster, namespace, tmp_path)))
    assert checks["rights"].status == FAIL
    assert "create namespaces" in checks["rights"].text
    assert "cluster admin" in checks["rights"].fix


def _weak(cluster: Cluster, namespace: str, folder: Path) -> Path:
    """A kubeconfig with the token of the namespace's own account, which may do nothing."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {
            "name": "weak",
            "namespace": namespace,
            "annotations": {"kubernetes.io/service-account.name": "default"},
        },
    }
    path = folder / "secret.yaml"
    path.write_text(yaml.safe_dump(secret))
    cluster.kubectl("apply", "-f", str(path))
    token = wait_until(lambda: _token(cluster, namespace), what="the account's token")
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    (folder / "weak").write_text(yaml.safe_dump(config))
    return folder / "weak"


def _token(cluster: Cluster, namespace: str) -> str:
    place = ("-n", namespace, "get", "secret", "weak", "-o", "jsonpath={.data.token}")
    return base64.b64decode(cluster.kubectl(*place)).decode()


def test_an_api_server_that_is_away(tmp_path: Path, cluster: Cluster) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    for one in config["clusters"]:
        one["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    checks = found(cluster, KUBECONFIG=str(tmp_path / "config"))
    assert list(checks) == ["api"]
    assert (checks["api"].status, bool(checks["api"].fix)) == (FAIL, True)
