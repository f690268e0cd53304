"""A pod of the platform's image in which hai-server's programs reach the database."""

import asyncio
from collections.abc import Sequence
from typing import Any, BinaryIO

from hai.errors import PlatformError
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.exec import Pod, run_in_pod
from hai_up.bootstrap import said_why
from hai_up.cluster.objects import path_of_object
from hai_up.cluster.options import ClusterOptions
from hai_up.cluster.plan import job_objects
from hai_up.cluster.secrets import PlatformSecrets
from hai_up.providers.kubernetes.apply import apply_all, remove, wait_gone
from hai_up.providers.kubernetes.wait import pods_of, pods_say

Json = dict[str, Any]

JOB = "hai-transfer"
CONFIG = "/hai/config/override.toml"
LIFE_SECONDS = 4 * 3600  # the longest backup, restore or upgrade
READY_SECONDS = 300.0
BROKEN_SECONDS = 20.0  # that an image may seem to be missing
_STEP_SECONDS = 0.5
# Reasons of a container that no waiting mends, if they stay.
HOPELESS = frozenset({
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull",
    "CreateContainerConfigError", "CreateContainerError", "CrashLoopBackOff",
})  # fmt: skip


class TransferPod:
    """One at a time in a namespace; `close` removes it."""

    def __init__(
        self, client: KubernetesClient, options: ClusterOptions, secrets: PlatformSecrets
    ) -> None:
        self._client = client
        # tini passes the signal on that ends it
        command = ["/usr/bin/tini", "--", "sleep", str(LIFE_SECONDS)]
        self._items = job_objects(options, secrets, JOB, command, seconds=LIFE_SECONDS)
        self._pod: Pod | None = None

    async def open(self) -> None:
        """PlatformError: it does not come up, with the cluster's reason."""
        await self.close()
        await apply_all(self._client, self._items)
        loop = asyncio.get_running_loop()
        started, broken_at = loop.time(), 0.0
        while self._pod is None:
            pods = await pods_of(self._client, self._items[-1])
            self._pod = next((running(pod) for pod in pods if running(pod)), None)
            is_broken = bool(pods) and bool(hopeless(pods[0]))
            broken_at = (broken_at or loop.time()) if is_broken else 0.0
            is_late = loop.time() - started > READY_SECONDS
            if is_late or (broken_at and loop.time() - broken_at > BROKEN_SECONDS):
                why = await pods_say(self._client, self._items[-1])
                raise PlatformError(
                    f"the image does not start: {why or 'it has no pod'}",
                    hint="BASE_IMAGE must be there on every node of MANAGER_NODES: hai-up doctor",
                )
            if self._pod is None:
                await asyncio.sleep(_STEP_SECONDS)

    async def run(
        self, what: str, command: Sequence[str], stdout: BinaryIO, stdin: BinaryIO | None = None
    ) -> None:
        """To its end; PlatformError with its own words if it fails. `what`: what cannot be done."""
        assert self._pod is not None, "open() comes first"  # noqa: S101
        ended = await run_in_pod(self._client, self._pod, command, stdout, stdin)
        if ended.code:
            lines = ended.stderr.splitlines()
            why, hint = said_why(lines)
            last = lines[-1] if lines else f"exit {ended.code}"
            raise PlatformError(f"{what}: {why or last}", hint=hint)

    async def close(self) -> None:
        self._pod = None
        await remove(self._client, self._items)
        await wait_gone(self._client, [path_of_object(item) for item in self._items])


def running(pod: Json) -> Pod | None:
    """None: it does not run, or not any more."""
    metadata = pod["metadata"]
    states = list((pod.get("status") or {}).get("containerStatuses") or ())
    is_running = bool(states) and all("running" in (one.get("state") or {}) for one in states)
    if not is_running or "deletionTimestamp" in metadata:
        return None
    return Pod(metadata["namespace"], metadata["name"], states[0]["name"])


def hopeless(pod: Json) -> str:
    """The reason for which a container of it waits, if that is one of those; else ""."""
    status = pod.get("status") or {}
    both = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    for one in both:
        reason = ((one.get("state") or {}).get("waiting") or {}).get("reason", "")
        if reason in HOPELESS:
            return str(reason)
    return ""
