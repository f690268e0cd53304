"""`hai-up down` on a cluster: tasks are suspended, what hai-up made goes, data stays; `--purge`
takes that as well. There is no finalizer, webhook or CRD, so that nothing can hang."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hai.errors import HaiError, NotFound
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai_up.cluster.objects import OF_THE_CLUSTER, RESOURCES, path_of_object
from hai_up.cluster.options import ClusterOptions, cluster_options
from hai_up.cluster.plan import job_objects
from hai_up.cluster.roles import answers_users
from hai_up.cluster.secrets import PlatformSecrets
from hai_up.console import ask
from hai_up.last import LastPlatform, forget
from hai_up.providers.kubernetes import state as states
from hai_up.providers.kubernetes.apply import ours, remove, wait_gone
from hai_up.providers.kubernetes.nodes import is_node_ready, unlabel_nodes
from hai_up.providers.kubernetes.place import known_secrets, open_client
from hai_up.providers.kubernetes.run import run_job
from hai_up.providers.kubernetes.wait import last_lines
from hai_up.tasks import NAMED

Json = dict[str, Any]
Say = Callable[[str], None]

JOB = "hai-down"
_KEPT = ("Secret", "PersistentVolumeClaim", "Namespace")  # they belong to the data
_STOP_SECONDS = 600
_TASK_OBJECTS = ("pods", "services", "secrets", "configmaps")
_OF_TASKS = "app.kubernetes.io/managed-by=hai"


@dataclass(frozen=True, slots=True)
class _Platform:
    client: KubernetesClient
    namespace: str
    options: ClusterOptions
    secrets: PlatformSecrets
    state: states.ClusterState
    say: Say


def down(last: LastPlatform, *, seconds: float, say: Say) -> None:
    """Suspend what runs (for at most `seconds`), then take the platform away; data is kept."""
    asyncio.run(_down(last, seconds, say))


def purge(last: LastPlatform, *, is_sure: bool, say: Say) -> None:
    """The data as well, after asking for the namespace's name."""
    asyncio.run(_purge(last, is_sure=is_sure, say=say))


async def _find(client: KubernetesClient, last: LastPlatform, say: Say) -> _Platform | None:
    state = await states.load(client, last.namespace)
    secrets = await known_secrets(client, last.namespace)
    if state is None or secrets is None:
        say(f"nothing to do: hai-up has made no platform in namespace {last.namespace}")
        return None
    options = cluster_options(state.config)
    return _Platform(client, last.namespace, options, secrets, state, say)


async def _down(last: LastPlatform, seconds: float, say: Say) -> None:
    async with await open_client(last.kubeconfig, last.context) as client:
        platform = await _find(client, last, say)
        if platform is None:
            return
        await _in_platform(platform, ["vacate", str(seconds)], seconds)
        await _take_away(platform, kept=_KEPT)
        say(
            f"stopped; data is kept: {_where(platform.options)}, "
            f"and the Secrets in {last.namespace}"
        )


async def _purge(last: LastPlatform, *, is_sure: bool, say: Say) -> None:
    async with await open_client(last.kubeconfig, last.context) as client:
        platform = await _find(client, last, say)
        if platform is None:
            return
        say(f"this ends all tasks and removes the platform in {last.namespace} with its data:")
        say(f"  {_where(platform.options)}; folders of users stay")
        if not is_sure and not ask(f"type the namespace ({last.namespace}): ", last.namespace):
            say("nothing was changed")
            return
        await _in_platform(platform, ["stop"], _STOP_SECONDS)
        await _take_away(platform, kept=("Secret", "Namespace"))
        await _remove_tasks_objects(platform)
        await _remove_data(platform)
        await _remove_rest(platform)
        forget()
        say(f"removed the platform in {last.namespace}")


def _where(options: ClusterOptions) -> str:
    database = "the volume claims" if options.storage_class else f"{options.db_path}/hai"
    return f"{database}, {options.platform_path}/workspace/log"


async def _in_platform(platform: _Platform, words: list[str], seconds: float) -> None:
    """Tell the running server, from inside: nobody knows a way to it from here."""
    client = platform.client
    servers = [
        one
        for one in await ours(client, "Deployment", platform.namespace)
        if (one.get("status") or {}).get("readyReplicas") and answers_users(one["metadata"]["name"])
    ]
    if not servers:
        platform.say("the server does not run: its tasks are as they are")
        return
    command = ["python3", "-m", "hai_up.tasks", *words]
    items = job_objects(
        platform.options, platform.secrets, JOB, command, seconds=int(seconds) + 120
    )

    async def tell() -> None:
        for line in await last_lines(client, items[-1], NAMED + 10):
            platform.say(f"  {line}")

    try:
        await run_job(client, items, platform.say, before_removal=tell)
    except HaiError as error:
        platform.say(f"warning: the server was not told: {error.message}")


async def _take_away(platform: _Platform, kept: tuple[str, ...]) -> None:
    """What hai-up made, of every kind but those; the labels of nodes are as they were."""
    client = platform.client
    places = dict.fromkeys((platform.namespace, platform.options.task_namespace))
    paths_left = []
    for kind in RESOURCES:
        if kind in kept:
            continue
        for namespace in [""] if kind in OF_THE_CLUSTER else places:
            found = await ours(client, kind, namespace)
            items = [item for item in found if _is_of(item, platform)]
            await remove(client, items)
            paths_left += [path_of_object(item) for item in items]
    await wait_gone(client, paths_left)
    for namespace in places:
        await _wait_for_pods(client, namespace)
    await unlabel_nodes(client, platform.state.label, platform.state.labels)


def _is_of(item: Json, platform: _Platform) -> bool:
    """Objects of the whole cluster belong to one namespace's platform by their names."""
    name: str = item["metadata"]["name"]
    if item["kind"] in OF_THE_CLUSTER:
        return name == f"hai-server-{platform.namespace}"
    return name != states.STATE


async def _wait_for_pods(client: KubernetesClient, namespace: str) -> None:
    selector = "app.kubernetes.io/managed-by=hai-up"
    listed = await client.list(paths.core("pods", namespace), labelSelector=selector)
    names = [item["metadata"]["name"] for item in listed["items"]]
    await wait_gone(client, [paths.core("pods", namespace, name) for name in names])


async def _remove_tasks_objects(platform: _Platform) -> None:
    """Of workers that the server could not end."""
    await remove_task_objects(platform.client, platform.options.task_namespace)


async def remove_task_objects(client: KubernetesClient, namespace: str) -> None:
    """Pods of tasks and what belongs to them; waits until they are gone."""
    left = []
    for resource in _TASK_OBJECTS:
        path = paths.core(resource, namespace)
        listed = await client.list(path, labelSelector=_OF_TASKS)
        for item in listed["items"]:
            place = paths.core(resource, namespace, item["metadata"]["name"])
            try:
                await client.delete(place)
            except NotFound:
                continue
            left.append(place)
    await wait_gone(client, left)


async def _remove_data(platform: _Platform) -> None:
    """By a pod that may do nothing else; where the database is on a node's own disk, on each
    manager: it may have run on any of them."""
    options = platform.options
    if not options.is_db_on_own_disk:
        await _remove_folders(platform, options)
        return
    for node in options.manager_nodes:
        known = await platform.client.get_or_none(paths.core("nodes", name=node))
        if known is None or not is_node_ready(known):
            platform.say(f"warning: node {node} is not there: {options.db_path}/hai on it stays")
            continue
        await _remove_folders(platform, replace(options, manager_nodes=(node,)))


async def _remove_folders(platform: _Platform, options: ClusterOptions) -> None:
    folders = [{"name": "platform", "path": options.platform_path}]
    gone = [f"{options.platform_path}/workspace/log"]
    if not options.storage_class:
        gone.append(f"{options.db_path}/hai")
        if options.db_path != options.platform_path:
            folders.append({"name": "db", "path": options.db_path})
    command = ["rm", "-rf", "--", *gone]
    items = job_objects(
        options,
        platform.secrets,
        JOB,
        command,
        as_root=True,
        folders=folders,
        seconds=_STOP_SECONDS,
    )
    await run_job(platform.client, items, platform.say)


async def _remove_rest(platform: _Platform) -> None:
    client, state = platform.client, platform.state
    namespaces = dict.fromkeys((platform.namespace, platform.options.task_namespace))
    left = []
    for namespace in namespaces:
        if namespace in state.namespaces:
            place = paths.core("namespaces", name=namespace)
            await client.delete(place)
            left.append(place)
            continue
        secrets = await ours(client, "Secret", namespace)
        await remove(client, secrets)
        if namespace == platform.namespace:
            place = paths.core("configmaps", namespace, states.STATE)
            await client.delete(place)
            left.append(place)
        left += [path_of_object(item) for item in secrets]
    await wait_gone(client, left)
