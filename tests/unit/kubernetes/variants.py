"""Every object that is rendered, in every way that settings, rows and quotas can ask for."""

from dataclasses import replace
from typing import Any

from hai.core.containers import RunAs
from hai.core.mounts import HostPathType, Mount, MountKind
from hai.kubernetes.manifests import (
    AgentSource,
    LogPlace,
    PodOrder,
    Preparation,
    agent_config_map,
    pod,
    secret,
    service,
)

_LOGS = Mount("hai-logs", MountKind.HOST_PATH, "/logs", "/logs")
CONFIG_MAP = PodOrder(
    name="hai-7-1-0",
    service="hai-7-1",
    namespace="default",
    labels={"app.kubernetes.io/managed-by": "hai", "hai/task": "7"},
    node="node1",
    image="train:1",
    python="python3",
    agent=AgentSource(config_map="hai-agent-1"),
    account=RunAs(uid=1000, gid=100, groups=(27, 44)),
    preparation=Preparation(image="train:1", python="python3", as_root=True),
    logs=LogPlace(volume=_LOGS, sub_path="7/1", path="/logs/7/1"),
    resources={"cpu": 1.5, "memory": 2**30},
    leave_seconds=79.5,
)
_COPIED = replace(
    CONFIG_MAP,
    agent=AgentSource(image="hai:1"),
    preparation=Preparation(image="hai:1", python="python3", as_root=True),
)
IMAGE_VOLUME = replace(_COPIED, agent=AgentSource(image="hai:1", is_volume=True))
_CLAIM = Mount("claim", MountKind.PVC, "claim", "/claim", True, sub_path="a/b")
_HOST_PATHS = tuple(
    Mount(f"host-{number}", MountKind.HOST_PATH, f"/h/{number}", f"/m/{number}", True, kind)
    for number, kind in enumerate(HostPathType)
)
_PRIVILEGES = frozenset({"host_ipc", "host_pid", "host_network"})

PODS = {
    "agent by ConfigMap": CONFIG_MAP,
    "agent copied from an image": _COPIED,
    "as the user": replace(
        CONFIG_MAP, account=replace(CONFIG_MAP.account, as_user=True), preparation=None
    ),
    "as the user, agent copied": replace(
        _COPIED,
        account=replace(CONFIG_MAP.account, as_user=True),
        preparation=Preparation(image="hai:1", python="python3", as_root=False),
    ),
    "as root": replace(CONFIG_MAP, account=RunAs(uid=0, gid=0, as_user=True)),
    "disk": replace(CONFIG_MAP, resources={"cpu": 2, "memory": 2**30, "ephemeral-storage": 2**33}),
    "GPUs": replace(CONFIG_MAP, resources={"cpu": 96, "memory": 2**40, "nvidia.com/gpu": 8}),
    "RDMA": replace(CONFIG_MAP, resources={"cpu": 0.0015, "memory": 2.5, "rdma/hca": 1}),
    "claim": replace(CONFIG_MAP, mounts=(_CLAIM,)),
    "logs on a claim": replace(
        CONFIG_MAP, logs=LogPlace(volume=_CLAIM, sub_path="7/1", path="/logs/7/1")
    ),
    "ConfigMap": replace(CONFIG_MAP, mounts=(Mount("c", MountKind.CONFIG_MAP, "c", "/c"),)),
    "host paths": replace(CONFIG_MAP, mounts=_HOST_PATHS),
    "capabilities": replace(CONFIG_MAP, capabilities=frozenset({"IPC_LOCK", "SYS_PTRACE"})),
    "privileged": replace(CONFIG_MAP, privileges=frozenset({"privileged"})),
    "the host's namespaces": replace(CONFIG_MAP, privileges=_PRIVILEGES),
    "pull policy, secrets, variables": replace(
        CONFIG_MAP, pull_policy="Always", pull_secrets=("a", "b"), variables={"NCCL_DEBUG": "INFO"}
    ),
}


def others() -> dict[str, dict[str, Any]]:
    """What goes with the pods."""
    owner = {"metadata": {"name": "hai-7-1-0", "uid": "6a1b"}}
    labels = CONFIG_MAP.labels
    return {
        "Service": service(CONFIG_MAP, {"hai/task": "7"}, owner),
        "Secret": secret("hai-7-1-0", "default", labels, {"spec.json": b"{}"}),
        "ConfigMap of the agent": agent_config_map("hai-agent-1", "default", labels, b"\0PK"),
    }


def documents() -> dict[str, dict[str, Any]]:
    """All that any server has to take; image volumes are for those that know them."""
    return {name: pod(order) for name, order in PODS.items()} | others()
