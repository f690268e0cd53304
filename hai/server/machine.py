"""The parts of a server that talk to this machine's Docker engine, from the settings."""

import os
from dataclasses import dataclass

from hai.core.images import Image
from hai.core.logdirs import common_dir
from hai.launcher.docker.engine import DockerEngine
from hai.launcher.docker.gpus import count_gpus
from hai.launcher.docker.launcher import DockerLauncher
from hai.launcher.docker.nodes import DockerNodes, ShareOptions
from hai.launcher.docker.orders import DockerOptions
from hai.launcher.docker.records import Records
from hai.launcher.worker import AgentOptions
from hai.server.section import mounts_of
from hai.settings import Settings


@dataclass(frozen=True, slots=True)
class DockerParts:
    launcher: DockerLauncher
    nodes: DockerNodes


def docker_parts(settings: Settings, agent: AgentOptions) -> DockerParts:
    """Nothing is opened; the settings name an engine."""
    section = settings.docker
    engine = DockerEngine(section.socket_path, Records(settings.data_dir / "docker"))
    shares = ShareOptions(
        nodes=section.nodes,
        prefix=section.node_prefix,
        group=section.group,
        node_gpus=section.node_gpus,
        shared_nodes=section.shared_nodes,
        shared_group=section.shared_group,
        reserve_cpus=section.reserve_cpus,
        reserve_memory_bytes=section.reserve_memory_mib * 2**20,
    )
    nodes = DockerNodes(engine, shares, count_gpus)
    launcher = DockerLauncher(
        engine,
        nodes,
        _options(settings, agent),
        network=section.network,
        pull=section.pull,
        data_dir=settings.data_dir,
    )
    return DockerParts(launcher, nodes)


def _options(settings: Settings, agent: AgentOptions) -> DockerOptions:
    section = settings.docker
    return DockerOptions(
        log_root=str(common_dir(settings.log_dir)),
        log_gid=os.getgid(),
        image=Image("default", section.image) if section.image else None,
        agent=agent,
        server_url=settings.container_url,
        variables=section.variables,
        mounts=mounts_of(section),
        pids=section.pids,
        notice_seconds=settings.suspend.notice_seconds,
        term_seconds=settings.suspend.term_seconds,
        grace_seconds=settings.suspend.grace_seconds,
        grace_cap_seconds=settings.suspend.grace_cap_seconds,
    )
