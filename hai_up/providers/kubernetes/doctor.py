"""What must be right in a cluster before anything is changed. It reads, and makes nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hai.errors import HaiError
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.discovery import Discovery
from hai.kubernetes.paths import path_of
from hai_up.checks import FAIL, OK, WARN, Check
from hai_up.cluster.options import ClusterOptions, cluster_options
from hai_up.providers.kubernetes.place import open_client

Json = dict[str, Any]
Probe = Callable[[KubernetesClient, ClusterOptions], Awaitable[Check]]

CHECK_SECONDS = 3.0
# What run itself does; the server gets less.
_NEEDED = (
    ("patch", "", "nodes"),
    ("create", "", "namespaces"),
    ("patch", "", "secrets"),
    ("patch", "", "services"),
    ("patch", "apps", "deployments"),
    ("patch", "apps", "statefulsets"),
    ("patch", "batch", "jobs"),
    ("patch", "networking.k8s.io", "networkpolicies"),
    ("patch", "rbac.authorization.k8s.io", "roles"),
    ("patch", "rbac.authorization.k8s.io", "clusterroles"),
    ("patch", "rbac.authorization.k8s.io", "clusterrolebindings"),
)


def cluster_checks(values: Mapping[str, str]) -> list[Check]:
    """Every check; those that come after an API server that is away are left out."""
    return asyncio.run(_checks(cluster_options(values)))


async def _checks(options: ClusterOptions) -> list[Check]:
    try:
        client = await open_client(options.kubeconfig, options.context)
    except HaiError as error:
        return [Check("api", FAIL, error.message, error.hint)]
    async with client:
        first = await _bounded(_api, client, options)
        if first.status == FAIL:
            return [first]
        probes: tuple[Probe, ...] = (_rights, _nodes, _gpus, _address, _database)
        return [first, *[await _bounded(probe, client, options) for probe in probes]]


async def _bounded(probe: Probe, client: KubernetesClient, options: ClusterOptions) -> Check:
    name = probe.__name__.lstrip("_")
    try:
        return await asyncio.wait_for(probe(client, options), CHECK_SECONDS)
    except HaiError as error:
        return Check(name, FAIL, error.message, error.hint or "kubectl get --raw /readyz")
    except TimeoutError:
        why = f"{client.host} has not answered within {CHECK_SECONDS:.0f} s"
        return Check(name, FAIL, why, "kubectl get --raw /readyz")


async def _api(client: KubernetesClient, _options: ClusterOptions) -> Check:
    version = (await client.get("/version")).get("gitVersion", "?")
    if not await Discovery(client).has_server_side_apply():
        return Check("api", FAIL, f"{version} has no server-side apply", "Kubernetes 1.20 or newer")
    return Check("api", OK, f"{client.host} is Kubernetes {version}")


async def _rights(client: KubernetesClient, options: ClusterOptions) -> Check:
    answers = await asyncio.gather(
        *(_may(client, options.platform_namespace, *needed) for needed in _NEEDED)
    )
    lacking = [
        f"{verb} {resource}{'.' + group if group else ''}"
        for (verb, group, resource), is_allowed in zip(_NEEDED, answers, strict=True)
        if not is_allowed
    ]
    if lacking:
        return Check(
            "rights",
            FAIL,
            f"this kubeconfig may not: {', '.join(lacking)}",
            "use the kubeconfig of a cluster admin for hai-up: KUBECONFIG in config.sh",
        )
    return Check("rights", OK, f"all {len(_NEEDED)} that run needs")


async def _may(
    client: KubernetesClient, namespace: str, verb: str, group: str, resource: str
) -> bool:
    asked: Json = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    path = path_of("authorization.k8s.io/v1", "selfsubjectaccessreviews")
    answer = await client.create(path, body)
    return bool((answer.get("status") or {}).get("allowed"))


async def _nodes(client: KubernetesClient, options: ClusterOptions) -> Check:
    wanted = dict.fromkeys((*options.manager_nodes, *options.group_of))
    known = {item["metadata"]["name"]: item for item in await _listed_nodes(client)}
    missing = [name for name in wanted if name not in known]
    if missing:
        there = f"there are {', '.join(sorted(known))}: correct the node lists in config.sh"
        return Check("nodes", FAIL, f"the cluster has no node {', '.join(missing)}", there)
    unready = [name for name in wanted if not _is_ready(known[name])]
    if unready:
        return Check(
            "nodes",
            FAIL if set(options.manager_nodes) <= set(unready) else WARN,
            f"not Ready: {', '.join(unready)}",
            f"kubectl describe node {unready[0]}",
        )
    return Check("nodes", OK, f"all {len(wanted)} are there and Ready")


async def _listed_nodes(client: KubernetesClient) -> list[Json]:
    items: list[Json] = (await client.list(paths.core("nodes")))["items"]
    return items


def _is_ready(node: Json) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


async def _gpus(client: KubernetesClient, options: ClusterOptions) -> Check:
    short = []
    for item in await _listed_nodes(client):
        name = item["metadata"]["name"]
        offers = (item.get("status") or {}).get("allocatable") or {}
        lacks_gpus = int(offers.get("nvidia.com/gpu", 0)) < options.node_gpus
        lacks_rdma = options.has_rdma and not int(offers.get("rdma/hca", 0))
        if name in options.training_nodes and (lacks_gpus or lacks_rdma):
            short.append(name)
    if short:
        wanted = f"NODE_GPUS={options.node_gpus}" + (" and rdma/hca" if options.has_rdma else "")
        return Check(
            "gpus",
            WARN,
            f"{', '.join(short)} offer less than {wanted}",
            "look at the device plugin's pods there, or correct NODE_GPUS",
        )
    return Check("gpus", OK, f"NODE_GPUS={options.node_gpus} on every training node")


async def _address(client: KubernetesClient, options: ClusterOptions) -> Check:
    if options.service_type != "LoadBalancer":
        return Check("address", OK, f"SERVICE_TYPE={options.service_type}")
    services = (await client.list(paths.core("services")))["items"]
    balanced = [one for one in services if one["spec"].get("type") == "LoadBalancer"]
    given = [one for one in balanced if (one["status"].get("loadBalancer") or {}).get("ingress")]
    if given:
        return Check("address", OK, "there is a load balancer: it has given addresses")
    return Check(
        "address",
        WARN,
        "no load balancer has given an address in this cluster yet",
        "without one: SERVICE_TYPE=NodePort in config.sh",
    )


async def _database(_client: KubernetesClient, options: ClusterOptions) -> Check:
    shared = options.db_path.startswith(f"{options.shared_fs_root}/")
    if shared and not options.storage_class:
        return Check(
            "database",
            WARN,
            f"DB_PATH {options.db_path} is on the shared file system",
            f"a folder on the disk of {options.manager_nodes[0]}, or DB_STORAGE_CLASS",
        )
    return Check("database", OK, options.storage_class or options.db_path)
