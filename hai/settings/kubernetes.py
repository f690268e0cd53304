"""[kubernetes]: the cluster that tasks run on as pods, and what every pod there gets."""

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from hai.settings.containers import LABEL, ContainerSection


class KubernetesSection(ContainerSection):
    """In force when `kubeconfig` is given or `in_cluster` is true."""

    kubeconfig: Path | None = None
    context: str = ""  # of the kubeconfig; empty: its current one
    in_cluster: bool = False  # with the ServiceAccount of the server's own pod
    api_server: str = ""  # wins over the kubeconfig's server
    namespace: str = "hai-platform"  # of the tasks' pods
    agent_image: str = ""  # the platform's image, which brings the agent; empty: the server does
    as_user: bool = False  # pods run as the user from the start, without a root step (root_squash)
    reserve_cpus: float = Field(default=0.1, ge=0)  # of every node, for what comes later
    reserve_memory_mib: int = Field(default=256, ge=0)
    disk_mib: int = Field(default=0, ge=0)  # of its node's own disk for a pod; 0: half of the rest
    leaf_labels: tuple[str, ...] = ("hai/leaf", "network.topology.nvidia.com/leaf")  # first found
    zone_labels: tuple[str, ...] = (
        "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/zone",
    )
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    label_prefix: str = "hai"  # of the label <prefix>_mars_group, which puts a node into a group
    gpu_resource: str = "nvidia.com/gpu"
    rdma_resource: str = ""  # "rdma/hca": one of them for each pod

    @property
    def is_enabled(self) -> bool:
        return self.kubeconfig is not None or self.in_cluster

    @field_validator("namespace")
    @classmethod
    def _namespace(cls, value: str) -> str:
        if not LABEL.fullmatch(value):
            raise ValueError(f"{value!r} is no name of a namespace")
        return value

    @field_validator("api_server")
    @classmethod
    def _api_server(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError(f"{value!r} is no URL of a server: https://HOST:PORT")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("a URL of a server is https://HOST:PORT, without credentials")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.kubeconfig is not None and self.in_cluster:
            raise ValueError("kubeconfig and in_cluster are two ways in: leave one of them out")
        return self
