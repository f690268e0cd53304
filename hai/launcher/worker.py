"""What launchers share about one worker: the order to its agent, its account, its log place. Pure.

The order, spec.json, is read by hai.agent.spec.
"""

from collections.abc import Iterable, Mapping
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
    post_system_init: str = ""  # a folder of scripts that run before each program
    address: str = "127.0.0.1"  # where the ranks reach each other; empty: the agent finds out
    # without contact with the server, before the program is paused; 0: it never is
    fence_seconds: float = 0.0
    env_dir: str = ""  # of a node's own disk, for unpacked environments; "": none
    env_bytes: int = 0  # that those of one account may take there
    server_is_alone: bool = False  # nobody else may answer at its address, or decide anything


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


def env_mount(options: AgentOptions, uid: int) -> tuple[Mount, ...]:
    """The folder of that account's unpacked environments, at the same path in a container. Nobody
    else's is in sight there."""
    if not options.env_dir:
        return ()
    own = str(PurePosixPath(options.env_dir, str(uid)))
    kind = HostPathType.DIRECTORY_OR_CREATE
    return (Mount("hai-envs", MountKind.HOST_PATH, own, own, host_path_type=kind),)


SCRIPTS = "/usr/local/sbin/hf-scripts/post_system_init"  # in containers


def root_scripts(mounts: Iterable[Mount]) -> list[str]:
    """Places below SCRIPTS whose scripts an admin answers for: those of rows that are not the
    user's own. What a row of the user's own mounts further inside is not among them."""
    there = [
        mount
        for mount in mounts
        if PurePosixPath(mount.mount_path).is_relative_to(SCRIPTS)
        or PurePosixPath(SCRIPTS).is_relative_to(mount.mount_path)
    ]
    personal = [mount.mount_path for mount in there if mount.personal]
    return [
        mount.mount_path
        for mount in there
        if not mount.personal and not any(_is_below(own, mount.mount_path) for own in personal)
    ]


def _is_below(inner: str, outer: str) -> bool:
    return PurePosixPath(inner).is_relative_to(outer)


@dataclass(frozen=True, slots=True)
class LogFolders:
    """Where a container's logs lie: `volume` holds all of them under `volume.mount_path`, and this
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
