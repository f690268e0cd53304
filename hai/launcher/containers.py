"""What pods and containers share: image, account, mounts, variables, log place, the agent's order
and its last word. Pure but for the machine's own accounts."""

import json
import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hai.core.containers import RunAs
from hai.core.images import Image
from hai.core.mounts import Mount
from hai.core.task import WorkerKey
from hai.errors import HaiError, PlatformError, Unavailable
from hai.launcher.worker import (
    SCRIPTS,
    AgentOptions,
    LogFolders,
    agent_spec,
    env_mount,
    grace_of,
    log_folders,
    root_scripts,
)
from hai.ports import Observation, WorkerLaunch, WorkerPhase

_SLACK_SECONDS = 10.0  # for the agent to write the end of the log and its report
_LARGEST = 255  # exit status
_LONGEST = 1000  # characters of what an agent, or whoever took its place, says
# A registry that says so says so again; what else goes wrong may be over soon.
NO_IMAGE = (
    *("not found", "manifest unknown", "does not exist", "repository name not known"),
    *("pull access denied", "authorization failed", "unauthorized", "insufficient_scope"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """What every container gets: see [suspend] and [agent] of the settings, and the launcher's own
    section. `section` is its name, for people who have to change it."""

    section: str
    log_root: str
    log_gid: int  # of the platform, which reads the logs
    image: Image | None = None  # of tasks that name none
    agent: AgentOptions = field(default_factory=AgentOptions)
    variables: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    as_user: bool = False
    notice_seconds: float = 5.0
    term_seconds: float = 5.0
    grace_seconds: float = 60.0
    grace_cap_seconds: float = 600.0

    def leave_seconds(self, worker: WorkerLaunch) -> float:
        """From the word to leave to the end: notice, save, SIGTERM, report."""
        grace = grace_of(worker.spec, self.grace_seconds, self.grace_cap_seconds)
        return self.notice_seconds + grace + self.term_seconds + _SLACK_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Outfit:
    """One worker's container, as far as it is the same wherever it runs. `is_foreign`: the user
    named the image by its own reference, so nothing of it may run as root."""

    image: Image
    is_foreign: bool
    account: RunAs
    mounts: tuple[Mount, ...]
    variables: Mapping[str, str]
    logs: LogFolders
    leave_seconds: float

    @property
    def python(self) -> str:
        return self.image.python or "python3"


def outfit_of(worker: WorkerLaunch, options: ContainerOptions) -> Outfit:
    """PlatformError when it has no image, or its log folder is not below the platform's."""
    image = worker.image or options.image
    # what a user names by its own reference may bring any python3: nothing of it runs as root
    is_foreign = worker.image is not None and worker.image.name == worker.image.ref
    if image is None:
        raise PlatformError(
            "the task names no image and the platform has no default",
            hint=f"an admin sets [{options.section}] image, or adds a train_environment",
        )
    account = account_of(worker, as_user=options.as_user or is_foreign)
    mounts = (*options.mounts, *worker.mounts, *env_mount(options.agent, account.uid))
    return Outfit(
        image=image,
        is_foreign=is_foreign,
        account=account,
        mounts=mounts,
        variables={**options.variables, **image.variables},
        logs=log_folders(options.log_root, worker.log_dir, mounts),
        leave_seconds=options.leave_seconds(worker),
    )


def account_of(worker: WorkerLaunch, *, as_user: bool) -> RunAs:
    """A user without a uid is the server's own account, as on one machine. Groups that the platform
    does not name are those of this machine's account of that number, if it has one."""
    uid = os.getuid() if worker.uid is None else worker.uid
    gid, groups = worker.gid, worker.groups
    if gid is None:
        gid, groups = _groups_here(uid)
    return RunAs(uid=uid, gid=gid, groups=tuple(groups), as_user=as_user)


def _groups_here(uid: int) -> tuple[int, tuple[int, ...]]:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return uid, ()
    everything = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return entry.pw_gid, tuple(sorted(set(everything) - {entry.pw_gid}))


def container_spec(
    worker: WorkerLaunch,
    options: ContainerOptions,
    outfit: Outfit,
    *,
    worker_dir: str,
    **more: Any,
) -> dict[str, Any]:
    """The order of an agent in a container; `more` is the launcher's own. A container numbers the
    GPUs that it was given from 0 on."""
    account = outfit.account
    return agent_spec(
        worker,
        options.agent,
        worker_dir=worker_dir,
        python=outfit.python,
        **{
            "uid": account.uid,
            "gid": account.gid,
            "groups": list(account.groups),
            "capabilities": sorted(worker.capabilities),
            "address": "",
            "gpu_indices": list(range(worker.asks.gpus if worker.asks else worker.node.gpus)),
            "in_container": True,
            "leave_seconds": outfit.leave_seconds,
            "post_system_init": SCRIPTS,
            "root_scripts": root_scripts(outfit.mounts),
            **more,
        },
    )


@contextmanager
def launch_errors(
    key: WorkerKey, waits: dict[WorkerKey, str], passing: tuple[type[HaiError], ...]
) -> Iterator[None]:
    """Around a launch: Unavailable for what is `passing`, and `waits` says why until a launch goes
    well; PlatformError for every other HaiError."""
    try:
        yield
    except passing as error:
        waits[key] = error.message
        raise Unavailable(error.message, hint=error.hint) from error
    except PlatformError:
        raise
    except HaiError as error:
        raise PlatformError(error.message, hint=error.hint) from error
    waits.pop(key, None)


def reported(key: WorkerKey, raw: bytes | str | None) -> Observation | None:
    """The agent's last word, if it left one. The program may have written anything there, where the
    whole container is its user's."""
    try:
        data = json.loads(raw or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or type(data.get("exit_code")) is not int:
        return None
    if not 0 <= data["exit_code"] <= _LARGEST:
        return None
    words = bool(data.get("acked")), bool(data.get("saved"))
    detail = str(data.get("detail") or "")[:_LONGEST]
    if data.get("lost"):
        return Observation(key, WorkerPhase.LOST, detail=detail)
    return Observation(key, WorkerPhase.EXITED, data["exit_code"], detail, *words)
