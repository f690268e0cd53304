"""hai-up doctor against a real cluster: planted faults, each with its fix."""

import base64
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from hai_up.checks import FAIL, OK, WARN, Check
from hai_up.providers.kubernetes.doctor import cluster_checks
from tests.kubernetes.testbed import Cluster
from tests.live import REPOSITORY
from tests.waiting import wait_until


def values_for(cluster: Cluster, **changes: str) -> dict[str, str]:
    nodes = cluster.kubectl("get", "nodes", "-o", "name").split()
    names = " ".join(node.removeprefix("node/") for node in nodes)
    values = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "MANAGER_NODES": names.split()[0],
        "TRAINING_NODES": names,
        "BASE_IMAGE": cluster.image,
        "DB_PATH": "/var/lib/hai-database",
    }
    return {**values, **changes}


def found(cluster: Cluster, *only: str, **changes: str) -> dict[str, Check]:
    checks = cluster_checks(values_for(cluster, **changes), only)
    return {check.name: check for check in checks}


READS = ("cluster", "nodes.nodes", "nodes.gpus", "nodes.processes", "network", "storage.database")
INSIDE = ("nodes.image", "storage.share", "nodes.clock")


def left_over(cluster: Cluster) -> list[str]:
    """Pods and namespaces of doctor."""
    kinds = ("pods,namespaces", "-A", "-l", "hai/part=hai-doctor", "-o", "name")
    return cluster.kubectl("get", *kinds).split()


@pytest.fixture
def share(cluster: Cluster, public_dir: Path) -> Iterator[Path]:
    """A folder that all nodes have; nothing of doctor may stay in it, nor in the cluster."""
    folder = public_dir / "shared"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []
    assert left_over(cluster) == []


def test_a_good_cluster(cluster: Cluster, share: Path) -> None:
    checks = found(cluster, SERVICE_TYPE="NodePort", SHARED_FS_ROOT=str(share))
    assert [check for check in checks.values() if check.status != OK] == []
    assert [check.id for check in checks.values()] == [
        "cluster.api",
        "cluster.rights",
        "nodes.nodes",
        "nodes.gpus",
        "nodes.processes",
        "network.address",
        "network.ingress",
        "storage.logs",
        "nodes.image",
        "storage.share",
        "nodes.clock",
        "storage.database",
    ]
    assert "on 2 nodes" in checks["share"].text
    assert "16,384 or more on all 2 nodes" in checks["processes"].text
    assert "no platform runs" in checks["logs"].text


def test_planted_faults_have_a_fix(cluster: Cluster) -> None:
    checks = found(
        cluster,
        TRAINING_NODES="node-of-nowhere",
        NODE_GPUS="8",
        DB_PATH="/nfs-shared/db",
        INGRESS_HOST="hai.example",
    )
    assert checks["nodes"].status == FAIL
    assert "node-of-nowhere" in checks["nodes"].text
    assert checks["address"].status == WARN
    assert "NodePort" in checks["address"].fix
    assert (checks["ingress"].status, checks["database"].status) == (FAIL, WARN)
    assert {checks[name].status for name in ("image", "share", "clock")} == {WARN}
    assert all(check.fix for check in checks.values() if check.status != OK)
    names = cluster.kubectl("get", "nodes", "-o", "name").split()
    one = names[0].removeprefix("node/")
    gpus = found(cluster, "gpus", NODE_GPUS="8", TRAINING_NODES=one)
    assert list(gpus) == ["gpus"]
    assert (gpus["gpus"].status, "NODE_GPUS=8" in gpus["gpus"].text) == (WARN, True)


def on_node(cluster: Cluster, node: int, *command: str) -> None:
    """As its root."""
    enter = ["nsenter", "-t", str(cluster.pid_of(f"node{node}")), "-m", "--"]
    subprocess.run([*enter, *command], check=True)


@contextmanager
def mounted(cluster: Cluster, node: int, folder: Path, *options: str) -> Iterator[None]:
    """Something else than on the other nodes."""
    on_node(cluster, node, "mount", *options, str(folder))
    try:
        yield
    finally:
        on_node(cluster, node, "umount", str(folder))


def test_another_file_system_on_one_node(own: Cluster, share: Path, namespace: str) -> None:
    with mounted(own, 2, share, "-t", "tmpfs", "tmpfs"):
        checks = found(own, *INSIDE, TASK_NAMESPACE=namespace, SHARED_FS_ROOT=str(share))
    assert checks["share"].status == FAIL, checks
    assert "node2 is not the one" in checks["share"].text
    assert "on node2: findmnt" in checks["share"].fix
    assert checks["image"].status == OK


def test_a_share_that_one_node_cannot_write(own: Cluster, share: Path, namespace: str) -> None:
    with mounted(own, 2, share, "-t", "tmpfs", "-o", "ro", "tmpfs"):
        checks = found(own, *INSIDE, TASK_NAMESPACE=namespace, SHARED_FS_ROOT=str(share))
    assert checks["share"].status == FAIL, checks
    assert f"{share} on node2: cannot write there: Read-only file system" in checks["share"].text
    assert "rw" in checks["share"].fix


def test_a_kubelet_that_bounds_no_process_ids(own: Cluster) -> None:
    config = own.folder / "n2" / "kubelet.yaml"
    before = config.read_text()

    def tells(words: str) -> bool:
        return words in found(own, "processes")["processes"].text

    try:
        config.write_text(before.replace("podPidsLimit: 16384", "podPidsLimit: -1"))
        own.restart("kubelet2")
        wait_until(lambda: tells("no podPidsLimit on node2:"), 120, what="the planted fault")
        check = found(own, "processes")["processes"]
        assert (check.status, "podPidsLimit: 16384" in check.fix) == (WARN, True)
    finally:
        config.write_text(before)
        own.restart("kubelet2")
        wait_until(lambda: tells("on all 2 nodes"), 120, what="the limit of before")


def test_no_share_and_no_image(cluster: Cluster, public_dir: Path, namespace: str) -> None:
    """Known long before the end of the minute."""
    checks = found(
        cluster, *INSIDE, TASK_NAMESPACE=namespace, SHARED_FS_ROOT=str(public_dir / "nowhere")
    )
    assert checks["share"].status == FAIL, checks
    assert "SHARED_FS_ROOT" in checks["share"].fix
    checks = found(
        cluster,
        *INSIDE,
        TASK_NAMESPACE=namespace,
        SHARED_FS_ROOT=str(public_dir),
        TRAIN_IMAGE="127.0.0.1:1/nothing:1",
    )
    assert checks["image"].status == FAIL, checks
    assert "cannot get 127.0.0.1:1/nothing:1" in checks["image"].text
    assert "IMAGE_PULL_SECRETS" in checks["image"].fix
    assert checks["share"].status == OK
    assert left_over(cluster) == []


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.campaign)]
)
def test_pods_go_when_it_is_interrupted(
    cluster: Cluster, public_dir: Path, namespace: str, number: signal.Signals
) -> None:
    config = public_dir / "config.sh"
    values = values_for(
        cluster,
        TASK_NAMESPACE=namespace,
        SHARED_FS_ROOT=str(public_dir),
        BASE_IMAGE="127.0.0.1:1/nothing:1",
    )
    config.write_text("".join(f'{name}="{text}"\n' for name, text in values.items()))
    command = [sys.executable, "-m", "hai_up.cli", "doctor", "-c", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=REPOSITORY) as running:
        wait_until(lambda: left_over(cluster), what="pods that look")
        running.send_signal(number)
        assert running.wait(120) != 0
    assert left_over(cluster) == []


def test_an_account_without_rights(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    weak = _weak(cluster, namespace, tmp_path)
    checks = found(cluster, *READS, KUBECONFIG=str(weak))
    assert checks["rights"].status == FAIL
    assert "create namespaces" in checks["rights"].text
    assert "cluster admin" in checks["rights"].fix
    assert checks["processes"].status == WARN
    assert "not known of node1, node2" in checks["processes"].text

    with _allowed(cluster, namespace, _ALL_BUT_EXEC):
        rights = found(cluster, "rights", KUBECONFIG=str(weak))["rights"]
    assert rights.status == WARN, rights
    assert "may not: get pods/exec, create pods/exec; backup" in rights.text
    assert "pods/exec in namespace" in rights.fix


# "*" would be every subresource as well.
_ALL_BUT_EXEC = ["--verb=*"] + [
    f"--resource={resource}"
    for resource in (
        *("nodes", "namespaces", "secrets", "services", "pods", "deployments.apps"),
        *("statefulsets.apps", "jobs.batch", "networkpolicies.networking.k8s.io"),
        *("ingresses.networking.k8s.io", "poddisruptionbudgets.policy"),
        *("roles.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io"),
        "clusterrolebindings.rbac.authorization.k8s.io",
    )
]


@contextmanager
def _allowed(cluster: Cluster, namespace: str, rule: list[str]) -> Iterator[None]:
    """The namespace's own account, for a while."""
    name = f"weak-{namespace}"
    cluster.kubectl("create", "clusterrole", name, *rule)
    try:
        account = f"--serviceaccount={namespace}:default"
        cluster.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", account)
        yield
    finally:
        cluster.kubectl("delete", "clusterrolebinding,clusterrole", name, "--ignore-not-found")


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
