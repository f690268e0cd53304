"""Objects into the cluster by server-side apply, and out of it again."""

import asyncio
from collections.abc import Iterable
from typing import Any

from hai.errors import HaiError, NotFound, PlatformError
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.discovery import Discovery
from hai.kubernetes.paths import path_of
from hai_up.cluster.objects import OF_THE_CLUSTER, RESOURCES, name_of, path_of_object
from hai_up.cluster.plan import LABELS, MANAGER, SELECTOR

Json = dict[str, Any]

GONE_SECONDS = 180.0
_STEP_SECONDS = 0.5


async def require_apply(client: KubernetesClient) -> None:
    """PlatformError where the server is too old for server-side apply."""
    if not await Discovery(client).has_server_side_apply():
        raise PlatformError(
            "this Kubernetes has no server-side apply", hint="Kubernetes 1.20 or newer is needed"
        )


async def foreign(client: KubernetesClient, items: Iterable[Json]) -> list[Json]:
    """Those that exist and are not hai-up's: apply would replace somebody's."""
    found = []
    for item in items:
        if item["kind"] == "Namespace":
            continue
        known = await client.get_or_none(path_of_object(item))
        if known is not None and not is_ours(known):
            found.append(item)
    return found


def is_ours(item: Json) -> bool:
    labels = item["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in LABELS.items())


async def apply_all(client: KubernetesClient, items: Iterable[Json]) -> list[str]:
    """Names of what was made or changed."""
    changed = []
    for item in items:
        path = path_of_object(item)
        before = await client.get_or_none(path)
        try:
            after = await client.apply(path, item, manager=MANAGER)
        except HaiError as error:
            what = f"{name_of(item)}: {error.message}"
            raise type(error)(what, hint=error.hint or "hai-up doctor") from error
        if before is None or _version(before) != _version(after):
            changed.append(name_of(item))
    return changed


def _version(item: Json) -> str:
    return str(item["metadata"].get("resourceVersion"))


async def ours(client: KubernetesClient, kind: str, namespace: str) -> list[Json]:
    """Objects of hai-up of a kind; [] where the cluster has no such kind."""
    version, resource = RESOURCES[kind]
    place = "" if kind in OF_THE_CLUSTER else namespace
    for candidate in dict.fromkeys((version, version.replace("policy/v1", "policy/v1beta1"))):
        try:
            listed = await client.list(path_of(candidate, resource, place), labelSelector=SELECTOR)
        except NotFound:
            continue
        return [{**item, "kind": kind, "apiVersion": candidate} for item in listed["items"]]
    return []


# Kinds of which an earlier plan may have made some that this one does not.
_PRUNED = ("Ingress", "Deployment", "PodDisruptionBudget")


async def superseded(
    client: KubernetesClient, namespace: str, planned: Iterable[Json]
) -> list[Json]:
    """Objects of hai-up that the plan does not have any more."""
    names = {name_of(item) for item in planned}
    found = []
    for kind in _PRUNED:
        items = await ours(client, kind, namespace)
        found += [item for item in items if name_of(item) not in names]
    return found


async def remove(client: KubernetesClient, items: Iterable[Json]) -> None:
    """Asked to go; `wait_gone` waits."""
    for item in items:
        try:
            await client.delete(path_of_object(item))
        except NotFound:
            continue


async def wait_gone(client: KubernetesClient, paths: Iterable[str]) -> None:
    """PlatformError names what does not go away."""
    left = list(paths)
    deadline = asyncio.get_running_loop().time() + GONE_SECONDS
    while left:
        left = [path for path in left if await client.get_or_none(path) is not None]
        if left and asyncio.get_running_loop().time() > deadline:
            raise PlatformError(
                f"{left[0]} does not go away",
                hint="kubectl describe says what holds it; then the same command again",
            )
        if left:
            await asyncio.sleep(_STEP_SECONDS)
