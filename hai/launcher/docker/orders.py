"""From a launch to the container's order and the agent's; and the attempt's log folder."""

import json
import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hai.core.containers import GATEWAY
from hai.docker.render import WORKER_DIR, ContainerOrder, host_path
from hai.errors import PlatformError, Unavailable
from hai.launcher.containers import ContainerOptions, Outfit, container_spec
from hai.launcher.docker.names import worker_labels, worker_name
from hai.launcher.docker.networks import ContainerNetwork
from hai.ports import WorkerLaunch

_LEAST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerOptions(ContainerOptions):
    """What every container of the engine gets: see [docker] of the settings. `server_url` is where
    its agent finds the server; {gateway} stands for this machine as seen from its network."""

    section: str = "docker"
    server_url: str
    pids: int = 16384
    log_bytes: int = 2**20


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker gets of this machine: cores, bytes, and the numbers of its GPUs."""

    cpus: float
    memory_bytes: int
    gpus: tuple[int, ...] = ()


def part_of(worker: WorkerLaunch, share: Share) -> Share:
    """What a worker gets of its node's share: all of it, or the part that it asked for."""
    asks = worker.asks
    if asks is None:
        return share
    gpus = tuple(share.gpus[index] for index in worker.gpu_indices if index < len(share.gpus))
    if len(gpus) < asks.gpus:
        raise Unavailable(f"{worker.node.name} has {len(share.gpus)} GPUs now, fewer than it had")
    return Share(asks.cpus, asks.memory_bytes, gpus)


def order_of(
    worker: WorkerLaunch,
    options: DockerOptions,
    outfit: Outfit,
    *,
    platform: str,
    network: str,
    share: Share,
    agent: str,
) -> ContainerOrder:
    if share.memory_bytes < _LEAST_BYTES:
        raise PlatformError(
            f"{share.memory_bytes / 2**20:.0f} MiB of {worker.node.name} are too little for a task",
            hint="ask for more, or an admin sets fewer [docker] nodes",
        )
    logs = outfit.logs
    told = {"user": worker.user, "name": worker.task_name, "node": worker.node.name}
    return ContainerOrder(
        name=worker_name(platform, worker.key),
        labels=worker_labels(platform, worker.key, **told),
        image=outfit.image.ref,
        python=outfit.python,
        agent=agent,
        account=outfit.account,
        log_dir=worker.log_dir,
        log_source=str(PurePosixPath(host_path(logs.volume), *logs.folders)),
        network=network,
        cpus=share.cpus,
        memory_bytes=share.memory_bytes,
        pids=options.pids,
        log_bytes=options.log_bytes,
        leave_seconds=outfit.leave_seconds,
        gpus=share.gpus,
        variables=outfit.variables,
        mounts=outfit.mounts,
        capabilities=worker.capabilities,
        privileges=worker.privileges,
    )


def spec_of(
    worker: WorkerLaunch,
    options: DockerOptions,
    outfit: Outfit,
    place: ContainerNetwork,
    share: Share,
) -> bytes:
    """The agent's order, as the file that it reads."""
    spec = container_spec(
        worker,
        options,
        outfit,
        worker_dir=WORKER_DIR,
        server_url=options.server_url.replace(GATEWAY, place.gateway),
        gpu_indices=list(range(len(share.gpus))),
    )
    return json.dumps(spec).encode()


def make_log_folder(worker: WorkerLaunch, options: DockerOptions, outfit: Outfit) -> None:
    """The attempt's own folder, which the container sees alone. As root it becomes its user's, with
    the platform's group; any other server keeps it, shut off by the folder above it.

    Unavailable when the disk refuses, or something else than a folder is there.
    """
    root, names = Path(options.log_root), outfit.logs.folders
    with ExitStack() as held:
        try:
            root.mkdir(parents=True, exist_ok=True)
            folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
            held.callback(os.close, folder)
            for name in names:
                folder = _step(folder, name)
                held.callback(os.close, folder)
            if os.geteuid() == 0:
                os.fchown(folder, outfit.account.uid, options.log_gid)
            os.fchmod(folder, 0o2750 if os.geteuid() == 0 else 0o2777)
        except OSError as error:
            raise Unavailable(
                f"the log folder {worker.log_dir} cannot be made: {error.strerror or error}",
                hint="check its free space and its permissions",
            ) from error


def _step(parent: int, name: str) -> int:
    """Into the folder of that name, made if it is not there; no link is followed."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o755 if os.geteuid() == 0 else 0o750, dir_fd=parent)
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
