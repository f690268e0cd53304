"""What an upgrade would have to put back: the platform's objects as they are now."""

import asyncio
from collections.abc import Iterable
from typing import Any

from hai.kubernetes import paths
from hai.kubernetes.client import MERGE_PATCH, KubernetesClient
from hai_up.cluster.objects import OF_THE_CLUSTER, name_of, path_of_object
from hai_up.cluster.options import ClusterOptions
from hai_up.providers.kubernetes.apply import apply_all, ours, remove, wait_gone
from hai_up.providers.kubernetes.wait import pods_of

Json = dict[str, Any]

STUDIO = "hai-studio"
# Rights before programs. Accounts, Secrets and claims stay: what they hold is made only once.
KINDS = (
    "Role", "ClusterRole", "ConfigMap", "Service", "NetworkPolicy", "PodDisruptionBudget",
    "Ingress", "StatefulSet", "Deployment",
)  # fmt: skip
_OF_THE_SERVER = ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields",
                  "selfLink", "ownerReferences")  # fmt: skip
_GIVEN = ("clusterIP", "clusterIPs", "healthCheckNodePort")  # by the cluster, to a Service
_REVISION = "deployment.kubernetes.io/revision"


async def taken(client: KubernetesClient, options: ClusterOptions) -> list[Json]:
    """In the order in which they are applied again."""
    found = []
    places = dict.fromkeys((options.platform_namespace, options.task_namespace))
    for kind in KINDS:
        for namespace in [""] if kind in OF_THE_CLUSTER else places:
            found += [as_written(item) for item in await ours(client, kind, namespace)]
    cluster_name = f"hai-server-{options.platform_namespace}"
    return [
        item
        for item in found
        if item["kind"] not in OF_THE_CLUSTER or item["metadata"]["name"] == cluster_name
    ]


def as_written(item: Json) -> Json:
    """As somebody would have written it."""
    metadata = {k: v for k, v in item["metadata"].items() if k not in _OF_THE_SERVER}
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(_REVISION, None)
    if annotations:
        metadata["annotations"] = annotations
    else:
        metadata.pop("annotations", None)
    plain = {**{k: v for k, v in item.items() if k != "status"}, "metadata": metadata}
    if item["kind"] == "Service":
        plain["spec"] = _without_addresses(item["spec"])
    return plain


def _without_addresses(spec: Json) -> Json:
    """Addresses and ports that the cluster gave. Who applies one owns it, and the next who applies
    none takes it away: an address cannot be, and a port is another one then. "None" is nobody's."""
    kept = {k: v for k, v in spec.items() if k not in _GIVEN}
    ports = [{k: v for k, v in port.items() if k != "nodePort"} for port in spec.get("ports", ())]
    if spec.get("clusterIP") == "None":
        kept["clusterIP"] = "None"
    return {**kept, "ports": ports} if ports else kept


async def put_back(
    client: KubernetesClient, options: ClusterOptions, before: list[Json], kinds: Iterable[str]
) -> list[Json]:
    """Apply those of these kinds again, and take away what was not there; what is applied."""
    wanted = set(kinds)
    items = [item for item in before if item["kind"] in wanted]
    names = {(item["metadata"].get("namespace", ""), name_of(item)) for item in items}
    extra = [
        item
        for item in await taken(client, options)
        if item["kind"] in wanted
        and (item["metadata"].get("namespace", ""), name_of(item)) not in names
    ]
    await remove(client, extra)
    await wait_gone(client, [path_of_object(item) for item in extra])
    await apply_all(client, items)
    return items


async def servers(client: KubernetesClient, namespace: str) -> list[Json]:
    """Deployments of hai-server, whatever roles it has."""
    found = await ours(client, "Deployment", namespace)
    return [item for item in found if item["metadata"]["name"] != STUDIO]


async def scale(client: KubernetesClient, item: Json, replicas: int) -> None:
    change = {"spec": {"replicas": replicas}}
    await client.patch(path_of_object(item), change, MERGE_PATCH)


async def wait_no_pods(client: KubernetesClient, items: Iterable[Json]) -> None:
    """Until none of these workloads has a pod."""
    pods = await asyncio.gather(*(pods_of(client, item) for item in items))
    places = [
        paths.core("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
        for some in pods
        for pod in some
    ]
    await wait_gone(client, places)
