"""The objects of one worker, rendered: Pod, Secret, headless Service, the agent's ConfigMap. Pure.

Paths in the pod: /hai/agent/agent.pyz, /hai/spec/spec.json (the Secret), /hai/worker (the worker
directory, an emptyDir), and the attempt's log folder under its usual path.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hai.core.containers import AGENT_CAPABILITIES, RunAs
from hai.core.mounts import HostPathType, Mount, MountKind

Json = dict[str, Any]

AGENT_DIR = "/hai/agent"
AGENT = f"{AGENT_DIR}/agent.pyz"
SPEC_DIR = "/hai/spec"
SPEC = f"{SPEC_DIR}/spec.json"
WORKER_DIR = "/hai/worker"
LOG_ROOT = "/hai/logs"  # of the root step alone
END_FILE = "/dev/termination-log"
IMAGE_AGENT = "/opt/hai/agent.pyz"  # in the platform's image
WORKER = "worker"  # the container
PREPARE = "prepare"  # the init container

# Of those that pod security "baseline" allows; the program has none of them.
_ROOT_STEP = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID")
_PRIVILEGES = {"host_ipc": "hostIPC", "host_pid": "hostPID", "host_network": "hostNetwork"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSource:
    """Where the pod gets agent.pyz from: the platform's image, copied by the root step or mounted
    as a volume where the server can, or a ConfigMap that the server made."""

    image: str = ""
    is_volume: bool = False
    config_map: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """The step before the worker; as root it makes the log folders, for which its image has to be
    trusted."""

    image: str
    python: str
    as_root: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPlace:
    """`volume` holds all logs; the worker sees `sub_path` of it, as `path`."""

    volume: Mount
    sub_path: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodOrder:
    """All that a worker's pod is made of. `resources` are its requests and its limits."""

    name: str
    service: str
    namespace: str
    labels: Mapping[str, str]
    node: str
    image: str
    python: str
    agent: AgentSource
    account: RunAs
    preparation: Preparation | None
    logs: LogPlace
    resources: Mapping[str, float]  # cores, bytes, pieces
    leave_seconds: float
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    capabilities: frozenset[str] = frozenset()
    privileges: frozenset[str] = frozenset()


def pod(order: PodOrder) -> Json:
    """The worker's pod. It goes to its node without the scheduler, unless a claim has to be bound
    there first, which is the scheduler's work."""
    spec: Json = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostname": order.name,
        "subdomain": order.service,
        "terminationGracePeriodSeconds": math.ceil(order.leave_seconds),
        "tolerations": [
            {"operator": "Exists", "effect": "NoSchedule"},
            # our own clock says when a silent node is lost
            {"operator": "Exists", "effect": "NoExecute", "key": "node.kubernetes.io/not-ready"},
            {"operator": "Exists", "effect": "NoExecute", "key": "node.kubernetes.io/unreachable"},
        ],
        "imagePullSecrets": [{"name": name} for name in order.pull_secrets],
        "securityContext": _pod_security(order),
        "volumes": _volumes(order),
        "initContainers": [_prepare(order, order.preparation)] if order.preparation else [],
        "containers": [_worker(order)],
        **_place(order),
    }
    for privilege, key in _PRIVILEGES.items():
        if privilege in order.privileges:
            spec[key] = True
    if spec.get("hostNetwork"):
        spec["dnsPolicy"] = "ClusterFirstWithHostNet"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(order.name, order.namespace, order.labels),
        "spec": spec,
    }


def service(order: PodOrder, selector: Mapping[str, str], owner: Json) -> Json:
    """The attempt's headless Service: names for its pods, also of those that are not ready. It
    goes with `owner`, the pod of rank 0."""
    metadata = _metadata(order.service, order.namespace, order.labels)
    metadata["ownerReferences"] = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": dict(selector),
        },
    }


def secret(
    name: str, namespace: str, labels: Mapping[str, str], files: Mapping[str, bytes]
) -> Json:
    """Files for one worker's eyes."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": _metadata(name, namespace, labels),
        "data": {key: base64.b64encode(data).decode() for key, data in files.items()},
    }


def agent_config_map(name: str, namespace: str, labels: Mapping[str, str], archive: bytes) -> Json:
    """The agent, for pods without the platform's image. Never changed: named after its content."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "immutable": True,
        "metadata": _metadata(name, namespace, labels),
        "binaryData": {"agent.pyz": base64.b64encode(archive).decode()},
    }


def quantity_text(resource: str, value: float) -> str:
    """As Kubernetes takes it, rounded down: thousandths of cores, whole bytes and pieces."""
    return f"{int(value * 1000)}m" if resource == "cpu" else str(int(value))


def _metadata(name: str, namespace: str, labels: Mapping[str, str]) -> Json:
    return {"name": name, "namespace": namespace, "labels": dict(labels)}


def _place(order: PodOrder) -> Json:
    if not any(mount.kind is MountKind.PVC for mount in (*order.mounts, order.logs.volume)):
        return {"nodeName": order.node}
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [order.node]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"affinity": {"nodeAffinity": required}}


def _pod_security(order: PodOrder) -> Json:
    account = order.account
    context: Json = {}
    if "privileged" not in order.privileges:
        context["seccompProfile"] = {"type": "RuntimeDefault"}
    if account.as_user:
        context |= {
            "runAsUser": account.uid,
            "runAsGroup": account.gid,
            "runAsNonRoot": account.uid != 0,
            "fsGroup": account.gid,
            "fsGroupChangePolicy": "OnRootMismatch",
            "supplementalGroups": list(account.groups),
        }
    return context


def _prepare(order: PodOrder, step: Preparation) -> Json:
    source = order.agent
    archive = IMAGE_AGENT if source.image and not source.is_volume else AGENT
    mounts = [
        {"name": "hai-agent", "mountPath": AGENT_DIR, **_agent_sub_path(source)},
        {"name": "hai-spec", "mountPath": SPEC_DIR, "readOnly": True},
        {"name": "hai-worker", "mountPath": WORKER_DIR},
    ]
    if step.as_root:
        mounts.append({"name": "hai-logs", "mountPath": LOG_ROOT, **_sub_path(order.logs.volume)})
    return {
        "name": PREPARE,
        "image": step.image,
        "imagePullPolicy": order.pull_policy,
        "command": [
            step.python,
            "-I",
            "-S",
            archive,
            "prepare",
            SPEC,
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": _resources(order),
        "securityContext": _container_security(order, _ROOT_STEP, as_root=step.as_root),
        "volumeMounts": mounts,
    }


def _worker(order: PodOrder) -> Json:
    added = (*AGENT_CAPABILITIES, *order.capabilities)
    return {
        "name": WORKER,
        "image": order.image,
        "imagePullPolicy": order.pull_policy,
        "command": [order.python, "-I", "-S", AGENT, WORKER_DIR, SPEC],
        "env": [
            *({"name": name, "value": value} for name, value in order.variables.items()),
            {"name": "HAI_POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "terminationMessagePath": END_FILE,
        "resources": _resources(order),
        "securityContext": _container_security(order, added, as_root=not order.account.as_user),
        "volumeMounts": [
            *map(_volume_mount, order.mounts),
            {"name": "hai-logs", "mountPath": order.logs.path, "subPath": order.logs.sub_path},
            {
                "name": "hai-agent",
                "mountPath": AGENT_DIR,
                "readOnly": True,
                **_agent_sub_path(order.agent),
            },
            {"name": "hai-spec", "mountPath": SPEC_DIR, "readOnly": True},
            {"name": "hai-worker", "mountPath": WORKER_DIR},
            {"name": "hai-shm", "mountPath": "/dev/shm"},  # noqa: S108 - the pod's own
        ],
    }


def _container_security(order: PodOrder, capabilities: Sequence[str], *, as_root: bool) -> Json:
    if "privileged" in order.privileges:
        return {"privileged": True}
    added = sorted(capabilities if as_root else order.capabilities)
    context: Json = {
        # a set-uid program of the image would make the user root among everybody's files
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": added},
    }
    if as_root:
        context |= {"runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": False}
    return context


def _resources(order: PodOrder) -> Json:
    texts = {name: quantity_text(name, value) for name, value in order.resources.items()}
    return {"requests": texts, "limits": dict(texts)}


def _volumes(order: PodOrder) -> list[Json]:
    mode = 0o440 if order.account.as_user else 0o400
    return [
        *(_volume(mount, mount.name) for mount in order.mounts),
        _volume(order.logs.volume, "hai-logs"),
        {"name": "hai-agent", **_agent_volume(order.agent)},
        {"name": "hai-spec", "secret": {"secretName": order.name, "defaultMode": mode}},
        {"name": "hai-worker", "emptyDir": {}},
        {"name": "hai-shm", "emptyDir": {"medium": "Memory"}},
    ]


def _agent_volume(source: AgentSource) -> Json:
    if source.config_map:
        return {"configMap": {"name": source.config_map, "defaultMode": 0o444}}
    if source.is_volume:
        return {"image": {"reference": source.image}}
    return {"emptyDir": {}}


def _agent_sub_path(source: AgentSource) -> Json:
    """An image volume shows the whole image; the agent lies in a folder of it."""
    return {"subPath": IMAGE_AGENT.rpartition("/")[0].lstrip("/")} if source.is_volume else {}


def _volume(mount: Mount, name: str) -> Json:
    if mount.kind is MountKind.PVC:
        claim: Json = {"claimName": mount.source}
        return {"name": name, "persistentVolumeClaim": claim}
    if mount.kind is MountKind.CONFIG_MAP:
        return {"name": name, "configMap": {"name": mount.source}}
    path: Json = {"path": mount.source}
    if mount.host_path_type is not HostPathType.ANY:
        path["type"] = mount.host_path_type.value
    return {"name": name, "hostPath": path}


def _volume_mount(mount: Mount) -> Json:
    at: Json = {"name": mount.name, "mountPath": mount.mount_path, **_sub_path(mount)}
    if mount.read_only:
        at["readOnly"] = True
    return at


def _sub_path(mount: Mount) -> Json:
    return {"subPath": mount.sub_path} if mount.sub_path else {}
