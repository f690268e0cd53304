"""hai-up on a real cluster: the README's block, word for word, by a shell; and away again."""

import base64
import getpass
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from hai.kubernetes.client import KubernetesClient
from tests.kubernetes.images import bring, build
from tests.kubernetes.testbed import Cluster
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1500)]

TOKEN = "planted-token-of-the-first-user"  # noqa: S105
WITHIN_SECONDS = 240.0
# Kinds whose objects come and go by themselves.
_RESTLESS = ("events", "leases", "endpointslices", "componentstatuses", "endpoints", "pods")
CONFIG = "hai-up config > config.sh"
RUN = "hai-up run -c config.sh"
ADDRESS = (
    "HAI_SERVER_ADDR=$(kubectl -n hai-platform get svc hai-platform-svc"
    " -o jsonpath='{.status.loadBalancer.ingress[0].ip}')"
)
INIT = "hai-cli init ${TOKEN} --url http://${HAI_SERVER_ADDR}"
SUBMIT = "hai-cli python ${SHARED_FS_ROOT}/hai-platform/workspace/$(whoami)/test.py -- -n 1"
DOWN = "hai-up down"


@dataclass(frozen=True)
class Admin:
    """Somebody with a shell, a home of their own and the cluster's kubeconfig."""

    cluster: Cluster
    home: Path
    shared: Path

    def shell(self, *lines: str, stdin: str = "") -> str:
        """What the lines print, both ways; the first that fails is an AssertionError."""
        programs = Path(sys.executable).parent
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "SHARED_FS_ROOT": str(self.shared),
            "TOKEN": TOKEN,
        }
        done = subprocess.run(
            ["bash", "-euc", "\n".join(lines)],
            cwd=self.home,
            env=environment,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def listing(self) -> set[str]:
        """All that the cluster holds, and the labels of its nodes."""
        kinds = self.cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
        found = set()
        for kind in kinds:
            if kind.split(".")[0] not in _RESTLESS:
                text = self.cluster.kubectl("get", kind, "-A", "-o", "name", "--ignore-not-found")
                found |= {f"{kind} {name}" for name in text.split()}
        return found | self._labels()

    def _labels(self) -> set[str]:
        nodes = json.loads(self.cluster.kubectl("get", "nodes", "-o", "json"))["items"]
        return {
            f"{node['metadata']['name']} {name}={value}"
            for node in nodes
            for name, value in node["metadata"]["labels"].items()
        }

    def versions(self) -> dict[str, str]:
        """Of everything that hai-up looks after."""
        kinds = "configmaps,secrets,services,statefulsets,deployments,networkpolicies"
        kinds += ",serviceaccounts,roles,rolebindings"
        ours = ("-l", "app.kubernetes.io/managed-by=hai-up")
        text = self.cluster.kubectl("-n", "hai-platform", "get", kinds, *ours, "-o", "json")
        return {
            f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for item in json.loads(text)["items"]
        }


@pytest.fixture
def admin(own: Cluster, public_dir: Path) -> Admin:
    (public_dir / "home").mkdir()
    (public_dir / "nfs").mkdir(mode=0o755)
    return Admin(own, public_dir / "home", public_dir / "nfs")


async def give_address(cluster: Cluster) -> None:
    """As a load balancer would: kube-proxy of node1 takes what comes to this address."""
    nodes = json.loads(cluster.kubectl("get", "node", "node1", "-o", "json"))
    address = nodes["status"]["addresses"][0]["address"]
    path = "/api/v1/namespaces/hai-platform/services/hai-platform-svc/status"
    status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
    async with await KubernetesClient.open(cluster.kubeconfig) as client:
        await client.patch(path, status)


def edit(path: Path, **values: str) -> None:
    text = path.read_text()
    for name, value in values.items():
        text, count = re.subn(rf"(?m)^{name}=.*$", f"{name}={value}", text)
        assert count == 1, name
    path.write_text(text)
    path.chmod(0o600)


async def test_the_block_of_the_readme(admin: Admin, tmp_path: Path) -> None:
    image, archive = build(tmp_path)
    bring(admin.cluster, archive, nodes=2)
    before = admin.listing()

    admin.shell(CONFIG)
    config = admin.home / "config.sh"
    user = getpass.getuser()
    edit(
        config,
        SHARED_FS_ROOT=str(admin.shared),
        BASE_IMAGE=image,
        TRAIN_IMAGE=admin.cluster.image,
        USER_INFO=f"{user}:10020:{TOKEN}",
    )
    said = admin.shell(RUN)
    assert "HAI runs in namespace hai-platform" in said
    assert "no load balancer has given hai-platform-svc an address" in said
    await give_address(admin.cluster)
    script = admin.shared / "hai-platform" / "workspace" / user / "test.py"
    script.write_text("import os\nprint('hello by', os.getuid())\n" + _knocks(admin))
    admin.shell(ADDRESS, INIT, SUBMIT)
    wait_until(
        lambda: "hello by 10020" in admin.shell("hai-cli logs 1 || true"),
        WITHIN_SECONDS,
        what="the task's output",
    )
    said = admin.shell("hai-cli wait 1 || true", "hai-cli logs 1")
    assert said.count("refused by") == 2, said

    versions = admin.versions()
    again = admin.shell(RUN)
    assert "nothing had to be changed" in again
    assert admin.versions() == versions
    assert TOKEN not in said + again
    _no_secret_in_the_open(admin)

    slow = script.with_name("slow.py")
    slow.write_text("import time\nprint('begun', flush=True)\ntime.sleep(600)\n")
    admin.shell(f"hai-cli python {slow} -- -n 1")
    wait_until(lambda: "begun" in admin.shell("hai-cli logs 2 || true"), WITHIN_SECONDS)
    assert "suspending 1 task" in admin.shell(DOWN)
    assert admin.cluster.kubectl("-n", "hai-platform", "get", "deploy,sts", "-o", "name") == ""
    assert "not running" in admin.shell("hai-up status || true")

    edit(config, SERVICE_TYPE="NodePort")
    url = re.search(r"--url (http\S+)", admin.shell(RUN))
    assert url is not None
    admin.shell("hai-cli init ${TOKEN} --url " + url[1])
    wait_until(
        lambda: "running" in admin.shell("hai-cli status 2"), WITHIN_SECONDS, what="the resumption"
    )
    assert "stopping 1 task" in admin.shell("hai-up down --purge --yes")
    assert admin.listing() == before
    assert script.exists()
    assert not (admin.shared / "hai-platform" / "db" / "hai").exists()


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
    for part in ("statefulset/hai-postgres", "statefulset/hai-redis", "deployment/hai-server"):
        text += admin.cluster.kubectl("-n", "hai-platform", "logs", part, "--all-containers")
    raw = admin.cluster.kubectl(
        "-n", "hai-platform", "get", "secret", "hai-platform-secrets", "-o", "json"
    )
    made = [base64.b64decode(one).decode() for one in json.loads(raw)["data"].values()]
    assert len(made) == 5
    assert not [word for word in (*made, TOKEN) if word in text]
