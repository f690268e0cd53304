"""Which cluster is meant, and what it can do."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.discovery import Discovery
from hai_up import variables
from hai_up.cluster import secrets
from hai_up.cluster.options import ClusterOptions, cluster_options
from hai_up.cluster.plan import SECRET, ClusterFacts
from hai_up.cluster.secrets import PlatformSecrets, read
from hai_up.providers.kubernetes.state import ClusterState


async def open_client(kubeconfig: str, context: str) -> KubernetesClient:
    """InvalidInput or AuthRequired: the kubeconfig is of no use. "": as kubectl finds it."""
    return await KubernetesClient.open(_path(kubeconfig), context or None)


def _path(kubeconfig: str) -> Path | None:
    return Path(kubeconfig).expanduser() if kubeconfig else None


async def known_secrets(client: KubernetesClient, namespace: str) -> PlatformSecrets | None:
    secret = await client.get_or_none(paths.core("secrets", namespace, SECRET))
    return None if secret is None else read(secret.get("data") or {})


async def facts_of(
    client: KubernetesClient, options: ClusterOptions, state: ClusterState
) -> ClusterFacts:
    """`state`: of the last run, empty where there was none."""
    found = await Discovery(client).first_of("poddisruptionbudgets", "policy/v1", "policy/v1beta1")
    foreign = set()
    for name in (options.platform_namespace, options.task_namespace):
        is_there = await client.get_or_none(paths.core("namespaces", name=name)) is not None
        if is_there and name not in state.namespaces:
            foreign.add(name)
    return ClusterFacts(found or "", frozenset(foreign), _sizes_before(state))


def _sizes_before(state: ClusterState) -> dict[str, int] | None:
    """None where no rows were imported yet."""
    if not state.seed:
        return None
    return state.sizes or cluster_options(state.config).sizes


def with_tokens(options: ClusterOptions, known: PlatformSecrets) -> ClusterOptions:
    """Users who brought no token get one."""
    return replace(options, users=secrets.with_tokens(options.users, known))


def completed(options: ClusterOptions, known: PlatformSecrets) -> PlatformSecrets:
    return secrets.with_given(known, options.postgres_password, options.redis_password)


def without_secrets(values: Mapping[str, str]) -> dict[str, str]:
    """The variables of a config.sh that may be written down where others can read them."""
    known = {name: value for name, value in values.items() if name in _REMEMBERED}
    return variables.without_secrets(known)


_REMEMBERED = frozenset({
    "TASK_NAMESPACE", "PLATFORM_NAMESPACE", "SHARED_FS_ROOT", "HAI_PLATFORM_PATH", "DB_PATH",
    "DB_STORAGE_CLASS", "NODE_GPUS", "HAS_RDMA_HCA_RESOURCE", "MARS_PREFIX", "TRAINING_GROUP",
    "JUPYTER_GROUP", "TRAINING_NODES", "JUPYTER_NODES", "MANAGER_NODES", "BASE_IMAGE",
    "TRAIN_IMAGE", "INGRESS_HOST", "INGRESS_CLASS", "INGRESS_TLS_SECRET", "SERVICE_TYPE",
    "EXPOSE_DATABASES", "ROOT_USER", "USER_INFO", "POSTGRES_USER", "API_REPLICAS",
    "IMAGE_PULL_SECRETS",
})  # fmt: skip
