"""A deployment that cannot start says so soon; a node with the leader on it goes away."""

import getpass
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kubernetes.deployed import TOKEN, WITHIN_SECONDS, Admin, Deployed, edit
from tests.kubernetes.images import bring, build
from tests.kubernetes.role_faults import check_all, more, work
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.campaign, pytest.mark.timeout(1500)]

NOWHERE = "127.0.0.1:1/hai-platform:1"
FEWER_TASKS = 4


def test_it_is_mended_and_survives_the_leaders_node(admin: Admin, tmp_path: Path) -> None:
    image, archive = build(tmp_path)
    bring(admin.cluster, archive, nodes=2)
    admin.shell("hai-up config > config.sh")
    config = admin.home / "config.sh"
    edit(
        config,
        SHARED_FS_ROOT=str(admin.shared),
        BASE_IMAGE=NOWHERE,
        MANAGER_NODES='"node1 node2"',
        TRAIN_IMAGE=admin.cluster.image,
        SERVICE_TYPE="NodePort",
        USER_INFO=f"{getpass.getuser()}:10020:{TOKEN}",
    )
    said = admin.shell("! hai-up run -c config.sh")
    assert "statefulset/hai-postgres: it does not start" in said
    assert "ErrImagePull" in said or "ImagePullBackOff" in said
    edit(config, BASE_IMAGE=image)
    admin.shell("hai-up run -c config.sh")
    try:
        the_leaders_node_is_cut_off(admin)
    finally:
        admin.shell("hai-up down --purge --yes")


def the_leaders_node_is_cut_off(admin: Admin) -> None:
    """Everything but the database's node is away for a while, the leader with it."""
    platform = Deployed(admin, "")
    (database,) = platform.pods("postgres")
    safe = database["spec"]["nodeName"]
    platform = Deployed(admin, url_at(admin, safe))
    work(platform)
    tasks = more(platform, "before", FEWER_TASKS)
    wait_until(lambda: leads_elsewhere(platform, safe), WITHIN_SECONDS, what="a leader to cut off")
    with cut_off(admin, safe):
        successor = wait_until(lambda: led_by(platform, safe), WITHIN_SECONDS, what="a successor")
        assert successor
        tasks += more(platform, "meanwhile", FEWER_TASKS)
        wait_until(
            lambda: platform.ended() >= FEWER_TASKS, WITHIN_SECONDS, what="tasks end without it"
        )
    check_all(platform, tasks, may_be_lost=True)


def url_at(admin: Admin, node: str) -> str:
    service = json.loads(admin.cluster.kubectl("-n", "hai-platform", "get", "svc",
                                               "hai-platform-svc", "-o", "json"))  # fmt: skip
    port = next(one["nodePort"] for one in service["spec"]["ports"] if one["name"] == "api")
    found = json.loads(admin.cluster.kubectl("get", "node", node, "-o", "json"))
    return f"http://{found['status']['addresses'][0]['address']}:{port}"


def leads_elsewhere(platform: Deployed, safe: str) -> bool:
    """The leader on the safe node is killed until the other one leads."""
    leader = platform.leader()
    if leader["spec"]["nodeName"] != safe:
        return True
    platform.kill(leader)
    return False


def led_by(platform: Deployed, node: str) -> bool:
    """Asked of that node's processes alone: those of the other one do not answer."""
    pods = [pod for pod in platform.pods("hai-control") if pod["spec"].get("nodeName") == node]
    return any(platform.leads(pod) for pod in pods)


@contextmanager
def cut_off(admin: Admin, safe: str) -> Iterator[None]:
    node = next(number for number in (1, 2) if f"node{number}" != safe)
    admin.cluster.link(node, "down")
    try:
        yield
    finally:
        admin.cluster.link(node, "up")
        subprocess.run(
            ["kubectl", "--kubeconfig", str(admin.cluster.kubeconfig), "wait", "node",
             f"node{node}", "--for=condition=Ready", "--timeout=240s"],
            check=True,
        )  # fmt: skip
