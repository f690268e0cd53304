"""The parts of a server that talk to a Kubernetes cluster, from the settings."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from hai.core.images import Image
from hai.core.logdirs import common_dir
from hai.core.server_role import ServerRole
from hai.core.task import WorkerKey
from hai.launcher.kubernetes.agents import AgentStore
from hai.launcher.kubernetes.cluster import KubernetesCluster, KubernetesLocation
from hai.launcher.kubernetes.launcher import KubernetesLauncher
from hai.launcher.kubernetes.nodes import KubernetesNodes, NodeLabels
from hai.launcher.kubernetes.orders import PodOptions
from hai.launcher.kubernetes.shares import Shares
from hai.launcher.worker import AgentOptions
from hai.ports import Bus, Clock
from hai.server.section import mounts_of
from hai.service.signals import worker_key
from hai.settings import Settings


@dataclass(frozen=True, slots=True)
class KubernetesParts:
    launcher: KubernetesLauncher
    nodes: KubernetesNodes


def kubernetes_parts(
    settings: Settings, bus: Bus, clock: Clock, agent: AgentOptions
) -> KubernetesParts:
    """Nothing is opened; the settings name a cluster."""
    section = settings.kubernetes
    place = KubernetesLocation(
        section.kubeconfig,
        section.context or None,
        section.namespace,
        in_cluster=section.in_cluster,
        api_server=section.api_server,
    )
    cluster = KubernetesCluster(place)
    agents = AgentStore(cluster, settings.data_dir, section.agent_image)

    async def heard(keys: Sequence[WorkerKey]) -> Collection[WorkerKey]:
        since = bus.connected_since  # agents may speak to other processes
        if since is None or clock.steady() - since < settings.agent.lost_after_seconds:
            return keys
        live = await bus.get_live([worker_key(key) for key in keys])
        return [key for key in keys if worker_key(key) in live]

    agent = replace(
        agent,
        fence_seconds=settings.agent.fence_seconds,
        server_is_alone=is_alone(settings),
    )
    options = _options(settings, agent)
    shares = Shares(cluster, options)
    launcher = KubernetesLauncher(cluster, agents, options, heard, shares=shares)
    labels = NodeLabels(
        group=f"{section.label_prefix}_mars_group",
        zone=section.zone_labels,
        leaf=section.leaf_labels,
        gpu_resource=section.gpu_resource,
    )
    shares_nodes = settings.policy().shares_nodes
    nodes = KubernetesNodes(cluster, labels, shares.spare_of, shares_nodes)
    return KubernetesParts(launcher, nodes)


def is_alone(settings: Settings) -> bool:
    """Whether nobody answers at the agents' address but this machine's one server, which also
    leads: then a connection that is refused there says that no server runs."""
    server, bus = settings.server, settings.bus.url.get_secret_value()
    told = urlsplit(settings.server_url)
    is_own = (told.hostname, told.port) == (server.host, server.port)
    return server.role is ServerRole.ALL and not bus and is_own and not _is_anybodys(server.host)


def _is_anybodys(host: str) -> bool:
    """An address that means the machine of whoever uses it."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified


def _options(settings: Settings, agent: AgentOptions) -> PodOptions:
    section = settings.kubernetes
    return PodOptions(
        namespace=section.namespace,
        log_root=str(common_dir(settings.log_dir)),
        log_gid=os.getgid(),
        image=Image("default", section.image) if section.image else None,
        agent=agent,
        pull_policy=section.pull_policy,
        pull_secrets=section.pull_secrets,
        gpu_resource=section.gpu_resource,
        rdma_resource=section.rdma_resource,
        variables=section.variables,
        mounts=mounts_of(section),
        reserve_cpus=section.reserve_cpus,
        reserve_memory_bytes=section.reserve_memory_mib * 2**20,
        disk_bytes=section.disk_mib * 2**20,
        as_user=section.as_user,
        notice_seconds=settings.suspend.notice_seconds,
        term_seconds=settings.suspend.term_seconds,
        grace_seconds=settings.suspend.grace_seconds,
        grace_cap_seconds=settings.suspend.grace_cap_seconds,
        lost_after_seconds=settings.agent.lost_after_seconds,
    )
