"""From a launch to the pod's order and the agent's: mounts, variables, account, log place. Pure but
for the machine's own accounts."""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hai.core.images import Image
from hai.core.mounts import Mount
from hai.errors import PlatformError
from hai.kubernetes.manifests import (
    AGENT_DIR,
    END_FILE,
    LOG_ROOT,
    WORKER_DIR,
    Account,
    AgentSource,
    LogPlace,
    PodOrder,
    Preparation,
)
from hai.launcher.kubernetes.names import attempt_name, worker_labels, worker_name
from hai.launcher.worker import (
    SCRIPTS,
    AgentOptions,
    agent_spec,
    grace_of,
    log_folders,
    root_scripts,
)
from hai.ports import WorkerLaunch

_SLACK_SECONDS = 10.0  # for the agent to write the end of the log and its report


@dataclass(frozen=True, slots=True, kw_only=True)
class PodOptions:
    """What every pod gets: see [kubernetes], [suspend] and [agent] of the settings."""

    namespace: str
    log_root: str
    log_gid: int  # of the platform, which reads the logs
    image: Image | None = None  # of tasks that name none
    agent: AgentOptions = field(default_factory=AgentOptions)
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    gpu_resource: str = "nvidia.com/gpu"
    rdma_resource: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    reserve_cpus: float = 0.0
    reserve_memory_bytes: float = 0.0
    disk_bytes: float = 0.0  # of the node's own disk for a pod; 0: half of what others leave
    as_user: bool = False
    notice_seconds: float = 5.0
    term_seconds: float = 5.0
    grace_seconds: float = 60.0
    grace_cap_seconds: float = 600.0
    lost_after_seconds: float = 45.0

    def leave_seconds(self, worker: WorkerLaunch) -> float:
        """From the cluster's word to the end: notice, save, SIGTERM, report."""
        grace = grace_of(worker.spec, self.grace_seconds, self.grace_cap_seconds)
        return self.notice_seconds + grace + self.term_seconds + _SLACK_SECONDS


def order_of(
    worker: WorkerLaunch,
    options: PodOptions,
    agent: AgentSource,
    resources: Mapping[str, float],
) -> PodOrder:
    """The pod of this worker. PlatformError when it has no image."""
    image = worker.image or options.image
    # what a user names by its own reference may bring any python3: nothing of it runs as root
    is_foreign = worker.image is not None and worker.image.name == worker.image.ref
    if image is None:
        raise PlatformError(
            "the task names no image and the platform has no default",
            hint="an admin sets [kubernetes] image, or adds a train_environment",
        )
    mounts = (*options.mounts, *worker.mounts)
    logs = log_folders(options.log_root, worker.log_dir, mounts)
    return PodOrder(
        name=worker_name(worker.key),
        service=attempt_name(worker.key),
        namespace=options.namespace,
        labels=worker_labels(
            worker.key, user=worker.user, name=worker.task_name, group=worker.group
        ),
        node=worker.node.name,
        image=image.ref,
        python=image.python or "python3",
        agent=agent,
        account=account_of(worker, as_user=options.as_user or is_foreign),
        preparation=_preparation(options, agent, None if is_foreign else image),
        logs=LogPlace(volume=logs.volume, sub_path=logs.sub_path, path=worker.log_dir),
        resources=resources,
        leave_seconds=options.leave_seconds(worker),
        pull_policy=options.pull_policy,
        pull_secrets=options.pull_secrets,
        variables={**options.variables, **image.variables},
        mounts=mounts,
        capabilities=worker.capabilities,
        privileges=worker.privileges,
    )


def _preparation(
    options: PodOptions, agent: AgentSource, image: Image | None
) -> Preparation | None:
    """`image` is the task's own if it is trusted. PlatformError when none is."""
    copies = bool(agent.image) and not agent.is_volume
    if options.as_user and not copies:
        return None
    if agent.image:
        return Preparation(image=agent.image, python="python3", as_root=not options.as_user)
    trusted = image or options.image
    if trusted is None:
        raise PlatformError(
            "the log folder of a task with an image of its own cannot be made",
            hint="an admin sets [kubernetes] agent_image or image",
        )
    return Preparation(image=trusted.ref, python=trusted.python or "python3", as_root=True)


def account_of(worker: WorkerLaunch, *, as_user: bool) -> Account:
    """A user without a uid is the server's own account, as on one machine. Groups that the platform
    does not name are those of this machine's account of that number, if it has one."""
    uid = os.getuid() if worker.uid is None else worker.uid
    gid, groups = worker.gid, worker.groups
    if gid is None:
        gid, groups = _groups_here(uid)
    return Account(uid=uid, gid=gid, groups=tuple(groups), as_user=as_user)


def _groups_here(uid: int) -> tuple[int, tuple[int, ...]]:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return uid, ()
    everything = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return entry.pw_gid, tuple(sorted(set(everything) - {entry.pw_gid}))


def spec_of(worker: WorkerLaunch, options: PodOptions, order: PodOrder) -> dict[str, Any]:
    """The agent's order, with what the root step has to prepare."""
    account = order.account
    folders = log_folders(options.log_root, worker.log_dir, order.mounts).folders
    copies = bool(order.agent.image) and not order.agent.is_volume
    as_root = order.preparation is not None and order.preparation.as_root
    prepare = {
        "agent_dir": AGENT_DIR if copies else "",
        "worker_dir": "" if account.as_user else WORKER_DIR,
        "worker_dir_mode": 0o711,
        "log_root": LOG_ROOT if as_root else "",
        "log_folders": list(folders),
        "uid": account.uid,
        "log_gid": options.log_gid,
    }
    return agent_spec(
        worker,
        options.agent,
        worker_dir=WORKER_DIR,
        python=order.python,
        uid=account.uid,
        gid=account.gid,
        groups=list(account.groups),
        capabilities=sorted(order.capabilities),
        address="",
        gpu_indices=list(range(worker.node.gpus)),
        in_container=True,
        end_file=END_FILE,
        post_system_init=SCRIPTS,
        root_scripts=root_scripts(order.mounts),
        leave_seconds=order.leave_seconds,
        prepare=prepare,
    )
