"""A whole platform beside a real cluster: hai-server outside of it, tasks as pods on its nodes."""

import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import yaml

from tests.kubernetes.testbed import Cluster
from tests.providers.container_platform import WITHIN_SECONDS, ContainerPlatform
from tests.waiting import wait_until


def address_towards(cluster: Cluster) -> str:
    """This machine's address on the way to the API server, which pods can reach too."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((server.hostname, server.port or 443))
        address: str = probe.getsockname()[0]
        return address


@dataclass
class PodPlatform(ContainerPlatform):
    """`directory` must be the same on this machine and on all nodes. Only nodes that carry its own
    label are its nodes."""

    stop_seconds: ClassVar[float] = 2 * WITHIN_SECONDS

    cluster: Cluster = field(kw_only=True)
    namespace: str = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.host = address_towards(self.cluster)
        self.prefix = f"t{secrets.token_hex(3)}"
        database = self.config.read_text().partition("[store]")[2]
        self.config.write_text(
            f'[server]\nport = {self.port}\ndata_dir = "{self.data_dir}"\nhost = "{self.host}"\n'
            f'url = "{self.url}"\n[store]{database}'
            f'[kubernetes]\nkubeconfig = "{self.cluster.kubeconfig}"\n'
            f'namespace = "{self.namespace}"\nimage = "{self.cluster.image}"\n'
            f'label_prefix = "{self.prefix}"\n'
            f'[kubernetes.mounts]\nwork = "{self.work_dir}:{self.work_dir}"\n'
        )

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    # its nodes

    def label(self, *nodes: str, group: str = "training") -> None:
        """Make them nodes of this platform, and wait until it knows them."""
        for node in nodes:
            text = f"{self.prefix}_mars_group={group}"
            self.cluster.kubectl("label", "--overwrite", "node", node, text)
        wait_until(lambda: set(nodes) <= self.nodes_now().keys(), WITHIN_SECONDS, what="its nodes")

    def unlabel(self, *nodes: str) -> None:
        for node in nodes:
            self.cluster.kubectl("label", "node", node, f"{self.prefix}_mars_group-")

    def all_nodes(self) -> list[str]:
        names = self.cluster.kubectl("get", "nodes", "-o", "name").split()
        return sorted(name.removeprefix("node/") for name in names)

    # its objects

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments)

    def left(self) -> list[str]:
        """Pods, Secrets and Services of ours that are left."""
        kinds = "pods,secrets,services"
        return self.kubectl(
            "get", kinds, "-l", "app.kubernetes.io/managed-by=hai", "-o", "name"
        ).split()

    def close(self) -> None:
        super().close()
        self.unlabel(*self.all_nodes())
        forced = ("--grace-period=0", "--force")
        self.kubectl("delete", "pods", "--all", *forced)


def start_platform(
    directory: Path, url: str, cluster: Cluster, namespace: str, **settings: str
) -> PodPlatform:
    """Started, with the users root and bob, and all nodes in the group "training"."""
    platform = PodPlatform(directory, url, cluster=cluster, namespace=namespace, settings=settings)
    platform.bootstrap()
    platform.start()
    platform.add_user("bob")
    platform.label(*platform.all_nodes())
    return platform
