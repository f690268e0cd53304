"""A Kubernetes cluster for tests: the one that HAI_TEST_KUBECONFIG names, or one of scripts/testbed
that lives as long as the test run."""

import base64
import os
import secrets
import shutil
import signal
import string
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

from hai.agent.processes import stat_fields
from tests import leftovers
from tests.waiting import wait_until

SCRIPTS = Path(__file__).parents[2] / "scripts" / "testbed"
# Taken now: tests run without the settings of whoever runs them.
KUBECONFIG = os.environ.get("HAI_TEST_KUBECONFIG", "")
IMAGE = os.environ.get("HAI_TEST_IMAGE", "python:3.11-slim")  # in a cluster of somebody else
ENVIRONMENT = dict(os.environ)  # without the mark of the run: a cluster is taken down, not killed
UP_SECONDS = 400

_CACHE = Path(
    os.environ.get("HAI_TESTBED")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hai-testbed"
)
_PROGRAMS = ("ip", "nsenter", "unshare", "kubectl", "openssl", "curl")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster; `name` is empty when it is not ours to break."""

    kubeconfig: Path
    image: str  # with Python 3 and bash, already on every node of ours
    name: str = ""
    folder: Path = Path()

    @property
    def is_ours(self) -> bool:
        return bool(self.name)

    def kubectl(self, *arguments: str) -> str:
        """What kubectl prints; an error is an AssertionError with its words."""
        done = subprocess.run(
            ["kubectl", "--kubeconfig", str(self.kubeconfig), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pid_of(self, process: str) -> int:
        """Of etcd, apiserver, controllers, scheduler, kubelet1, containerd1, node1, ..."""
        return int((self.folder / "pids" / process).read_text())

    @contextmanager
    def stopped(self, process: str) -> Iterator[None]:
        """It runs nothing meanwhile. A signal stops threads one by one, and those that still run
        may answer: so each is waited for."""
        pid = self.pid_of(process)
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: _is_stopped(pid), what=f"{process} stopped")
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def restart(self, process: str, seconds_away: float = 0) -> None:
        """kill -9, and again after a while."""
        subprocess.run(
            [SCRIPTS / "restart", self.name, process, str(seconds_away)],
            env=ENVIRONMENT,
            check=True,
        )

    async def forget_history(self) -> None:
        """etcd drops all versions but the last, as it does by itself after 5 minutes."""
        environment = (self.folder / "cluster.env").read_text().splitlines()
        etcd = dict(line.split("=", 1) for line in environment)["ETCD"]
        key = {"key": base64.b64encode(b"/").decode()}
        async with httpx2.AsyncClient(base_url=etcd) as http:
            now = (await http.post("/v3/kv/range", json=key)).json()["header"]["revision"]
            answer = await http.post("/v3/kv/compaction", json={"revision": now, "physical": True})
            answer.raise_for_status()

    def link(self, node: int, state: str) -> None:
        """state: up or down; the node's only way to everybody else."""
        command = ["ip", "-n", f"{self.name}-sw", "link", "set", f"p{node}", state]
        subprocess.run(command, check=True)


def _is_stopped(pid: int) -> bool:
    """All its threads; one that has ended meanwhile has no fields."""
    threads = [stat_fields(int(one.name)) for one in Path(f"/proc/{pid}/task").iterdir()]
    return {fields[0] for fields in threads if fields} == {b"T"}


def what_is_missing() -> str:
    """Why no cluster can be started here, and what to do; empty: one can."""
    if os.geteuid() != 0:
        return "a Kubernetes of our own needs root; or set HAI_TEST_KUBECONFIG"
    lacking = [name for name in _PROGRAMS if shutil.which(name) is None]
    if lacking:
        return f"missing: {', '.join(lacking)}; try: scripts/testbed/build"
    bin_folder = Path(os.environ.get("HAI_TESTBED_KUBERNETES") or _CACHE / "k8s-build" / "bin")
    for needed in (bin_folder / "kubelet", _CACHE / "rt/bin/etcd", _CACHE / "images/python.tar"):
        if not needed.exists():
            return f"no {needed.name} in the testbed's cache; try: scripts/testbed/build"
    return ""


@contextmanager
def own_cluster(nodes: int) -> Iterator[Cluster]:
    """One of our own, taken down at the end. A start that fails is tried once more."""
    _take_down_orphans()
    name = "t" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(5))
    folder = _CACHE / "clusters" / name
    for is_last in (False, True):
        started = subprocess.run(
            [SCRIPTS / "up", name, str(nodes)],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=UP_SECONDS,
            check=False,
        )
        if started.returncode == 0:
            break
        take_down(name)
        assert not is_last, f"the cluster does not start twice: {started.stderr[-3000:]}"
    with leftovers.keeping(command=[str(SCRIPTS / "down"), name]):
        try:
            (folder / "owner").write_text(f"{os.getpid()} {psutil.Process().create_time()}")
            yield Cluster(folder / "admin.kubeconfig", "docker.io/local/python:1", name, folder)
        finally:
            take_down(name)


def take_down(name: str) -> None:
    subprocess.run(
        [SCRIPTS / "down", name],
        env=ENVIRONMENT,
        check=False,
        timeout=UP_SECONDS,
        capture_output=True,
    )


def _take_down_orphans() -> None:
    """Clusters of test runs that were killed."""
    for owner in (_CACHE / "clusters").glob("*/owner"):
        with suppress(OSError, ValueError):
            pid, created = owner.read_text().split()
            with suppress(psutil.NoSuchProcess):
                if abs(psutil.Process(int(pid)).create_time() - float(created)) < 1:
                    continue
            take_down(owner.parent.name)


def wait_gone(cluster: Cluster, namespaces: list[str], seconds: float = 240) -> None:
    """Until the namespaces are gone with all that was in them."""
    deadline = time.monotonic() + seconds
    for namespace in namespaces:
        left = max(1, int(deadline - time.monotonic()))
        cluster.kubectl("wait", "--for=delete", f"namespace/{namespace}", f"--timeout={left}s")


def wait_settled(cluster: Cluster, seconds: float = 240) -> None:
    """Until no namespace of an earlier test is still going, with all that is in it."""
    words = ("get", "namespaces", "-o", "jsonpath={.items[*].metadata.deletionTimestamp}")
    wait_until(lambda: not cluster.kubectl(*words), seconds, what="no namespace that goes")
