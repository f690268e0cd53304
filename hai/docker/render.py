"""The body that makes one worker's container. Pure.

Paths in the container: /hai/agent/agent.pyz (mounted from the host, read-only), /hai/spec/spec.json
and /hai/worker (the worker directory), which are put into it before it starts, and the attempt's
log folder under its usual path.
"""

import io
import math
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hai.core.containers import AGENT_CAPABILITIES, RunAs
from hai.core.mounts import HostPathType, Mount, MountKind
from hai.errors import PlatformError

Json = dict[str, Any]

AGENT = "/hai/agent/agent.pyz"
SPEC = "/hai/spec/spec.json"
WORKER_DIR = "/hai/worker"
END_FILE = f"{WORKER_DIR}/exit.json"
HOST = "host"  # the network, or another namespace, that is the machine's own
NO_GPUS = "void"  # NVIDIA_VISIBLE_DEVICES: also where their runtime is everybody's default
_NANO = 10**9
_CREATING = (HostPathType.DIRECTORY_OR_CREATE,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOrder:
    """All that a worker's container is made of. `network` is the name of one, or "host"; `gpus` are
    this machine's own numbers of them."""

    name: str
    labels: Mapping[str, str]
    image: str
    python: str
    agent: str  # the archive's path on the host
    account: RunAs
    log_dir: str  # in the container
    log_source: str  # on the host
    network: str
    cpus: float
    memory_bytes: int
    pids: int
    log_bytes: int  # of what the agent itself prints
    leave_seconds: float
    gpus: Sequence[int] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    capabilities: frozenset[str] = frozenset()
    privileges: frozenset[str] = frozenset()


def container(order: ContainerOrder) -> Json:
    """For POST /containers/create. PlatformError: a mount that no Docker engine has."""
    account = order.account
    variables = dict(order.variables)
    if not order.gpus:
        variables["NVIDIA_VISIBLE_DEVICES"] = NO_GPUS
    body: Json = {
        "Image": order.image,
        "Hostname": order.name if order.network != HOST else "",
        "Entrypoint": [order.python, "-I", "-S", AGENT, WORKER_DIR, SPEC],
        "Cmd": [],
        "User": f"{account.uid}:{account.gid}" if account.as_user else "0:0",
        "WorkingDir": "/",
        "Env": [f"{name}={value}" for name, value in variables.items()],
        "Labels": dict(order.labels),
        "Healthcheck": {"Test": ["NONE"]},
        "StopSignal": "SIGTERM",
        "StopTimeout": math.ceil(order.leave_seconds),
        "HostConfig": _host(order),
    }
    if order.network != HOST:
        body["NetworkingConfig"] = {"EndpointsConfig": {order.network: {}}}
    return body


def files(spec: bytes, account: RunAs) -> bytes:
    """A tar archive for "/": the spec and the worker directory, which a program cannot read unless
    the whole container is its user's."""
    owner = (account.uid, account.gid) if account.as_user else (0, 0)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        _add(archive, "hai/spec", 0o700, owner)
        _add(archive, SPEC.lstrip("/"), 0o600, owner, spec)
        _add(archive, WORKER_DIR.lstrip("/"), 0o711, owner)
    return raw.getvalue()


def network(name: str, labels: Mapping[str, str]) -> Json:
    """For POST /networks/create: a bridge of one attempt's own."""
    return {"Name": name, "CheckDuplicate": True, "Driver": "bridge", "Labels": dict(labels)}


def _add(
    archive: tarfile.TarFile,
    name: str,
    mode: int,
    owner: tuple[int, int],
    data: bytes | None = None,
) -> None:
    info = tarfile.TarInfo(name)
    info.mode, (info.uid, info.gid) = mode, owner
    info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
    info.size = len(data or b"")
    archive.addfile(info, io.BytesIO(data or b""))


def _host(order: ContainerOrder) -> Json:
    privileges = order.privileges
    host: Json = {
        "NetworkMode": order.network,
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        "NanoCpus": int(order.cpus * _NANO),
        "Memory": order.memory_bytes,
        "MemorySwap": order.memory_bytes,  # no swap beyond it
        "ShmSize": order.memory_bytes,  # its pages count as the container's memory
        "PidsLimit": order.pids,
        "LogConfig": {
            "Type": "json-file",
            "Config": {"max-size": str(order.log_bytes), "max-file": "1"},
        },
        "Binds": _binds(order),
        "Mounts": _mounts(order),
        "DeviceRequests": _gpus(order.gpus),
        **_security(order),
    }
    if "host_ipc" in privileges:
        host["IpcMode"] = HOST
        del host["ShmSize"]
    if "host_pid" in privileges:
        host["PidMode"] = HOST
    return host


def _security(order: ContainerOrder) -> Json:
    if "privileged" in order.privileges:
        return {"Privileged": True}
    is_root = not order.account.as_user
    added = {*(AGENT_CAPABILITIES if is_root else ()), *order.capabilities}
    security: Json = {
        "CapDrop": ["ALL"],
        "CapAdd": sorted(added),
        # a set-uid program of the image would make the user root among everybody's files
        "SecurityOpt": ["no-new-privileges"],
    }
    if order.account.as_user:
        security["GroupAdd"] = [str(group) for group in order.account.groups]
    return security


def _gpus(indices: Sequence[int]) -> list[Json]:
    if not indices:
        return []
    ids = [str(index) for index in indices]
    return [{"Driver": "", "DeviceIDs": ids, "Capabilities": [["gpu"]]}]


def _binds(order: ContainerOrder) -> list[str]:
    """Those whose folder the engine makes when it is not there."""
    return [
        f"{host_path(mount)}:{mount.mount_path}:{'ro' if mount.read_only else 'rw'}"
        for mount in order.mounts
        if mount.host_path_type in _CREATING
    ]


def _mounts(order: ContainerOrder) -> list[Json]:
    found = [
        _bind(host_path(mount), mount.mount_path, read_only=mount.read_only)
        for mount in order.mounts
        if mount.host_path_type not in _CREATING
    ]
    found.append(_bind(order.agent, AGENT, read_only=True))
    found.append(_bind(order.log_source, order.log_dir))
    return found


def _bind(source: str, target: str, *, read_only: bool = False) -> Json:
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}


def host_path(mount: Mount) -> str:
    """Where its files are on this machine. PlatformError: it is no folder of a machine."""
    if mount.kind is not MountKind.HOST_PATH:
        raise PlatformError(
            f"the mount {mount.name} is a {mount.kind.value} of Kubernetes, not a folder",
            hint="an admin gives it a host path: hai-cli storage list",
        )
    source = f"{mount.source.rstrip('/')}/{mount.sub_path}" if mount.sub_path else mount.source
    if mount.host_path_type in _CREATING and ":" in source + mount.mount_path:
        raise PlatformError(f"the mount {mount.name} has a colon in its path")
    return source
