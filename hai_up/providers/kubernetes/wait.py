"""Waiting with progress: which object is slow, and what its pods say."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from hai.errors import Conflict, HaiError, NotFound, PlatformError
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai_up.cluster.objects import name_of, path_of_object
from hai_up.cluster.probe import IMAGE_REASONS

Json = dict[str, Any]
Say = Callable[[str], None]

READY_SECONDS = 600.0
HOPELESS_SECONDS = 30.0  # a registry may be away for a moment
CRASHES = 3
QUIET_SECONDS = 5.0  # before a slow object is named
_STEP_SECONDS = 1.0
_LINES = 8
_REVISION = "controller-revision-hash"
_NO_CAUSE = ("MissingClusterDNS", "BackOff", "Unhealthy")  # events that tell what is seen anyway


async def wait_ready(client: KubernetesClient, items: Iterable[Json], say: Say) -> None:
    """Deployments, StatefulSets and Jobs. PlatformError tells why one of them is not ready."""
    waited = [item for item in items if item["kind"] in ("Deployment", "StatefulSet", "Job")]
    loop = asyncio.get_running_loop()
    for item in waited:
        started, told, hopeless_since = loop.time(), "", 0.0
        while True:
            known = await client.get(path_of_object(item))
            if _failed(known):
                raise await _failure(client, item, "it failed")
            if is_ready(known):
                break
            await _remove_stuck(client, known)
            seconds = loop.time() - started
            if seconds > READY_SECONDS:
                raise await _failure(client, item, f"not ready after {READY_SECONDS:.0f} s")
            if not await _is_hopeless(client, known):
                hopeless_since = seconds
            elif seconds - hopeless_since > HOPELESS_SECONDS:
                raise await _failure(client, item, "it does not start")
            why = await pods_say(client, item)
            if seconds > QUIET_SECONDS and why != told:
                told = why
                say(f"  waiting for {name_of(item)}: {why or 'no pod yet'}")
            await asyncio.sleep(_STEP_SECONDS)


async def _is_hopeless(client: KubernetesClient, item: Json) -> bool:
    """By its newest pod, if that is of the template that was applied: one of an earlier config.sh
    may take its time to go."""
    status = item.get("status") or {}
    is_workload = "replicas" in item["spec"]  # a Job has one template for its life
    seen = int(status.get("observedGeneration") or 0)
    if is_workload and seen < int(item["metadata"]["generation"]):
        return False
    for pod in await pods_of(client, item):
        revision = (pod["metadata"].get("labels") or {}).get(_REVISION)
        is_old = revision is not None and revision != status.get("updateRevision")
        if "deletionTimestamp" not in pod["metadata"] and not is_old:
            return is_pod_hopeless(pod)
    return False


def is_pod_hopeless(pod: Json) -> bool:
    """Its image cannot be had, or its program ends each time it is started."""
    status = pod.get("status") or {}
    both = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    for one in both:
        reason = ((one.get("state") or {}).get("waiting") or {}).get("reason")
        crashes = reason == "CrashLoopBackOff" and int(one.get("restartCount") or 0) >= CRASHES
        if crashes or reason in IMAGE_REASONS:
            return True
    return False


def is_ready(item: Json) -> bool:
    status, spec = item.get("status") or {}, item["spec"]
    if item.get("kind") == "Job" or "backoffLimit" in spec:
        return int(status.get("succeeded") or 0) > 0
    wanted = int(spec.get("replicas", 1))
    current = int(status.get("observedGeneration") or 0) >= int(item["metadata"]["generation"])
    updated = int(status.get("updatedReplicas") or 0)
    ready = int(status.get("readyReplicas") or 0)
    total = int(status.get("replicas") or 0)
    return current and updated == ready == total == wanted


async def _remove_stuck(client: KubernetesClient, item: Json) -> None:
    """The pod that keeps a StatefulSet from its new template; the next one is of that."""
    if item.get("kind") != "StatefulSet":
        return
    for pod in await pods_of(client, item):
        if is_stuck(item, pod):
            metadata = pod["metadata"]
            path = paths.core("pods", metadata["namespace"], metadata["name"])
            with suppress(NotFound, Conflict):  # it went by itself, or is a new one already
                await client.delete(path, uid=metadata["uid"])


def is_stuck(item: Json, pod: Json) -> bool:
    """A StatefulSet waits for ever for a pod that cannot start, also when that is of an older
    template: who mends config.sh would see no change."""
    status, metadata = item.get("status") or {}, pod["metadata"]
    is_current = int(status.get("observedGeneration") or 0) >= int(item["metadata"]["generation"])
    if not is_current or int(status.get("readyReplicas") or 0) or "deletionTimestamp" in metadata:
        return False
    revision = (metadata.get("labels") or {}).get(_REVISION)
    return bool(revision) and revision != status.get("updateRevision")


def _failed(item: Json) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Failed" and one["status"] == "True" for one in conditions)


async def _failure(client: KubernetesClient, item: Json, what: str) -> HaiError:
    why = await pods_say(client, item)
    lines = await last_lines(client, item)
    namespace = item["metadata"]["namespace"]
    told = "".join(f"\n  {line[:300]}" for line in lines)
    return PlatformError(
        f"{name_of(item)}: {what}: {why or 'it has no pod'}{told}",
        hint=f"kubectl -n {namespace} describe {name_of(item)}; mend it, then hai-up run again",
    )


async def pods_of(client: KubernetesClient, item: Json) -> list[Json]:
    """Of a workload, the newest first."""
    labels = item["spec"]["template"]["metadata"]["labels"]
    names = ("hai/part", "hai/platform", "hai/job")
    selector = ",".join(f"{name}={labels[name]}" for name in names if name in labels)
    path = paths.core("pods", item["metadata"]["namespace"])
    listed = await client.list(path, labelSelector=selector)
    return sorted(listed["items"], key=lambda p: p["metadata"]["creationTimestamp"], reverse=True)


async def pods_say(client: KubernetesClient, item: Json) -> str:
    """Why its newest pod is not ready, in the cluster's words; "" without a pod."""
    pods = await pods_of(client, item)
    if not pods:
        return ""
    pod = pods[0]
    name = pod["metadata"]["name"]
    said = _pod_says(pod)
    events = await warnings_of(client, pod)
    return f"pod {name}: {said}" + (f"; {events[-1]}" if events else "")


def _pod_says(pod: Json) -> str:
    status = pod.get("status") or {}
    both = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    for one in both:
        for kind in ("waiting", "terminated"):
            state = (one.get("state") or {}).get(kind)
            if state and state.get("reason") not in (None, "Completed", "PodInitializing"):
                return f"{one['name']}: {state['reason']} {state.get('message') or ''}".strip()
    for one in both:
        ended = (one.get("lastState") or {}).get("terminated")
        if ended and not one.get("ready"):
            how = f"{ended.get('reason')}, exit code {ended.get('exitCode')}"
            return f"{one['name']}: {how}; it was started again"
    for condition in status.get("conditions") or ():
        if condition["status"] != "True" and condition.get("message"):
            return str(condition["message"])
    return str(status.get("phase", "Pending"))


async def warnings_of(client: KubernetesClient, pod: Json) -> list[str]:
    """Events of a pod, in the cluster's words."""
    metadata = pod["metadata"]
    selector = f"involvedObject.name={metadata['name']},type=Warning"
    path = paths.core("events", metadata["namespace"])
    listed = await client.list(path, fieldSelector=selector)
    return [
        f"{one.get('reason')}: {one.get('message')}"
        for one in listed["items"]
        if one.get("reason") not in _NO_CAUSE
    ]


async def last_lines(client: KubernetesClient, item: Json, count: int = _LINES) -> list[str]:
    """Of the log of its newest pod that has one."""
    for pod in await pods_of(client, item):
        metadata, spec = pod["metadata"], pod["spec"]
        for container in (*spec.get("initContainers", ()), *spec["containers"])[::-1]:
            path = paths.core("pods", metadata["namespace"], metadata["name"], "log")
            # one that ends each time may just have been started again, and say nothing yet
            for previous in ("false", "true"):
                asked = {"container": container["name"], "tailLines": count, "previous": previous}
                with suppress(HaiError):
                    raw = await client.request_raw("GET", path, params=asked)
                    if raw.strip():
                        return raw.decode("utf-8", "replace").splitlines()
    return []
