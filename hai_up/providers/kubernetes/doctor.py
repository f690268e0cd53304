"""What must be right in a cluster before anything is changed. It reads; pods that look from inside
(see hai_up.cluster.probe) go again."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hai.errors import HaiError
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.discovery import Discovery
from hai.kubernetes.paths import path_of
from hai_up.checks import FAIL, OK, WARN, Check, chosen
from hai_up.cluster.options import ClusterOptions, cluster_options
from hai_up.cluster.probe import database, judged
from hai_up.providers.kubernetes.inside import look_inside
from hai_up.providers.kubernetes.kubelets import KUBELET_SECONDS, processes_check
from hai_up.providers.kubernetes.nodes import is_node_ready
from hai_up.providers.kubernetes.place import open_client
from hai_up.providers.kubernetes.told import ASK_SECONDS, logs_check

Json = dict[str, Any]
Reader = Callable[[KubernetesClient, ClusterOptions], Awaitable[Check]]

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
    ("patch", "networking.k8s.io", "ingresses"),
    ("patch", "policy", "poddisruptionbudgets"),
    ("create", "", "pods"),
    ("patch", "rbac.authorization.k8s.io", "roles"),
    ("patch", "rbac.authorization.k8s.io", "clusterroles"),
    ("patch", "rbac.authorization.k8s.io", "clusterrolebindings"),
)
# API servers ask for one or the other, and newer ones for both.
_NEEDED_FOR_EXEC = (("get", "", "pods/exec"), ("create", "", "pods/exec"))


# For those that ask others than the API server: kubelets, and a program that starts in a pod.
_MORE_SECONDS = {"nodes.processes": KUBELET_SECONDS, "storage.logs": ASK_SECONDS}
# By id, in the order in which they are shown. Those without a function are seen by pods.
_PODS = ("nodes.image", "storage.share", "nodes.clock", "storage.database")


def cluster_checks(values: Mapping[str, str], only: Collection[str] = ()) -> list[Check]:
    """Every check of `only`; those that come after an API server that is away are left out."""
    wanted = chosen(only, (*_READERS, *_PODS))
    return asyncio.run(_checks(cluster_options(values), wanted))


async def _checks(options: ClusterOptions, wanted: list[str]) -> list[Check]:
    try:
        client = await open_client(options.kubeconfig, options.context)
    except HaiError as error:
        return [Check("api", FAIL, error.message, error.hint, "cluster")]
    async with client:
        first = await _bounded("cluster.api", client, options)
        if first.status == FAIL:
            return [first]
        found = [first] + [
            await _bounded(name, client, options)
            for name in _READERS
            if name in (*wanted, "nodes.nodes") and name != "cluster.api"
        ]
        looks = [name for name in wanted if name in _PODS]
        if looks:
            found += await _from_inside(client, options, found, set(looks))
        return [check for check in found if check.id in wanted]


async def _from_inside(
    client: KubernetesClient, options: ClusterOptions, before: list[Check], looks: set[str]
) -> list[Check]:
    """By pods; the database by its name alone where there can be none, or none are needed."""
    if looks == {"storage.database"} and not options.is_db_on_own_disk:
        return [database(options, {})]
    lacking = next((c for c in before if c.id == "nodes.nodes" and c.status == FAIL), None)
    if lacking is not None:
        return [_unknown(name, f"not looked at: {lacking.text}") for name in _PODS[:3]] + [
            database(options, {})
        ]
    try:
        return judged(options, await look_inside(client, options))
    except HaiError as error:
        why = f"pods cannot look: {error.message}"
        return [*(_unknown(name, why, error.hint) for name in _PODS[:3]), database(options, {})]


def _unknown(name: str, why: str, fix: str = "") -> Check:
    group, _, short = name.partition(".")
    return Check(short, WARN, why, fix or "mend what is above first", group)


async def _bounded(name: str, client: KubernetesClient, options: ClusterOptions) -> Check:
    group, _, short = name.partition(".")
    seconds = CHECK_SECONDS + _MORE_SECONDS.get(name, 0.0)
    try:
        check = await asyncio.wait_for(_READERS[name](client, options), seconds)
        return replace(check, group=group)
    except HaiError as error:
        fix = error.hint or "kubectl get --raw /readyz"
        return Check(short, FAIL, error.message, fix, group)
    except TimeoutError:
        why = f"{client.host} has not answered within {seconds:.0f} s"
        return Check(short, FAIL, why, "kubectl get --raw /readyz", group)


async def _api(client: KubernetesClient, _options: ClusterOptions) -> Check:
    version = (await client.get("/version")).get("gitVersion", "?")
    if not await Discovery(client).has_server_side_apply():
        return Check("api", FAIL, f"{version} has no server-side apply", "Kubernetes 1.20 or newer")
    return Check("api", OK, f"{client.host} is Kubernetes {version}")


async def _rights(client: KubernetesClient, options: ClusterOptions) -> Check:
    lacking = await _lacking(client, options, _NEEDED)
    if lacking:
        return Check(
            "rights",
            FAIL,
            f"this kubeconfig may not: {', '.join(lacking)}",
            "use the kubeconfig of a cluster admin for hai-up: KUBECONFIG in config.sh",
        )
    lacking = await _lacking(client, options, _NEEDED_FOR_EXEC)
    if lacking:
        return Check(
            "rights",
            WARN,
            f"this kubeconfig may not: {', '.join(lacking)}; backup, restore and upgrade need it",
            f"a Role with get and create of pods/exec in namespace {options.platform_namespace}",
        )
    return Check("rights", OK, f"all {len(_NEEDED) + len(_NEEDED_FOR_EXEC)} that hai-up needs")


async def _lacking(
    client: KubernetesClient, options: ClusterOptions, needed: Sequence[tuple[str, str, str]]
) -> list[str]:
    answers = await asyncio.gather(
        *(_may(client, options.platform_namespace, *one) for one in needed)
    )
    return [
        f"{verb} {resource}{'.' + group if group else ''}"
        for (verb, group, resource), is_allowed in zip(needed, answers, strict=True)
        if not is_allowed
    ]


async def _may(
    client: KubernetesClient, namespace: str, verb: str, group: str, resource: str
) -> bool:
    name, _, subresource = resource.partition("/")
    asked: Json = {"verb": verb, "group": group, "resource": name, "namespace": namespace}
    asked["subresource"] = subresource
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
    unready = [name for name in wanted if not is_node_ready(known[name])]
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


async def _ingress(client: KubernetesClient, options: ClusterOptions) -> Check:
    if not options.ingress_host:
        return Check("ingress", OK, "none is asked for (INGRESS_HOST)")
    listed = await client.list(path_of("networking.k8s.io/v1", "ingressclasses"))
    known = sorted(one["metadata"]["name"] for one in listed["items"])
    if options.ingress_class not in known:
        return Check(
            "ingress",
            FAIL,
            f"the cluster has no ingress class {options.ingress_class}",
            f"INGRESS_CLASS is one of {', '.join(known)}"
            if known
            else "install an ingress controller, or leave INGRESS_HOST empty",
        )
    namespace, name = options.platform_namespace, options.ingress_tls
    if name and await client.get_or_none(paths.core("secrets", namespace, name)) is None:
        return Check(
            "ingress",
            WARN,
            f"namespace {namespace} has no Secret {name} for TLS",
            f"kubectl -n {namespace} create secret tls {name} --cert FILE --key FILE",
        )
    return Check("ingress", OK, f"{options.ingress_host} by class {options.ingress_class}")


_READERS: Mapping[str, Reader] = {
    "cluster.api": _api,
    "cluster.rights": _rights,
    "nodes.nodes": _nodes,
    "nodes.gpus": _gpus,
    "nodes.processes": processes_check,
    "network.address": _address,
    "network.ingress": _ingress,
    "storage.logs": logs_check,
}
