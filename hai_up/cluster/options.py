"""The cluster variables of config.sh, checked. Nothing here looks at a cluster."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from hai.errors import InvalidInput
from hai_up.userinfo import FIRST_UID, USER_NAME, SeedUser, users_of

NAMESPACE = "hai-platform"
FIRST_USER = "haiadmin"
LEAST_PASSWORD = 8
SERVICE_TYPES = ("LoadBalancer", "NodePort", "ClusterIP")

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NODE = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_PREFIX = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,40}[A-Za-z0-9])?")
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
_SQL_USER = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IMAGE = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9_.:/@]{0,254}")
_PASSWORD = re.compile(r"[!#-&(-\[\]-~]+")  # printable, without blanks, quotes and backslashes
_MOUNT_KINDS = {"file": "File", "directory": "Directory"}


@dataclass(frozen=True, slots=True)
class ExtraMount:
    source: str
    target: str
    kind: str  # File or Directory
    read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """Everything that a plan for a cluster needs to know of what was asked for."""

    task_namespace: str
    platform_namespace: str
    shared_fs_root: str
    platform_path: str
    db_path: str
    storage_class: str
    kubeconfig: str
    context: str
    node_gpus: int
    has_rdma: bool
    mars_prefix: str
    training_group: str
    jupyter_group: str
    training_nodes: tuple[str, ...]
    jupyter_nodes: tuple[str, ...]
    manager_nodes: tuple[str, ...]
    base_image: str
    train_image: str
    ingress_host: str
    ingress_class: str
    ingress_tls: str
    service_type: str
    exposes_databases: bool
    api_replicas: int
    pull_secrets: tuple[str, ...]
    root_user: str
    users: tuple[SeedUser, ...]
    postgres_user: str
    postgres_password: str = field(repr=False)
    redis_password: str = field(repr=False)
    mounts: tuple[ExtraMount, ...]
    environments: Mapping[str, str]

    @property
    def group_of(self) -> dict[str, str]:
        """Which group each node is put into."""
        jupyter = dict.fromkeys(self.jupyter_nodes, self.jupyter_group)
        return {**jupyter, **dict.fromkeys(self.training_nodes, self.training_group)}

    @property
    def is_db_on_own_disk(self) -> bool:
        """Is the database in a folder of a node, not on the shared file system nor in a claim?"""
        is_shared = f"{self.db_path}/".startswith(f"{self.shared_fs_root}/")
        return not self.storage_class and not is_shared


def cluster_options(values: Mapping[str, str]) -> ClusterOptions:
    """Checked options. InvalidInput names the first wrong variable and what to write."""
    root = _path(values, "SHARED_FS_ROOT", "/nfs-shared")
    platform = _path(values, "HAI_PLATFORM_PATH", f"{root}/hai-platform")
    namespace = _matched(values, "TASK_NAMESPACE", NAMESPACE, _LABEL)
    base = _image(values, "BASE_IMAGE", "")
    users = _users(values)
    options = ClusterOptions(
        task_namespace=namespace,
        platform_namespace=_matched(values, "PLATFORM_NAMESPACE", namespace, _LABEL),
        shared_fs_root=root,
        platform_path=platform,
        db_path=_path(values, "DB_PATH", f"{platform}/db"),
        storage_class=_matched(values, "DB_STORAGE_CLASS", "", _NODE),
        kubeconfig=values.get("KUBECONFIG", ""),
        context=values.get("KUBE_CONTEXT", ""),
        node_gpus=_number(values, "NODE_GPUS", 0, 0, 64),
        has_rdma=_number(values, "HAS_RDMA_HCA_RESOURCE", 0, 0, 1) == 1,
        mars_prefix=_matched(values, "MARS_PREFIX", "hai", _PREFIX),
        training_group=_matched(values, "TRAINING_GROUP", "training", _GROUP),
        jupyter_group=_matched(values, "JUPYTER_GROUP", "jupyter_cpu", _GROUP),
        training_nodes=_nodes(values, "TRAINING_NODES"),
        jupyter_nodes=_nodes(values, "JUPYTER_NODES"),
        manager_nodes=_nodes(values, "MANAGER_NODES"),
        base_image=base,
        train_image=_image(values, "TRAIN_IMAGE", base),
        ingress_host=_matched(values, "INGRESS_HOST", "", _NODE),
        ingress_class=_matched(values, "INGRESS_CLASS", "nginx", _NODE),
        ingress_tls=_matched(values, "INGRESS_TLS_SECRET", "", _NODE),
        service_type=_one_of(values, "SERVICE_TYPE", SERVICE_TYPES),
        exposes_databases=_number(values, "EXPOSE_DATABASES", 0, 0, 1) == 1,
        api_replicas=_number(values, "API_REPLICAS", 2, 0, 32),
        pull_secrets=_names(values, "IMAGE_PULL_SECRETS"),
        root_user=values.get("ROOT_USER") or users[0].name,
        users=users,
        postgres_user=_matched(values, "POSTGRES_USER", "hai", _SQL_USER),
        postgres_password=_password(values, "POSTGRES_PASSWORD"),
        redis_password=_password(values, "REDIS_PASSWORD"),
        mounts=_mounts(values.get("EXTRA_MOUNTS", "")),
        environments=_environments(values.get("EXTRA_ENVIRONMENTS", "")),
    )
    _check_whole(options)
    return options


def _check_whole(options: ClusterOptions) -> None:
    for name, nodes in (
        ("MANAGER_NODES", options.manager_nodes),
        ("TRAINING_NODES", options.training_nodes),
    ):
        if not nodes:
            raise InvalidInput(
                f"{name} names no node", hint=f"{name}='node-1 node-2'; see: kubectl get nodes"
            )
    both = set(options.training_nodes) & set(options.jupyter_nodes)
    if both and options.training_group != options.jupyter_group:
        raise InvalidInput(
            f"node {min(both)} is in TRAINING_NODES and in JUPYTER_NODES",
            hint="a node is in one group: take it out of one of the two",
        )
    if options.root_user not in {user.name for user in options.users}:
        raise InvalidInput(
            f"ROOT_USER {options.root_user} is not in USER_INFO",
            hint=f"USER_INFO={options.root_user}:{FIRST_UID}",
        )


def _matched(values: Mapping[str, str], name: str, default: str, pattern: re.Pattern[str]) -> str:
    text = values.get(name) or default
    if text and not pattern.fullmatch(text):
        raise InvalidInput(f"{name} cannot be {text!r}", hint=f"for example {name}={default}")
    return text


def _one_of(values: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    text = values.get(name) or known[0]
    if text not in known:
        raise InvalidInput(f"{name} cannot be {text!r}", hint=f"one of {', '.join(known)}")
    return text


def _path(values: Mapping[str, str], name: str, default: str) -> str:
    text = (values.get(name) or default).rstrip("/")
    _check_path(name, text)
    return text


def _check_path(name: str, text: str) -> None:
    is_plain = all(" " < char < "\x7f" and char not in "'\"\\:,{}" for char in text)
    if not text.startswith("/") or ".." in PurePosixPath(text).parts or not is_plain:
        raise InvalidInput(
            f"{name}: {text!r} is no absolute path",
            hint="a path such as /nfs-shared, on every node",
        )


def _image(values: Mapping[str, str], name: str, default: str) -> str:
    text = values.get(name) or default
    if not text:
        raise InvalidInput(
            f"{name} names no image",
            hint=f"scripts/release builds it; then for example {name}=registry.example.org/hai:1",
        )
    if not _IMAGE.fullmatch(text):
        raise InvalidInput(f"{name}: {text!r} is no name of an image", hint=f"{name}=REPO:TAG")
    return text


def _number(values: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = values.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise InvalidInput(f"{name}={text} is wrong", hint=f"a number from {low} to {high}")
    return int(text)


def _nodes(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    return _names(values, name, "kubectl get nodes")


def _names(
    values: Mapping[str, str], name: str, hint: str = "names with blanks between"
) -> tuple[str, ...]:
    """Names with blanks or commas between them."""
    found = tuple(dict.fromkeys(re.split(r"[\s,]+", values.get(name, "").strip("() \t"))))
    nodes = tuple(node.strip("\"'") for node in found if node)
    for node in nodes:
        if not _NODE.fullmatch(node):
            raise InvalidInput(f"{name}: {node!r} is no name of an object", hint=hint)
    return nodes


def _users(values: Mapping[str, str]) -> tuple[SeedUser, ...]:
    users = users_of(values.get("USER_INFO", ""))
    name = _matched(values, "ROOT_USER", FIRST_USER, USER_NAME)
    return users or (SeedUser(name, FIRST_UID),)


def _password(values: Mapping[str, str], name: str) -> str:
    text = values.get(name, "")
    if text and (len(text) < LEAST_PASSWORD or not _PASSWORD.fullmatch(text)):
        raise InvalidInput(
            f"{name} is too short to be safe, or has blanks, quotes or backslashes",
            hint=f"leave the line out: hai-up makes one; or {LEAST_PASSWORD} characters or more",
        )
    return text


def _mounts(text: str) -> tuple[ExtraMount, ...]:
    """EXTRA_MOUNTS: src:dst:file|directory[:ro], with commas between."""
    found = []
    for part in (part.strip() for part in text.split(",")):
        if not part:
            continue
        words = part.split(":")
        kind = _MOUNT_KINDS.get(words[2]) if len(words) in (3, 4) else None
        mode = words[3] if len(words) == 4 else "rw"
        if kind is None or mode not in ("ro", "rw"):
            raise InvalidInput(
                f"EXTRA_MOUNTS: {part!r} is not of the form src:dst:file|directory[:ro]",
                hint="EXTRA_MOUNTS=/data:/data:directory:ro",
            )
        _check_path("EXTRA_MOUNTS", words[0])
        _check_path("EXTRA_MOUNTS", words[1])
        found.append(ExtraMount(words[0], words[1], kind, mode == "ro"))
    return tuple(found)


def _environments(text: str) -> dict[str, str]:
    """EXTRA_ENVIRONMENTS: name:value, with commas between."""
    found = {}
    for part in (part.strip() for part in text.split(",")):
        name, colon, value = part.partition(":")
        if not part:
            continue
        if not colon or not _VARIABLE.fullmatch(name):
            raise InvalidInput(
                f"EXTRA_ENVIRONMENTS: {part[:40]!r} is not of the form name:value",
                hint="EXTRA_ENVIRONMENTS=NCCL_DEBUG:WARN,OMP_NUM_THREADS:4",
            )
        found[name] = value
    return found
