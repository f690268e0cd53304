"""The platform under test as a server beside a Kubernetes cluster, with tasks as its pods."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import psutil

from scripts.chaos_driver.clock import JumpingClock
from scripts.chaos_driver.cluster import IMAGE, Cluster, own_cluster
from scripts.chaos_driver.mounts import Disk
from scripts.chaos_driver.site import RECOVERY_SECONDS, LocalSite
from scripts.chaos_driver.waiting import Violation, wait_for

NAMESPACE = "hai-tasks"
GROUP = "pods"
POD_MEMORY_MIB = 768  # so that running out of it hurts nobody else
_LABEL = f"hai_mars_group={GROUP}"
_LEVELS = ("LOW", "NORMAL", "HIGH")


class KubernetesSite(LocalSite):
    """`hai-up -p local` for server and database; the tasks run on the nodes of `cluster`."""

    environment_name = "kubernetes"
    group = GROUP
    needs_control_groups = False  # a container's end is the end of all that is in it

    def __init__(
        self, folder: Path, cluster: Cluster, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        disk = Disk(folder / "disk")
        disk.folder.mkdir()
        disk.folder.chmod(0o711)
        super().__init__(folder, disk, JumpingClock(folder / "clock"), 1)
        self.cluster = cluster
        self.environment |= {**self._settings(), **settings}

    def _settings(self) -> dict[str, str]:
        reserve = psutil.virtual_memory().total // 2**20 - 100 - POD_MEMORY_MIB
        return {
            "HAI_SCHEDULER__SLICE_SECONDS": "15",  # some of them for the pod's start
            "HAI_KUBERNETES__KUBECONFIG": str(self.cluster.kubeconfig),
            "HAI_KUBERNETES__NAMESPACE": NAMESPACE,
            "HAI_KUBERNETES__IMAGE": IMAGE,
            "HAI_KUBERNETES__MOUNTS": json.dumps({"work": f"{self.work}:{self.work}"}),
            "HAI_KUBERNETES__RESERVE_MEMORY_MIB": str(reserve),
        }

    def up_options(self) -> list[str]:
        return [*super().up_options(), "--host", self.cluster.address, "--no-studio"]

    def prepare(self) -> None:
        """After the first start: nodes join by their label, and may be used."""
        self.cluster.insist("create", "namespace", NAMESPACE)
        for node in self.cluster.nodes:
            self.cluster.insist("label", "node", node, _LABEL)
        if not wait_for(lambda: len(self.nodes()) == self.cluster.size, RECOVERY_SECONDS):
            raise SystemExit("the cluster's nodes do not join the platform")
        rows = [{"user": "*", "resource": f"node-{GROUP}-{level}", "nodes": 9} for level in _LEVELS]
        with self.client() as admin:
            admin.put("/quotas", json={"quotas": rows}).raise_for_status()

    def nodes(self) -> list[str]:
        """Of the cluster; the machine's own share is of no interest."""
        with self.client() as client:
            rows = client.get("/nodes").raise_for_status().json()["nodes"]
        return [str(row["name"]) for row in rows if row["group"] == GROUP]

    def recovers(self) -> None:
        """The platform answers and the cluster is whole."""
        super().recovers()
        if not wait_for(self.cluster.are_ready, RECOVERY_SECONDS, 0.5):
            raise Violation(f"the cluster is not whole {RECOVERY_SECONDS:.0f} s after the fault")

    def agents(self) -> list[psutil.Process]:
        """Those that are seen from outside, in their containers."""
        found = []
        for process in self.cluster.processes():
            with suppress(psutil.Error):
                if "agent.pyz" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def programs(self) -> list[psutil.Process]:
        found = []
        for process in self.cluster.processes():
            with suppress(psutil.Error):
                if "HAI_TASK_ID" in process.environ():
                    found.append(process)
        return found

    def pods(self) -> dict[str, tuple[str, int]]:
        """Node and rank of those that are there, by name."""
        return {
            str(item["metadata"]["name"]): (
                str(item["spec"]["nodeName"]),
                int(item["metadata"]["labels"]["hai/rank"]),
            )
            for item in self.cluster.items("pods", NAMESPACE)
        }

    def objects(self) -> list[str]:
        """Of the platform in the cluster, with their kinds."""
        return [
            f"{kind} {item['metadata']['name']}"
            for kind in ("pod", "secret", "service")
            for item in self.cluster.items(kind, NAMESPACE)
        ]

    def leftovers(self) -> list[str]:
        return [*super().leftovers(), *self.objects()]


@contextmanager
def kubernetes_site(
    nodes: int, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[KubernetesSite]:
    """A running site on a cluster of its own; its folder is removed unless the body raises.
    `settings` are HAI_<SECTION>__<KEY> by name."""
    folder = Path(tempfile.mkdtemp(prefix="hai-chaos-", dir="/tmp"))
    folder.chmod(0o711)
    with own_cluster(nodes) as cluster:
        site = KubernetesSite(folder, cluster, settings)
        is_good = False
        try:
            site.run()
            site.prepare()
            yield site
            is_good = True
        finally:
            if not is_good:
                keep_what_the_cluster_says(site)
            site.kill()
    shutil.rmtree(folder, ignore_errors=True)


def keep_what_the_cluster_says(site: KubernetesSite) -> None:
    """For whoever looks into a violation, when the cluster is long gone."""
    for kind in ("nodes", "pods", "events"):
        _, said = site.cluster.kubectl("get", kind, "-n", NAMESPACE, "-o", "yaml")
        (site.folder / f"{kind}.yaml").write_text(said)
    shutil.copytree(site.cluster.kubeconfig.parent / "logs", site.folder / "cluster-logs")
