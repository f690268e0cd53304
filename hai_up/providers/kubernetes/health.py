"""Giving up early: a pod that cannot start does not start for waiting."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from hai.errors import HaiError, PlatformError
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai_up.providers.kubernetes.transfer import hopeless
from hai_up.providers.kubernetes.wait import last_lines, pods_say

Json = dict[str, Any]
T = TypeVar("T")

TROUBLE_SECONDS = 30.0  # that a pod may look hopeless: an image may come, a program start at last
_STEP_SECONDS = 1.0
_KINDS = ("hai/part", "hai/platform")


async def until_trouble(
    client: KubernetesClient, namespace: str, work: Callable[[], Coroutine[Any, Any, T]]
) -> T:
    """What the work returns; PlatformError as soon as a pod of the platform has been hopeless for
    a while, with its reason, its events and the last lines that it wrote."""
    working = asyncio.ensure_future(work())
    watching = asyncio.ensure_future(_trouble(client, namespace))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise watching.result()
        return working.result()
    finally:
        for one in (working, watching):
            one.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _trouble(client: KubernetesClient, namespace: str) -> HaiError:
    """The first pod's that is hopeless for TROUBLE_SECONDS, in whatever container of it."""
    since: dict[str, float] = {}
    while True:
        with suppress(HaiError):
            pods = await _pods(client, namespace)
            now = asyncio.get_running_loop().time()
            bad = {pod["metadata"]["name"]: pod for pod in pods if hopeless(pod)}
            # A program that ends again and again is started in between: its pod stays suspect.
            restless = {p["metadata"]["name"]: p for p in pods if _restarts(p) > 1}
            bad = {**restless, **bad}
            since = {name: since.get(name, now) for name in bad}
            for name, pod in bad.items():
                if now - since[name] >= TROUBLE_SECONDS:
                    return await _told(client, pod)
        await asyncio.sleep(_STEP_SECONDS)


async def _pods(client: KubernetesClient, namespace: str) -> list[Json]:
    """Of the platform's own programs, those that are not ready."""
    selector = f"hai/platform={namespace}"
    listed = await client.list(paths.core("pods", namespace), labelSelector=selector)
    return [pod for pod in listed["items"] if not _is_ready(pod)]


def _is_ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _restarts(pod: Json) -> int:
    states = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((int(one.get("restartCount", 0)) for one in states), default=0)


async def _told(client: KubernetesClient, pod: Json) -> HaiError:
    metadata = pod["metadata"]
    labels = {name: metadata["labels"][name] for name in _KINDS if name in metadata["labels"]}
    workload = {
        "metadata": {"namespace": metadata["namespace"]},
        "spec": {"template": {"metadata": {"labels": labels}}},
    }
    why = await pods_say(client, workload) or f"pod {metadata['name']} does not start"
    lines = await last_lines(client, workload)
    said = "".join(f"\n  {line[:300]}" for line in lines)
    hint = f"kubectl -n {metadata['namespace']} describe pod {metadata['name']}"
    return PlatformError(f"{why}{said}", hint=hint)
