"""From a launch to the pod's order and the agent's. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hai.core.images import Image
from hai.errors import PlatformError
from hai.kubernetes.manifests import (
    AGENT_DIR,
    END_FILE,
    LOG_ROOT,
    WORKER_DIR,
    AgentSource,
    LogPlace,
    PodOrder,
    Preparation,
)
from hai.launcher.containers import ContainerOptions, Outfit, container_spec
from hai.launcher.kubernetes.names import attempt_name, worker_labels, worker_name
from hai.ports import WorkerLaunch


@dataclass(frozen=True, slots=True, kw_only=True)
class PodOptions(ContainerOptions):
    """What every pod gets beyond a container's: see [kubernetes] of the settings."""

    section: str = "kubernetes"
    namespace: str
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    gpu_resource: str = "nvidia.com/gpu"
    rdma_resource: str = ""
    reserve_cpus: float = 0.0
    reserve_memory_bytes: float = 0.0
    disk_bytes: float = 0.0  # of the node's own disk for a pod; 0: half of what others leave
    lost_after_seconds: float = 45.0


def order_of(
    worker: WorkerLaunch,
    options: PodOptions,
    outfit: Outfit,
    agent: AgentSource,
    resources: Mapping[str, float],
) -> PodOrder:
    """The pod of this worker. PlatformError when no image can make its log folder."""
    logs = outfit.logs
    return PodOrder(
        name=worker_name(worker.key),
        service=attempt_name(worker.key),
        namespace=options.namespace,
        labels=worker_labels(
            worker.key, user=worker.user, name=worker.task_name, group=worker.group
        ),
        node=worker.node.name,
        image=outfit.image.ref,
        python=outfit.python,
        agent=agent,
        account=outfit.account,
        preparation=_preparation(options, agent, None if outfit.is_foreign else outfit.image),
        logs=LogPlace(volume=logs.volume, sub_path=logs.sub_path, path=worker.log_dir),
        resources=resources,
        leave_seconds=outfit.leave_seconds,
        pull_policy=options.pull_policy,
        pull_secrets=options.pull_secrets,
        variables=outfit.variables,
        mounts=outfit.mounts,
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


def spec_of(
    worker: WorkerLaunch, options: PodOptions, outfit: Outfit, order: PodOrder
) -> dict[str, Any]:
    """The agent's order, with what the root step has to prepare."""
    copies = bool(order.agent.image) and not order.agent.is_volume
    as_root = order.preparation is not None and order.preparation.as_root
    prepare = {
        "agent_dir": AGENT_DIR if copies else "",
        "worker_dir": "" if order.account.as_user else WORKER_DIR,
        "worker_dir_mode": 0o711,
        "log_root": LOG_ROOT if as_root else "",
        "log_folders": list(outfit.logs.folders),
        "uid": order.account.uid,
        "log_gid": options.log_gid,
    }
    return container_spec(
        worker, options, outfit, worker_dir=WORKER_DIR, end_file=END_FILE, prepare=prepare
    )
