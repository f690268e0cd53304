"""What launchers share about one worker: the order to its agent, its account, its log place. Pure.

The order, spec.json, is read by hai.agent.spec.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from hai.core.mounts import HostPathType, Mount, MountKind
from hai.errors import PlatformError
from hai.ports import WorkerLaunch


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What every agent is told: see [agent] and [logs] of the settings."""

    watchdog_seconds: float = 1800.0
    segment_bytes: int = 16 * 2**20
    segments: int = 8
    processes: int = 0  # of one account on a node; 0: half of what the node can have
    log_attempt_bytes: int = 0  # of all ranks together; 0: what their segments have
    log_reserve_bytes: int = 0  # that logs leave free on their disk
    address: str = "127.0.0.1"  # where the ranks reach each other; empty: the agent finds out


def agent_spec(
    worker: WorkerLaunch, options: AgentOptions, *, worker_dir: str, python: str, **more: Any
) -> dict[str, Any]:
    """The document that the agent of this worker is given; `more` is the launcher's own."""
    return {
        "key": str(worker.key),
        "node": asdict(worker.node),
        "user": worker.user,
        "uid": worker.uid,
        "task_name": worker.task_name,
        "chain_id": worker.chain_id,
        "group": worker.group,
        "priority": worker.priority.name,
        "world_size": worker.world_size,
        "spec": dict(worker.spec),
        "whole_life_state": worker.whole_life_state,
        "log_dir": worker.log_dir,
        "server_url": worker.server_url,
        "token": worker.token,
        "nodes": list(worker.nodes),
        "worker_dir": worker_dir,
        "python": python,
        **asdict(options),
        **more,
    }


@dataclass(frozen=True, slots=True)
class LogFolders:
    """Where a containers' logs lie: `volume` holds all of them under `volume.mount_path`, and this
    attempt's folder is `folders` below."""

    volume: Mount
    folders: tuple[str, ...]

    @property
    def sub_path(self) -> str:
        return str(PurePosixPath(self.volume.sub_path, *self.folders))


def log_folders(log_root: str, log_dir: str, mounts: tuple[Mount, ...]) -> LogFolders:
    """The volume for the logs: the worker's own mount that holds the log folder, or the node's
    folder of that path. PlatformError if `log_dir` is not below `log_root`."""
    root = PurePosixPath(log_root)
    try:
        folders = PurePosixPath(log_dir).relative_to(root).parts
    except ValueError:
        raise PlatformError(f"{log_dir} is not below the log folder {log_root}") from None
    inner = [mount for mount in mounts if _holds(mount, root)]
    best = max(inner, key=lambda mount: len(PurePosixPath(mount.mount_path).parts), default=None)
    if best is None:
        kind = HostPathType.DIRECTORY_OR_CREATE
        volume = Mount("hai-logs", MountKind.HOST_PATH, log_root, log_root, host_path_type=kind)
        return LogFolders(volume, folders)
    below = root.relative_to(best.mount_path).parts
    sub_path = str(PurePosixPath(best.sub_path, *below)) if best.sub_path or below else ""
    volume = Mount(
        "hai-logs",
        best.kind,
        best.source,
        log_root,
        host_path_type=best.host_path_type,
        sub_path=sub_path,
    )
    return LogFolders(volume, folders)


def _holds(mount: Mount, root: PurePosixPath) -> bool:
    is_store = mount.kind in (MountKind.HOST_PATH, MountKind.PVC) and not mount.read_only
    return is_store and root.is_relative_to(mount.mount_path)


def grace_of(spec: Mapping[str, object], default_seconds: float, cap_seconds: float) -> float:
    """Seconds that a task may take to save, once it has acknowledged the notice."""
    options = spec.get("options")
    asked = options.get("grace_seconds") if isinstance(options, Mapping) else None
    seconds = float(asked) if isinstance(asked, int | float) else default_seconds
    return min(seconds, cap_seconds)
