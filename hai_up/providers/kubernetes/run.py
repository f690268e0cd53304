"""`hai-up run` on a cluster. Every step can be repeated: a second run goes on where one ended."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hai import __version__
from hai.errors import InvalidInput
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai_up.choice import K8S
from hai_up.cluster.objects import name_of, path_of_object
from hai_up.cluster.options import ClusterOptions, cluster_options
from hai_up.cluster.plan import (
    SERVICE,
    ClusterPlan,
    label_of,
    plan_cluster,
    seed_objects,
)
from hai_up.cluster.secrets import PlatformSecrets, made
from hai_up.console import ask
from hai_up.last import LastPlatform, remember
from hai_up.nextsteps import next_steps
from hai_up.providers.kubernetes import state as states
from hai_up.providers.kubernetes.apply import (
    apply_all,
    foreign,
    remove,
    require_apply,
    superseded,
    wait_gone,
)
from hai_up.providers.kubernetes.nodes import check_nodes, label_nodes
from hai_up.providers.kubernetes.place import (
    completed,
    facts_of,
    known_secrets,
    open_client,
    with_tokens,
    without_secrets,
)
from hai_up.providers.kubernetes.wait import wait_ready

Json = dict[str, Any]
Say = Callable[[str], None]

ADDRESS_SECONDS = 30.0  # for a load balancer; without one nobody waits longer
_STEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Run:
    client: KubernetesClient
    options: ClusterOptions
    values: Mapping[str, str]
    is_sure: bool
    say: Say


def run(values: Mapping[str, str], *, is_sure: bool, say: Say) -> None:
    """Bring the platform of this config.sh into being, or to what the file says now."""
    asyncio.run(_run(values, is_sure=is_sure, say=say))


async def _run(values: Mapping[str, str], *, is_sure: bool, say: Say) -> None:
    options = cluster_options(values)
    async with await open_client(options.kubeconfig, options.context) as client:
        say(f"the cluster is {client.host}, the namespace {options.platform_namespace}")
        await require_apply(client)
        await check_nodes(client, (*options.manager_nodes, *options.group_of))
        await _go(_Run(client, options, values, is_sure, say))


async def bring_to(
    client: KubernetesClient, options: ClusterOptions, values: Mapping[str, str], say: Say
) -> None:
    """What `run` does, without a question, for who has a client already."""
    await _go(_Run(client, options, values, True, say))


async def _go(run: _Run) -> None:
    client, options, say = run.client, run.options, run.say
    namespace = options.platform_namespace
    before = await states.load(client, namespace)
    state = before or states.ClusterState()
    secrets = completed(options, await known_secrets(client, namespace) or made())
    full = with_tokens(options, secrets)
    plan = plan_cluster(full, await facts_of(client, full, state), secrets)
    surplus = await _ask_before_replacing(run, plan)
    changed = await apply_all(client, plan.stages["namespaces"])
    state = replace(
        state,
        version=__version__,
        label=label_of(options),
        namespaces=[one["metadata"]["name"] for one in plan.stages["namespaces"]],
        config=without_secrets(run.values),
    )
    await states.save(client, namespace, state)
    for name in ("access", "config", "network", "database", "redis"):
        changed += await apply_all(client, plan.stages[name])
    await wait_ready(client, [*plan.stages["database"], *plan.stages["redis"]], say)
    state, is_seeded = await _seed(run, plan, secrets, state)
    for name in ("server", "studio"):
        changed += await apply_all(client, plan.stages[name])
    labels, nodes = await label_nodes(client, state.label, options.group_of, state.labels)
    await states.save(client, namespace, replace(state, labels=labels))
    for what in (*changed, *(f"node/{node} (group)" for node in nodes)):
        say(f"  applied {what}")
    await wait_ready(client, [*plan.stages["server"], *plan.stages["studio"]], say)
    await _remove_surplus(run, surplus)
    remember(LastPlatform(K8S, options.kubeconfig, options.context, namespace))
    if not changed and not nodes and not is_seeded and not surplus:
        say("nothing had to be changed")
    await _tell(run, full, is_new=before is None or not before.seed)


async def _ask_before_replacing(run: _Run, plan: ClusterPlan) -> list[Json]:
    """What is ours and not in the plan any more: it goes when its successors are ready."""
    planned = [item for one in plan.stages.values() for item in one]
    found = await foreign(run.client, planned)
    surplus = await superseded(run.client, run.options.platform_namespace, planned)
    for item in found:
        run.say(f"there is a {name_of(item)} that is not hai-up's; it would be replaced")
    for item in surplus:
        run.say(f"{name_of(item)} is of an earlier config.sh; it would be removed")
    if not (found or surplus) or run.is_sure or ask("go on? type yes: ", "yes"):
        return surplus
    raise InvalidInput("nothing was changed", hint="another PLATFORM_NAMESPACE in config.sh")


async def _remove_surplus(run: _Run, surplus: list[Json]) -> None:
    await remove(run.client, surplus)
    await wait_gone(run.client, [path_of_object(item) for item in surplus])
    for item in surplus:
        run.say(f"  removed {name_of(item)}")


async def _seed(
    run: _Run, plan: ClusterPlan, secrets: PlatformSecrets, state: states.ClusterState
) -> tuple[states.ClusterState, bool]:
    """Rows of users, quotas, images and mounts, where they are not in the database already."""
    if state.seed == plan.seed_fingerprint:
        return state, False
    client, namespace = run.client, run.options.platform_namespace
    items = seed_objects(plan, secrets)
    run.say("the database gets its users, quotas, images and mounts")
    await run_job(client, items, run.say)
    state = replace(state, seed=plan.seed_fingerprint, sizes=run.options.sizes)
    await states.save(client, namespace, state)
    return state, True


async def run_job(
    client: KubernetesClient,
    items: list[Json],
    say: Say,
    before_removal: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """To its end; nothing of it stays, whether it succeeds or not."""
    places = [path_of_object(item) for item in items]
    await remove(client, items)
    await wait_gone(client, places)
    try:
        await apply_all(client, items)
        await wait_ready(client, items, say)
        if before_removal is not None:
            await before_removal()
    finally:
        await remove(client, items)
        await wait_gone(client, places)


async def _tell(run: _Run, options: ClusterOptions, *, is_new: bool) -> None:
    """The next lines to type, with the values filled in."""
    say, namespace = run.say, options.platform_namespace
    address = await _address(run)
    say(f"HAI runs in namespace {namespace}")
    root = next(user for user in options.users if user.name == options.root_user)
    given = {user.name: user.token for user in run.options.users}
    new_token = root.token if is_new and not given[root.name] else ""
    for line in next_steps(root.name, new_token, address, options.platform_path):
        say(line)
    if not address:
        for line in _without_address(options):
            say(line)


def _without_address(options: ClusterOptions) -> list[str]:
    namespace = options.platform_namespace
    lines = [
        f"  kubectl -n {namespace} port-forward svc/{SERVICE} 8000:80  (http://localhost:8000)"
    ]
    if options.service_type == "LoadBalancer":
        lines.insert(
            0,
            f"warning: no load balancer has given {SERVICE} an address within "
            f"{ADDRESS_SECONDS:.0f} s; without one: SERVICE_TYPE=NodePort in config.sh, or",
        )
    return lines


async def _address(run: _Run) -> str:
    """Where the server answers from outside; "" when nobody knows."""
    client, options = run.client, run.options
    path = paths.core("services", options.platform_namespace, SERVICE)
    loop = asyncio.get_running_loop()
    started = loop.time()
    while True:
        service = await client.get(path)
        found = _address_of(service)
        is_balanced = options.service_type == "LoadBalancer"
        if found or not is_balanced or loop.time() - started > ADDRESS_SECONDS:
            break
        await asyncio.sleep(_STEP_SECONDS)
    if found or options.service_type != "NodePort":
        return f"http://{found}" if found else ""
    port = service["spec"]["ports"][0].get("nodePort")
    node = await client.get(paths.core("nodes", name=options.manager_nodes[0]))
    addresses = node["status"].get("addresses") or ()
    internal = [one["address"] for one in addresses if one["type"] == "InternalIP"]
    return f"http://{internal[0]}:{port}" if internal else ""


def _address_of(service: Json) -> str:
    balanced = (service.get("status") or {}).get("loadBalancer") or {}
    for one in balanced.get("ingress") or ():
        return str(one.get("ip") or one.get("hostname") or "")
    return ""
