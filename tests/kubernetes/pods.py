"""Workers as real pods, under a server's side that the test controls."""

import asyncio
import os
import socket
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from hai.core.images import Image
from hai.core.mounts import Mount, MountKind
from hai.core.node import Node
from hai.core.task import WorkerKey
from hai.core.types import GroupName, NodeName
from hai.kubernetes.client import KubernetesClient
from hai.launcher.kubernetes.agents import AgentStore
from hai.launcher.kubernetes.cluster import KubernetesCluster as View
from hai.launcher.kubernetes.cluster import KubernetesLocation
from hai.launcher.kubernetes.launcher import KubernetesLauncher
from hai.launcher.kubernetes.orders import PodOptions
from hai.launcher.kubernetes.shares import EqualShares
from hai.launcher.worker import AgentOptions
from tests.integration.agent_peer import Peer
from tests.kubernetes.testbed import Cluster
from tests.workers import Workers

SMALL = {"cpu": 0.2, "memory": 128 * 2**20}


def address_towards(host: str) -> str:
    """This machine's address on the way to the API server, which pods can reach too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        address: str = probe.getsockname()[0]
        return address


async def api_host(cluster: Cluster) -> str:
    async with await KubernetesClient.open(cluster.kubeconfig) as client:
        return str(urlsplit(client.host).hostname)


class Pods(Workers):
    """A launcher in a namespace of the test's own, and the folder that it shares with the nodes."""

    def __init__(self, cluster: Cluster, namespace: str, **options: Any) -> None:
        super().__init__()
        self.cluster = cluster
        self.namespace = namespace
        self._options = options
        self._open: list[KubernetesLauncher] = []
        self.heard: set[WorkerKey] = set()

    async def __aenter__(self) -> Self:
        self.make_folders()
        self.peer = Peer(address_towards(await api_host(self.cluster)))
        self.server_url = self.peer.url
        self.launcher = await self.successor()
        return self

    async def __aexit__(self, *error: object) -> None:
        for launcher in self._open:
            await launcher.close()
        self.peer.stop()
        forced = ("--grace-period=0", "--force", "-n", self.namespace)
        await asyncio.to_thread(self.cluster.kubectl, "delete", "pods", "--all", *forced)
        self.remove_folders()

    def options(self) -> PodOptions:
        work = str(self.work_dir)
        values: dict[str, Any] = {
            "namespace": self.namespace,
            "log_root": str(self.folder / "logs"),
            "log_gid": os.getgid(),
            "image": Image("default", self.cluster.image),
            "agent": AgentOptions(),
            "mounts": (Mount("work", MountKind.HOST_PATH, work, work),),
            "lost_after_seconds": 10.0,
            **self._options,
        }
        return PodOptions(**values)

    async def successor(self, kubeconfig: Path | None = None) -> KubernetesLauncher:
        """By another way to the cluster, if one is given."""
        view = View(KubernetesLocation(kubeconfig or self.cluster.kubeconfig, None, self.namespace))
        agents = AgentStore(view, self.folder / "data", "")
        shares = EqualShares(SMALL)
        launcher = KubernetesLauncher(view, agents, self.options(), self._heard, shares=shares)
        self._open.append(launcher)
        await launcher.open()
        return launcher

    async def _heard(self, keys: Sequence[WorkerKey]) -> Collection[WorkerKey]:
        return self.heard.intersection(keys)

    def nodes(self) -> list[str]:
        return self.cluster.kubectl("get", "nodes", "-o", "name").replace("node/", "").split()

    def node_of(self, key: WorkerKey) -> Node:
        nodes = self.nodes()
        name = NodeName(nodes[key.rank % len(nodes)])
        return Node(name, GroupName("training"), "kubernetes")
