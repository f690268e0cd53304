"""The variables of config.sh for one machine with Docker, checked. Nothing here looks at it."""

import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from hai.errors import InvalidInput
from hai_up import variables
from hai_up.userinfo import FIRST_UID, SeedUser
from hai_up.variables import (
    GROUP,
    LABEL,
    NAMESPACE,
    PREFIX,
    SQL_USER,
    ExtraMount,
)

DOCKER, K8S = "docker", "k8s"
OWN, HOST = "own", "host"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - the lab is to reach it
SOCKET = "/var/run/docker.sock"
_POSTGRES = ("postgresql", "postgres")
_REDIS = ("redis", "rediss")
_MOST_PORTS = 256  # the engine has a process for each
_HOST = re.compile(r"[a-z0-9]([-.a-z0-9]{0,178}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class ExternalService:
    """A database or a bus that somebody else runs. `url` is without the password."""

    url: str
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCluster:
    """Where tasks run with HAI_TASKS=k8s."""

    kubeconfig: str
    context: str
    namespace: str
    prefix: str
    has_rdma: bool
    server_address: str  # host or host:port that the pods reach
    group_of: Mapping[str, str]  # by node


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeOptions:
    """Everything that a plan for one machine with Docker needs to know of what was asked for."""

    project: str
    shared_fs_root: str
    platform_path: str
    db_path: str
    host: str
    port: int
    studio_port: int
    exposes_databases: bool
    api_replicas: int  # 0: one process does all
    base_image: str
    train_image: str
    nodes: int
    node_gpus: int | None  # None: all that the machine has, in equal parts
    task_network: str  # own, one for each attempt, or host
    training_group: str
    jupyter_group: str
    jupyter_nodes: int  # of `nodes`, which dev containers share; 0 with pods
    root_user: str
    users: tuple[SeedUser, ...]
    postgres_user: str
    postgres_password: str = field(repr=False)
    redis_password: str = field(repr=False)
    mounts: tuple[ExtraMount, ...]
    environments: Mapping[str, str]
    socket: str
    database: ExternalService | None
    bus: ExternalService | None
    cluster: TaskCluster | None
    ingress_host: str = ""  # services of tasks are names below it, at door_port
    door_port: int = 7421
    door_ports: tuple[int, int] | None = None  # first and last, where there is no such name

    @property
    def sizes(self) -> dict[str, int]:
        """Nodes of each group."""
        if self.cluster is None:
            return {self.training_group: self.nodes - self.jupyter_nodes}
        groups = list(self.cluster.group_of.values())
        return {group: groups.count(group) for group in sorted(set(groups))}


def compose_options(values: Mapping[str, str]) -> ComposeOptions:
    """Checked options. InvalidInput names the first wrong variable and what to write."""
    root = variables.path(values, "SHARED_FS_ROOT", "/nfs-shared")
    platform = variables.path(values, "HAI_PLATFORM_PATH", f"{root}/hai-platform")
    namespace = variables.matched(values, "TASK_NAMESPACE", NAMESPACE, LABEL)
    base = variables.image(values, "BASE_IMAGE", "")
    users = variables.users(values)
    has_gpus = bool(values.get("NODE_GPUS"))
    options = ComposeOptions(
        project=variables.matched(values, "PLATFORM_NAMESPACE", namespace, LABEL),
        shared_fs_root=root,
        platform_path=platform,
        db_path=variables.path(values, "DB_PATH", f"{platform}/db"),
        host=variables.address(values, "HAI_HOST", EVERYWHERE),
        port=variables.number(values, "HAI_PORT", 80, 1, 65535),
        studio_port=variables.number(values, "HAI_STUDIO_PORT", 8080, 1, 65535),
        exposes_databases=variables.number(values, "EXPOSE_DATABASES", 0, 0, 1) == 1,
        api_replicas=variables.number(values, "API_REPLICAS", 1, 0, 1),
        base_image=base,
        train_image=variables.image(values, "TRAIN_IMAGE", base),
        nodes=variables.number(values, "NODES", 1, 1, 1000),
        node_gpus=variables.number(values, "NODE_GPUS", 0, 0, 64) if has_gpus else None,
        task_network=variables.one_of(values, "TASK_NETWORK", (OWN, HOST)),
        training_group=variables.matched(values, "TRAINING_GROUP", "training", GROUP),
        jupyter_group=variables.matched(values, "JUPYTER_GROUP", "jupyter_cpu", GROUP),
        jupyter_nodes=_jupyter_nodes(values),
        root_user=values.get("ROOT_USER") or users[0].name,
        users=users,
        postgres_user=variables.matched(values, "POSTGRES_USER", "hai", SQL_USER),
        postgres_password=variables.password(values, "POSTGRES_PASSWORD"),
        redis_password=variables.password(values, "REDIS_PASSWORD"),
        mounts=variables.mounts(values.get("EXTRA_MOUNTS", "")),
        environments=variables.environments(values.get("EXTRA_ENVIRONMENTS", "")),
        socket=socket_of(values.get("DOCKER_HOST", "")),
        database=_service(values, "HAI_DATABASE_URL", _POSTGRES),
        bus=_service(values, "HAI_BUS_URL", _REDIS),
        cluster=_cluster(values, namespace),
        ingress_host=variables.matched(values, "INGRESS_HOST", "", _HOST),
        door_port=variables.number(values, "HAI_DOOR_PORT", 7421, 1, 65535),
        door_ports=_door_ports(values.get("HAI_DOOR_PORTS", "")),
    )
    _check_whole(options)
    return options


def _jupyter_nodes(values: Mapping[str, str]) -> int:
    """A number with Docker; with pods JUPYTER_NODES are names."""
    if variables.one_of(values, "HAI_TASKS", (DOCKER, K8S)) != DOCKER:
        return 0
    nodes = variables.number(values, "NODES", 1, 1, 1000)
    return variables.number(values, "JUPYTER_NODES", 0, 0, nodes - 1)


def _check_whole(options: ComposeOptions) -> None:
    if options.root_user not in {user.name for user in options.users}:
        raise InvalidInput(
            f"ROOT_USER {options.root_user} is not in USER_INFO",
            hint=f"USER_INFO={options.root_user}:{FIRST_UID}",
        )
    if options.port == options.studio_port:
        raise InvalidInput(
            f"HAI_PORT and HAI_STUDIO_PORT are both {options.port}", hint="HAI_STUDIO_PORT=8080"
        )


def _door_ports(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
    first, last = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 0 < first <= last < 65536 or last - first >= _MOST_PORTS:
        raise InvalidInput(
            f"HAI_DOOR_PORTS cannot be {text!r}",
            hint=f"up to {_MOST_PORTS} ports, as HAI_DOOR_PORTS=7430-7493",
        )
    return first, last


def socket_of(docker_host: str) -> str:
    """The engine's socket on this machine. InvalidInput for an engine elsewhere: the platform's
    folders are on this machine."""
    if not docker_host:
        return SOCKET
    path = docker_host.removeprefix("unix://")
    if path == docker_host or not path.startswith("/"):
        raise InvalidInput(
            f"DOCKER_HOST={docker_host} is no socket of this machine",
            hint=f"run hai-up where the engine is; DOCKER_HOST=unix://{SOCKET}",
        )
    return path


def _service(
    values: Mapping[str, str], name: str, schemes: tuple[str, ...]
) -> ExternalService | None:
    """Without a password in the URL, which others may read. InvalidInput does not repeat it."""
    text = values.get(name, "")
    if not text:
        return None
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        example = f"{schemes[0]}://USER:PASSWORD@HOST:PORT/NAME"
        raise InvalidInput(f"{name} cannot be understood", hint=f"{name}={example}")
    return ExternalService(*variables.without_password(text))


def _cluster(values: Mapping[str, str], namespace: str) -> TaskCluster | None:
    """None with HAI_TASKS=docker."""
    if variables.one_of(values, "HAI_TASKS", (DOCKER, K8S)) == DOCKER:
        return None
    training = variables.matched(values, "TRAINING_GROUP", "training", GROUP)
    jupyter = variables.matched(values, "JUPYTER_GROUP", "jupyter_cpu", GROUP)
    nodes = variables.names(values, "TRAINING_NODES", "kubectl get nodes")
    others = variables.names(values, "JUPYTER_NODES", "kubectl get nodes")
    needed = {
        "KUBECONFIG": values.get("KUBECONFIG", ""),
        "TRAINING_NODES": " ".join(nodes),
        "HAI_SERVER_ADDR": values.get("HAI_SERVER_ADDR", ""),
    }
    for name, text in needed.items():
        if not text:
            raise InvalidInput(f"HAI_TASKS=k8s needs {name}", hint=_EXAMPLES[name])
    return TaskCluster(
        kubeconfig=os.path.expanduser(values["KUBECONFIG"]),  # noqa: PTH111 - as text
        context=values.get("KUBE_CONTEXT", ""),
        namespace=namespace,
        prefix=variables.matched(values, "MARS_PREFIX", "hai", PREFIX),
        has_rdma=variables.number(values, "HAS_RDMA_HCA_RESOURCE", 0, 0, 1) == 1,
        server_address=variables.address(values, "HAI_SERVER_ADDR", ""),
        group_of={**dict.fromkeys(others, jupyter), **dict.fromkeys(nodes, training)},
    )


_EXAMPLES = {
    "KUBECONFIG": "KUBECONFIG=~/.kube/config",
    "TRAINING_NODES": "TRAINING_NODES='node-1 node-2'; see: kubectl get nodes",
    "HAI_SERVER_ADDR": "the address of this machine that the cluster's pods reach: "
    "HAI_SERVER_ADDR=10.0.0.5",
}
