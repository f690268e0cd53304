"""What hai-up remembers of a platform, in the cluster."""

import json
from dataclasses import asdict, dataclass, field

from hai.errors import PlatformError
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai_up.cluster.plan import LABELS

STATE = "hai-platform-state"
_FIELD_MANAGER = "hai-up-state"


@dataclass(frozen=True, slots=True)
class ClusterState:
    """`labels`: nodes that hai-up labelled; `namespaces`: those that it made; `config`: the
    variables of config.sh without secrets, for `down`; `sizes`: of the groups when rows were last
    imported, empty where an earlier version of hai-up did that."""

    version: str = ""
    seed: str = ""  # fingerprint of the rows that were imported
    label: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    namespaces: list[str] = field(default_factory=list)
    config: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


async def load(client: KubernetesClient, namespace: str) -> ClusterState | None:
    known = await client.get_or_none(paths.core("configmaps", namespace, STATE))
    if known is None:
        return None
    try:
        return ClusterState(**json.loads(known["data"]["state"]))
    except (KeyError, ValueError, TypeError) as error:
        raise PlatformError(
            f"configmap/{STATE} is damaged ({error})", hint="hai-up run of a newer HAI wrote it?"
        ) from error


async def save(client: KubernetesClient, namespace: str, state: ClusterState) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": STATE, "namespace": namespace, "labels": LABELS},
        "data": {"state": json.dumps(asdict(state), sort_keys=True)},
    }
    await client.apply(paths.core("configmaps", namespace, STATE), body, manager=_FIELD_MANAGER)
