"""Launchers: what starts and ends workers on one kind of node."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hai.core.images import Image
from hai.core.mounts import Mount
from hai.core.node import Node
from hai.core.resources import Resources
from hai.core.task import WorkerKey
from hai.core.types import NodeName, Priority, UserName


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLaunch:
    """All that a launcher needs to start one worker. `token` lets its agent talk to the server.

    From `gid` on: what only launchers with containers can give; the others ignore it.
    """

    key: WorkerKey
    node: Node
    user: UserName
    uid: int | None
    task_name: str
    chain_id: str
    group: str
    priority: Priority
    world_size: int
    spec: Mapping[str, object]
    whole_life_state: int
    log_dir: str  # of this attempt, on the shared file system
    server_url: str
    token: str
    nodes: tuple[NodeName, ...] = ()  # of the whole gang, by rank
    gid: int | None = None  # the user's first group; None: the same number as `uid`
    groups: tuple[int, ...] = ()  # the user's further Unix groups, ascending
    image: Image | None = None  # None: the task names none and the platform has none
    mounts: tuple[Mount, ...] = ()  # in order: a later one may lie within an earlier one
    capabilities: frozenset[str] = frozenset()  # by quota (cap:IPC_LOCK), without CAP_
    privileges: frozenset[str] = frozenset()  # by quota: of privileged, host_ipc, host_network, ...
    # its part of a node that others share (None: all of it), and what its GPUs' numbers are there
    asks: Resources | None = None
    gpu_indices: tuple[int, ...] = ()


class WorkerPhase(StrEnum):
    """What a launcher sees of a worker from outside."""

    PENDING = "pending"  # on its way, and something keeps it waiting: `detail` says what
    ALIVE = "alive"
    UNKNOWN = "unknown"  # it may run or not; `detail` says why. Never taken for lost
    EXITED = "exited"  # it left a report: exit_code is set
    LOST = "lost"  # it is gone without a report
    NODE_LOST = "node_lost"  # so is the machine (or it was restarted)


@dataclass(frozen=True, slots=True)
class Observation:
    """`exit_code`, `acked` and `saved` are the words of the report that it left, and so is
    `detail`, unless the phase says otherwise."""

    key: WorkerKey
    phase: WorkerPhase
    exit_code: int | None = None
    detail: str = ""
    acked: bool = False
    saved: bool = False


class Launcher(Protocol):
    """Starts and ends workers on nodes. Everything is idempotent under the worker's key."""

    name: str  # matches Node.launcher
    takes_images: bool  # whether it starts a worker in the image that its task names
    runs_programs: bool  # False: it only pretends to

    async def open(self) -> None: ...

    async def close(self) -> None:
        """Let go without touching any worker: they outlive the server."""

    async def launch(self, worker: WorkerLaunch) -> None:
        """Returns when the worker is on its way. A second call for a live, ended or killed key
        does nothing. Unavailable: try again later. PlatformError: it can never start."""

    async def kill(self, key: WorkerKey) -> None:
        """SIGKILL the worker, its agent and all that they left behind; a later launch of the same
        key does nothing. Afterwards the worker is not observed as alive."""

    async def observe(self) -> list[Observation]:
        """Every worker known here that was not forgotten. Unavailable, or no answer at all, when
        nothing can be said now: then all of its workers are unknown."""

    async def forget(self, key: WorkerKey) -> None:
        """Its attempt is over and recorded: remove what was kept for it (not its logs)."""
