"""Pods that look at each node from inside, for hai-up doctor. They are removed whatever happens."""

import asyncio
import secrets
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hai.errors import HaiError, NotFound
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai_up.cluster.options import ClusterOptions
from hai_up.cluster.probe import PART, Seen, is_known, is_settled, probe_pods, seen_of
from hai_up.providers.kubernetes.apply import wait_gone
from hai_up.providers.kubernetes.wait import warnings_of

Json = dict[str, Any]

LOOK_SECONDS = 60.0
STABLE_SECONDS = 12.0
_STEP_SECONDS = 1.0
_OURS = "hai/part=hai-doctor"


async def look_inside(client: KubernetesClient, options: ClusterOptions) -> dict[str, Seen]:
    """What pods on all nodes see, by node. HaiError: they cannot be made."""
    nonce = secrets.token_hex(4)
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError, RuntimeError):  # not in the main thread
        loop.add_signal_handler(signal.SIGTERM, task.cancel if task else loop.stop)
    await _remove_orphans(client)
    made: list[str] = []  # what has to go again
    try:
        namespace = await _namespace(client, options.platform_namespace, nonce, made)
        pods = probe_pods(options, namespace, nonce)
        made += [paths.core("pods", namespace, pod["metadata"]["name"]) for pod in pods.values()]
        await asyncio.gather(
            *(client.create(paths.core("pods", namespace), pod) for pod in pods.values())
        )
        return await _watched(client, pods)
    finally:
        await asyncio.shield(_remove(client, made[::-1]))


async def _namespace(client: KubernetesClient, wanted: str, nonce: str, made: list[str]) -> str:
    """The platform's own, where images can be pulled as they will be; else one for a moment."""
    if await client.get_or_none(paths.core("namespaces", name=wanted)) is not None:
        return wanted
    name = f"{wanted[:40]}-doctor-{nonce}"
    made.append(paths.core("namespaces", name=name))
    await client.create(paths.core("namespaces"), {"metadata": {"name": name, "labels": PART}})
    return name


async def _remove_orphans(client: KubernetesClient) -> None:
    """Of a doctor that was killed, or whose machine went away; another one may be at work."""
    pods = (await client.list(paths.core("pods"), labelSelector=_OURS))["items"]
    ended = [pod for pod in pods if pod["status"].get("phase") in ("Failed", "Succeeded")]
    in_use = {pod["metadata"]["namespace"] for pod in pods if pod not in ended}
    spaces = (await client.list(paths.core("namespaces"), labelSelector=_OURS))["items"]
    names = {item["metadata"]["name"] for item in spaces} - in_use
    places = [paths.core("namespaces", name=name) for name in sorted(names)]
    rest = [pod["metadata"] for pod in ended]
    for place in (*places, *(paths.core("pods", one["namespace"], one["name"]) for one in rest)):
        with suppress(NotFound):
            await client.delete(place)


async def _remove(client: KubernetesClient, places: list[str]) -> None:
    for place in places:
        with suppress(NotFound):
            await client.delete(place)
    await wait_gone(client, places)


async def _watched(client: KubernetesClient, pods: Mapping[str, Json]) -> dict[str, Seen]:
    """Until there is nothing more to learn, all that is known stays the same for STABLE_SECONDS, or
    LOOK_SECONDS are over."""
    loop = asyncio.get_running_loop()
    started = changed = loop.time()
    before: dict[str, Seen] = {}
    while True:
        seen = await asyncio.gather(*(_seen(client, pod) for pod in pods.values()))
        found = dict(zip(pods, seen, strict=True))
        now = loop.time()
        if found != before:
            before, changed = found, now
        is_stable = is_known(found) and now - changed > STABLE_SECONDS
        if is_settled(found) or is_stable or now - started > LOOK_SECONDS:
            return found
        await asyncio.sleep(_STEP_SECONDS)


async def _seen(client: KubernetesClient, pod: Json) -> Seen:
    metadata = pod["metadata"]
    place = paths.core("pods", metadata["namespace"], metadata["name"])
    now = await client.get(place)
    events = await warnings_of(client, now)
    log = b""
    with suppress(HaiError):  # it has none yet
        log = await client.request_raw(
            "GET", f"{place}/log", params={"container": "probe", "tailLines": 1}
        )
    return seen_of(now, events, log.decode("utf-8", "replace"))
