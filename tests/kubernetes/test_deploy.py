"""hai-up on a real cluster: the README's block, word for word, by a shell; and away again."""

import base64
import getpass
import json
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest

from hai.kubernetes.client import KubernetesClient
from tests.kubernetes.deployed import TOKEN, Admin, Deployed, edit
from tests.kubernetes.images import bring, build
from tests.kubernetes.role_faults import faults_of_roles
from tests.kubernetes.testbed import Cluster
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1500)]

WITHIN_SECONDS = 240.0
CONFIG = "hai-up config > config.sh"
RUN = "hai-up run -c config.sh"
ADDRESS = (
    "HAI_SERVER_ADDR=$(kubectl -n hai-platform get svc hai-platform-svc"
    " -o jsonpath='{.status.loadBalancer.ingress[0].ip}')"
)
INIT = "hai-cli init ${TOKEN} --url http://${HAI_SERVER_ADDR}"
SUBMIT = "hai-cli python ${SHARED_FS_ROOT}/hai-platform/workspace/$(whoami)/test.py -- -n 1"
DOWN = "hai-up down"


async def give_address(cluster: Cluster) -> None:
    """As a load balancer would: kube-proxy of node1 takes what comes to this address."""
    nodes = json.loads(cluster.kubectl("get", "node", "node1", "-o", "json"))
    address = nodes["status"]["addresses"][0]["address"]
    path = "/api/v1/namespaces/hai-platform/services/hai-platform-svc/status"
    status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
    async with await KubernetesClient.open(cluster.kubeconfig) as client:
        await client.patch(path, status)


async def test_the_block_of_the_readme(admin: Admin, tmp_path: Path) -> None:
    image, archive = build(tmp_path)
    bring(admin.cluster, archive, nodes=2)
    before = admin.listing()

    admin.shell(CONFIG)
    config = admin.home / "config.sh"
    edit(
        config,
        SHARED_FS_ROOT=str(admin.shared),
        BASE_IMAGE=image,
        MANAGER_NODES='"node1 node2"',
        TRAIN_IMAGE=admin.cluster.image,
        USER_INFO=f"{getpass.getuser()}:10020:{TOKEN}",
    )
    said = admin.shell(RUN)
    assert "HAI runs in namespace hai-platform" in said
    assert "no load balancer has given hai-platform-svc an address" in said
    await give_address(admin.cluster)
    platform = _first_task(admin)
    assert TOKEN not in said + _second_run(admin)
    _no_secret_in_the_open(admin)
    _logs_of_all_processes(platform)
    _what_the_platform_tells(admin)
    _only_who_leads_has_an_account(platform)
    faults_of_roles(platform)
    number = _down_suspends(platform)
    _up_with_other_processes(admin, config, number)
    assert "stopping 1 task" in admin.shell("hai-up down --purge --yes")
    assert admin.listing() == before
    assert (platform.folder / "test.py").exists()
    assert not (admin.shared / "hai-platform" / "db" / "hai").exists()


def _first_task(admin: Admin) -> Deployed:
    script = admin.shared / "hai-platform" / "workspace" / getpass.getuser() / "test.py"
    script.write_text("import os\nprint('hello by', os.getuid())\n" + _knocks(admin))
    admin.shell(ADDRESS, INIT, SUBMIT)
    wait_until(
        lambda: "hello by 10020" in admin.shell("hai-cli logs 1 || true"),
        WITHIN_SECONDS,
        what="the task's output",
    )
    said = admin.shell("hai-cli wait 1 || true", "hai-cli logs 1")
    assert said.count("refused by") == 2, said
    return Deployed.by_service(admin)


def _second_run(admin: Admin) -> str:
    versions = admin.versions()
    again = admin.shell(RUN)
    assert "nothing had to be changed" in again
    dry = admin.shell("hai-up dryrun -c config.sh --out plan", "cat plan/changes.diff")
    assert "nothing would change" in dry
    assert admin.versions() == versions
    return again + dry


def _logs_of_all_processes(platform: Deployed) -> None:
    admin = platform.admin
    parts = ("hai-api", "hai-control")
    names = [pod["metadata"]["name"] for part in parts for pod in platform.pods(part)]
    assert len(names) == 4
    text = admin.shell("hai-up logs -n 3")
    assert {line.partition(": ")[0] for line in text.splitlines()} == set(names)
    for place in admin.shell("hai-up logs --path").split():
        node, _, folder = place.partition(":")
        holder = str(admin.cluster.pid_of(node))
        subprocess.run(["nsenter", "-t", holder, "-m", "--", "test", "-d", folder], check=True)


def _what_the_platform_tells(admin: Admin) -> None:
    """Asked in a pod of it."""
    said = admin.shell("hai-up doctor -c config.sh --only logs")
    assert "GB free for task logs" in said, said
    assert re.search(r"(?m)^status +running$", admin.shell("hai-up status"))


def _only_who_leads_has_an_account(platform: Deployed) -> None:
    with_token = {
        part: [str(pod).count("kubernetes.io/serviceaccount") for pod in platform.pods(part)]
        for part in ("hai-api", "hai-control")
    }
    assert not any(with_token["hai-api"])
    assert all(with_token["hai-control"])


def _down_suspends(platform: Deployed) -> int:
    """A task that runs; its id."""
    admin, slow = platform.admin, platform.folder / "slow.py"
    slow.write_text("import time\nprint('begun', flush=True)\ntime.sleep(600)\n")
    admin.shell(f"hai-cli python {slow} -- -n 1")
    number = platform.named("slow.py")
    wait_until(lambda: "begun" in admin.shell(f"hai-cli logs {number} || true"), WITHIN_SECONDS)
    said = admin.shell(DOWN)
    assert "suspending 1 task" in said
    assert f"{number} slow.py of {getpass.getuser()}" in said
    assert admin.cluster.kubectl("-n", "hai-platform", "get", "deploy,sts", "-o", "name") == ""
    assert "not running" in admin.shell("hai-up status || true")
    return number


def _up_with_other_processes(admin: Admin, config: Path, number: int) -> None:
    """One that does all; then api and control below the task, which runs on."""
    edit(config, SERVICE_TYPE="NodePort", API_REPLICAS="0")
    url = re.search(r"--url (http\S+)", admin.shell(RUN))
    assert url is not None
    admin.shell("hai-cli init ${TOKEN} --url " + url[1])
    resumed = partial(_is_running, admin, number)
    wait_until(resumed, WITHIN_SECONDS, what="the resumption")
    assert _deployments(admin) == {"hai-server", "hai-studio"}
    edit(config, API_REPLICAS="1", EXTRA_ENVIRONMENTS="A:2", TRAINING_NODES="node1")
    dry = admin.shell("hai-up dryrun -c config.sh --out plan", "cat plan/changes.diff")
    for line in (
        "+ deployment/hai-api: would be made",
        "- deployment/hai-server: of an earlier config.sh, would be removed",
        "~ node/node2: label hai_mars_group: training -> none",
        "+++ config.sh/configmap/hai-platform-config",
        "~ database: rows of users, quotas, images and mounts would be imported",
    ):
        assert line in dry
    again = admin.shell("hai-up dryrun -c config.sh --out plan", "cat plan/changes.diff")
    assert again == dry
    assert _deployments(admin) == {"hai-server", "hai-studio"}
    assert "removed deployment/hai-server" in admin.shell(RUN + " --yes")
    assert _deployments(admin) == {"hai-api", "hai-control", "hai-studio"}
    assert _nodes_by_quota(admin) == {1}, "seeded quotas follow the nodes"
    wait_until(resumed, WITHIN_SECONDS, what="the task runs on under other processes")


def _nodes_by_quota(admin: Admin) -> set[int]:
    """How many of the training nodes the first user may use."""
    rows = Deployed.by_service(admin).told("quotas")["quotas"]
    mine = [row for row in rows if row["user"] == getpass.getuser()]
    return {row["nodes"] for row in mine if row["group"] == "training"}


def _is_running(admin: Admin, number: int) -> bool:
    return "running" in admin.shell(f"hai-cli status {number}")


def _deployments(admin: Admin) -> set[str]:
    words = admin.cluster.kubectl("-n", "hai-platform", "get", "deploy", "-o", "name").split()
    return {word.partition("/")[2] for word in words}


# A task asks the databases as somebody without a password; a network may also keep it from them.
_KNOCK = """
import socket, struct
words = b"user\\0hai\\0database\\0hai\\0\\0"
startup = struct.pack("!ii", 8 + len(words), 196608) + words
for address, port, said, password_wanted in (
    ({postgres!r}, 5432, startup, lambda answer: answer[:1] == b"R" and answer[5:9] != bytes(4)),
    ({redis!r}, 6379, b"GET a\\r\\n", lambda answer: answer.startswith(b"-NOAUTH")),
):
    try:
        with socket.create_connection((address, port), 10) as knock:
            knock.settimeout(10)
            knock.sendall(said)
            answer = knock.recv(1000)
    except OSError as error:
        answer = None
    print("refused by" if answer is None or password_wanted(answer) else "GOT", port, answer)
"""


def _knocks(admin: Admin) -> str:
    words = ("-n", "hai-platform", "get", "service", "-o", "jsonpath={.spec.clusterIP}")
    postgres, redis = (admin.cluster.kubectl(*words, f"hai-{n}") for n in ("postgres", "redis"))
    return _KNOCK.format(postgres=postgres, redis=redis)


def _no_secret_in_the_open(admin: Admin) -> None:
    """Neither in objects that are no Secrets nor in logs or events."""
    kinds = "configmaps,pods,deployments,statefulsets,services,events,jobs"
    text = admin.cluster.kubectl("-n", "hai-platform", "get", kinds, "-o", "yaml")
    for part in ("statefulset/hai-postgres", "statefulset/hai-redis", "deployment/hai-api"):
        text += admin.cluster.kubectl("-n", "hai-platform", "logs", part, "--all-containers")
    raw = admin.cluster.kubectl(
        "-n", "hai-platform", "get", "secret", "hai-platform-secrets", "-o", "json"
    )
    made = [base64.b64decode(one).decode() for one in json.loads(raw)["data"].values()]
    assert len(made) == 5
    assert not [word for word in (*made, TOKEN) if word in text]
