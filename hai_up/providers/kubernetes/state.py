"""What hai-up remembers of a platform: in the cluster, and on this machine where it is."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hai.errors import PlatformError
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai_up.cluster.plan import LABELS
from hai_up.files import read_text, write_private
from hai_up.profile import home_folder

STATE = "hai-platform-state"
_FIELD_MANAGER = "hai-up-state"


@dataclass(frozen=True, slots=True)
class ClusterState:
    """`labels`: nodes that hai-up labelled; `namespaces`: those that it made; `config`: the
    variables of config.sh without secrets, for `down`."""

    version: str = ""
    seed: str = ""  # fingerprint of the rows that were imported
    label: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    namespaces: list[str] = field(default_factory=list)
    config: dict[str, str] = field(default_factory=dict)


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
    await client.apply(
        paths.core("configmaps", namespace, STATE), body, manager=_FIELD_MANAGER
    )


@dataclass(frozen=True, slots=True)
class LastPlatform:
    """Of the last run on this machine."""

    provider: str
    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""


def _place() -> Path:
    return home_folder() / ".hai" / "hai-up.json"


def last_platform() -> LastPlatform | None:
    text = read_text(_place())
    try:
        values: dict[str, Any] = json.loads(text) if text else {}
        return LastPlatform(**values) if values else None
    except (ValueError, TypeError):
        return None


def remember(last: LastPlatform) -> None:
    if last_platform() == last:
        return
    place = _place()
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(place, json.dumps(asdict(last)) + "\n")


def forget() -> None:
    _place().unlink(missing_ok=True)


