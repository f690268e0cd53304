"""What `run` would change in the cluster that there is: asked of its server, which changes nothing.

Every object goes through server-side apply with dryRun, so that defaults, rights and refusals are
the server's own.
"""

import asyncio
from typing import Any

from hai.errors import HaiError, NotFound
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai_up.cluster.difference import difference
from hai_up.cluster.objects import name_of, path_of_object
from hai_up.cluster.options import ClusterOptions
from hai_up.cluster.plan import MANAGER, ClusterPlan, label_of, plan_cluster
from hai_up.cluster.secrets import MASKED
from hai_up.providers.kubernetes import state as states
from hai_up.providers.kubernetes.apply import is_ours, superseded
from hai_up.providers.kubernetes.place import (
    completed,
    facts_of,
    known_secrets,
    open_client,
    with_tokens,
)

Json = dict[str, Any]

REACH_SECONDS = 5.0
COMPARE_SECONDS = 60.0


def changes(options: ClusterOptions) -> str:
    """For people; "" when run would change nothing. HaiError: the cluster is not reached or does
    not let itself be asked."""
    return asyncio.run(_changes(options))


async def _changes(options: ClusterOptions) -> str:
    async with await open_client(options.kubeconfig, options.context) as client:
        try:
            await asyncio.wait_for(client.get("/version"), REACH_SECONDS)
            return await asyncio.wait_for(_compared(client, options), COMPARE_SECONDS)
        except TimeoutError as error:
            raise HaiError(f"{client.host} does not answer in time") from error


async def _compared(client: KubernetesClient, options: ClusterOptions) -> str:
    namespace = options.platform_namespace
    state = await states.load(client, namespace) or states.ClusterState()
    secrets = completed(options, await known_secrets(client, namespace) or MASKED)
    full = with_tokens(options, secrets)
    plan = plan_cluster(full, await facts_of(client, full, state), secrets)
    planned = [item for stage in plan.stages.values() for item in stage]
    parts = [await _change(client, item) for item in planned]
    parts += [
        f"- {name_of(item)}: of an earlier config.sh, would be removed\n"
        for item in await superseded(client, namespace, planned)
    ]
    return "".join([*parts, *await _labels(client, options, state), *_rows(plan, state)])


async def _change(client: KubernetesClient, item: Json) -> str:
    """What becomes of one object."""
    path, name = path_of_object(item), name_of(item)
    before = await client.get_or_none(path)
    try:
        after = await client.apply(path, item, manager=MANAGER, dryRun="All")
    except NotFound:  # its namespace is not there yet
        return f"+ {name}: would be made\n"
    except HaiError as error:
        return f"! {name}: would be refused: {error.message}\n"
    if before is None:
        return f"+ {name}: would be made\n"
    text = difference(before, {**after, "kind": item["kind"]})
    owner = "" if is_ours(before) else f"! {name}: is not hai-up's, would be replaced\n"
    return owner + text


async def _labels(
    client: KubernetesClient, options: ClusterOptions, state: states.ClusterState
) -> list[str]:
    """Of nodes: which group each is in."""
    label, lines = label_of(options), []
    for item in (await client.list(paths.core("nodes")))["items"]:
        name = item["metadata"]["name"]
        now = (item["metadata"].get("labels") or {}).get(label)
        wanted = options.group_of.get(name, None if name in state.labels else now)
        if wanted != now:
            lines.append(f"~ node/{name}: label {label}: {now or 'none'} -> {wanted or 'none'}\n")
    return sorted(lines)


def _rows(plan: ClusterPlan, state: states.ClusterState) -> list[str]:
    if state.seed == plan.seed_fingerprint:
        return []
    return ["~ database: rows of users, quotas, images and mounts would be imported\n"]
