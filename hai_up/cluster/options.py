"""The cluster variables of config.sh, checked. Nothing here looks at a cluster."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from hai.errors import InvalidInput
from hai_up import variables
from hai_up.userinfo import FIRST_UID, SeedUser
from hai_up.variables import GROUP, LABEL, NAMESPACE, PREFIX, SQL_USER, ExtraMount

SERVICE_TYPES = ("LoadBalancer", "NodePort", "ClusterIP")

_NODES = "kubectl get nodes"
_NODE = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")


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
    def sizes(self) -> dict[str, int]:
        """How many nodes each group has."""
        return dict(Counter(self.group_of.values()))

    @property
    def is_db_on_own_disk(self) -> bool:
        """Is the database in a folder of a node, not on the shared file system nor in a claim?"""
        is_shared = f"{self.db_path}/".startswith(f"{self.shared_fs_root}/")
        return not self.storage_class and not is_shared


def cluster_options(values: Mapping[str, str]) -> ClusterOptions:
    """Checked options. InvalidInput names the first wrong variable and what to write."""
    root = variables.path(values, "SHARED_FS_ROOT", "/nfs-shared")
    platform = variables.path(values, "HAI_PLATFORM_PATH", f"{root}/hai-platform")
    namespace = variables.matched(values, "TASK_NAMESPACE", NAMESPACE, LABEL)
    base = variables.image(values, "BASE_IMAGE", "")
    users = variables.users(values)
    options = ClusterOptions(
        task_namespace=namespace,
        platform_namespace=variables.matched(values, "PLATFORM_NAMESPACE", namespace, LABEL),
        shared_fs_root=root,
        platform_path=platform,
        db_path=variables.path(values, "DB_PATH", f"{platform}/db"),
        storage_class=variables.matched(values, "DB_STORAGE_CLASS", "", _NODE),
        kubeconfig=values.get("KUBECONFIG", ""),
        context=values.get("KUBE_CONTEXT", ""),
        node_gpus=variables.number(values, "NODE_GPUS", 0, 0, 64),
        has_rdma=variables.number(values, "HAS_RDMA_HCA_RESOURCE", 0, 0, 1) == 1,
        mars_prefix=variables.matched(values, "MARS_PREFIX", "hai", PREFIX),
        training_group=variables.matched(values, "TRAINING_GROUP", "training", GROUP),
        jupyter_group=variables.matched(values, "JUPYTER_GROUP", "jupyter_cpu", GROUP),
        training_nodes=variables.names(values, "TRAINING_NODES", _NODES),
        jupyter_nodes=variables.names(values, "JUPYTER_NODES", _NODES),
        manager_nodes=variables.names(values, "MANAGER_NODES", _NODES),
        base_image=base,
        train_image=variables.image(values, "TRAIN_IMAGE", base),
        ingress_host=variables.matched(values, "INGRESS_HOST", "", _NODE),
        ingress_class=variables.matched(values, "INGRESS_CLASS", "nginx", _NODE),
        ingress_tls=variables.matched(values, "INGRESS_TLS_SECRET", "", _NODE),
        service_type=variables.one_of(values, "SERVICE_TYPE", SERVICE_TYPES),
        exposes_databases=variables.number(values, "EXPOSE_DATABASES", 0, 0, 1) == 1,
        api_replicas=variables.number(values, "API_REPLICAS", 2, 0, 32),
        pull_secrets=variables.names(values, "IMAGE_PULL_SECRETS"),
        root_user=values.get("ROOT_USER") or users[0].name,
        users=users,
        postgres_user=variables.matched(values, "POSTGRES_USER", "hai", SQL_USER),
        postgres_password=variables.password(values, "POSTGRES_PASSWORD"),
        redis_password=variables.password(values, "REDIS_PASSWORD"),
        mounts=variables.mounts(values.get("EXTRA_MOUNTS", "")),
        environments=variables.environments(values.get("EXTRA_ENVIRONMENTS", "")),
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
