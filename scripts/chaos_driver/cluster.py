"""A Kubernetes cluster of the driver's own, from scripts/testbed, and how its parts are broken."""

import json
import os
import secrets
import string
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from scripts.chaos_driver.waiting import wait_for

_SCRIPTS = Path(__file__).parents[1] / "testbed"
IMAGE = "docker.io/local/python:1"  # on every node
REGISTRY_PORT = 5000  # on the loopback of each node: a registry that has no image at all
_UP_SECONDS = 400.0
_KUBECTL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Its nodes are node1, node2, ..., all on this machine; `facts` is what cluster.env says."""

    name: str
    size: int
    facts: dict[str, str]

    @property
    def kubeconfig(self) -> Path:
        return Path(self.facts["KUBECONFIG"])

    @property
    def address(self) -> str:
        """This machine's, which pods can reach."""
        return self.facts["MASTER"]

    @property
    def programs(self) -> Path:
        """The folder of kube-apiserver and the others."""
        return Path(self.facts["PROGRAMS"])

    @property
    def nodes(self) -> list[str]:
        return [f"node{number + 1}" for number in range(self.size)]

    def kubectl(self, *words: str, given: str = "") -> tuple[int, str]:
        """Exit code and what it says; `given` is its standard input."""
        try:
            done = subprocess.run(
                ["kubectl", "--kubeconfig", str(self.kubeconfig), *words],
                input=given,
                capture_output=True,
                text=True,
                check=False,
                timeout=_KUBECTL_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return -1, f"kubectl {words[0]}: no answer in {_KUBECTL_SECONDS:.0f} s"
        return done.returncode, (done.stdout if done.returncode == 0 else done.stderr).strip()

    def insist(self, *words: str, given: str = "", seconds: float = 120.0) -> str:
        """kubectl until it succeeds, as a person does whose API server is just coming back."""
        said = ""

        def succeeds() -> bool:
            nonlocal said
            code, said = self.kubectl(*words, given=given)
            return code == 0

        if not wait_for(succeeds, seconds, 0.5):
            raise SystemExit(f"kubectl {' '.join(words)}: {said}")
        return said

    def eviction_version(self) -> str:
        """policy/v1 where the server has it; before 1.22 it takes the beta's."""
        code, _ = self.kubectl("get", "--raw", "/apis/policy/v1")
        return "policy/v1" if code == 0 else "policy/v1beta1"

    def items(self, kind: str, namespace: str) -> list[dict[str, Any]]:
        """Those of the platform; none when the API server does not answer."""
        ours = ("-l", "app.kubernetes.io/managed-by=hai")
        code, said = self.kubectl("get", kind, "-n", namespace, *ours, "-o", "json")
        found: list[dict[str, Any]] = json.loads(said)["items"] if code == 0 else []
        return found

    def restart(self, process: str, seconds_away: float) -> None:
        """kill -9 of etcd, apiserver, kubelet1, containerd1, ..., and again after a while."""
        _script("restart", self.name, process, f"{seconds_away:g}")

    def link(self, node: str, state: str) -> None:
        """state: up or down; the node's only way to everybody else."""
        port = f"p{node.removeprefix('node')}"
        command = ["ip", "-n", f"{self.name}-sw", "link", "set", port, state]
        subprocess.run(command, check=True)

    def are_ready(self) -> bool:
        code, said = self.kubectl("get", "nodes", "--no-headers")
        return (
            code == 0 and [line.split()[1] for line in said.splitlines()] == ["Ready"] * self.size
        )

    def processes(self) -> Iterator[psutil.Process]:
        """Everything that runs in containers."""
        for group in Path("/sys/fs/cgroup").glob(f"pids/{self.name}-node*"):
            for file in group.rglob("cgroup.procs"):
                yield from _listed(file)


def _listed(file: Path) -> Iterator[psutil.Process]:
    try:
        pids = [int(line) for line in file.read_text().split()]
    except OSError:  # the group has just gone
        return
    for pid in pids:
        try:
            yield psutil.Process(pid)
        except psutil.NoSuchProcess:
            continue


def _script(name: str, *words: str, **variables: str) -> str:
    done = subprocess.run(
        [_SCRIPTS / name, *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=_UP_SECONDS,
    )
    if done.returncode:
        raise SystemExit(f"scripts/testbed/{name} {' '.join(words)}: {done.stderr[-2000:]}")
    return done.stdout


@contextmanager
def empty_registries(cluster: Cluster) -> Iterator[None]:
    """A web server without a file answers as a registry without an image: 404."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        for number in range(cluster.size):
            command = ["ip", "netns", "exec", f"{cluster.name}-n{number + 1}", sys.executable]
            command += ["-m", "http.server", "-b", "127.0.0.1", "-d", folder, str(REGISTRY_PORT)]
            null = subprocess.DEVNULL
            server = stack.enter_context(subprocess.Popen(command, stdout=null, stderr=null))
            stack.callback(server.kill)
        yield


def _up(name: str, size: int, node_grace: str) -> str:
    """On a machine that is busy a kubelet may give up: then it is tried once more."""
    try:
        return _script("up", name, str(size), NODE_GRACE=node_grace)
    except SystemExit:
        _script("down", name)
        return _script("up", name, str(size), NODE_GRACE=node_grace)


@contextmanager
def own_cluster(size: int, node_grace: str = "8s") -> Iterator[Cluster]:
    """Up, and down at the end whatever happens. A node that is silent for `node_grace` is not
    ready."""
    if os.geteuid() != 0:
        raise SystemExit("a Kubernetes cluster of one's own needs root")
    name = "c" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(5))
    try:
        said = _up(name, size, node_grace)
        facts = dict(line.split("=", 1) for line in said.split() if "=" in line)
        cluster = Cluster(name, size, facts)
        with empty_registries(cluster):
            yield cluster
    finally:
        _script("down", name)
