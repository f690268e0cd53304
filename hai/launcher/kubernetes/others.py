"""Which pods of others are on each node, and what they request: a copy that follows the cluster."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import structlog

from hai.errors import Denied, Unavailable
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.reflector import ObjectChange, Reflector
from hai.launcher.kubernetes.cluster import KubernetesCluster
from hai.launcher.kubernetes.names import FOREIGN_SELECTOR

log = structlog.get_logger("hai.launcher.kubernetes")

Json = dict[str, Any]

_SYNC_SECONDS = 5.0  # for the first lists
_NOT_ENDED = "status.phase!=Succeeded,status.phase!=Failed"


class OtherPods:
    """Those of other namespaces, and those in ours that are not the platform's. Where the cluster
    does not let us look, there are none."""

    def __init__(self, cluster: KubernetesCluster) -> None:
        self._cluster = cluster
        self._reflectors: list[Reflector] = []
        self._by_node: dict[str, dict[tuple[str, str], Json]] = defaultdict(dict)
        self._starting = asyncio.Lock()
        self._may_look = True

    async def on(self, node: str) -> list[Json]:
        """Each with what it requests. Unavailable until the first look has come to its end."""
        async with self._starting:
            if not self._reflectors and self._may_look:
                await self._start()
        try:
            waits = (reflector.wait_synced() for reflector in self._reflectors)
            await asyncio.wait_for(asyncio.gather(*waits), _SYNC_SECONDS)
        except TimeoutError:
            raise Unavailable("the cluster has not told yet what other pods request") from None
        return list(self._by_node.get(node, {}).values())

    async def close(self) -> None:
        """Stop to follow; the next question begins anew."""
        reflectors, self._reflectors = self._reflectors, []
        for reflector in reflectors:
            await reflector.close()
        self._by_node.clear()

    async def _start(self) -> None:
        client, namespace = self._cluster.client, self._cluster.namespace
        try:
            await self._try_watch(client)
        except Denied as error:
            log.warning("other_pods_unknown", error=error.message)
            self._may_look = False  # the reserve has to do
            return
        elsewhere = Reflector(
            client,
            paths.core("pods"),
            field_selector=f"metadata.namespace!={namespace},{_NOT_ENDED}",
            on_change=self._note,
            keep=requests_alone,
        )
        foreign = Reflector(
            client,
            paths.core("pods", namespace),
            label_selector=FOREIGN_SELECTOR,
            field_selector=_NOT_ENDED,
            on_change=self._note,
            keep=requests_alone,
        )
        self._reflectors = [elsewhere, foreign]
        for reflector in self._reflectors:
            await reflector.start()

    async def _try_watch(self, client: KubernetesClient) -> None:
        """Denied: a reflector would ask in vain for ever."""
        nobody = {"fieldSelector": "metadata.name=-", "watch": True, "timeoutSeconds": 1}
        async with client.stream("WATCH", paths.core("pods"), params=nobody, idle_seconds=5.0):
            return

    def _note(self, change: ObjectChange) -> None:
        before, after = change.before, change.after
        if before is not None and (node := before["spec"]["nodeName"]):
            self._by_node[node].pop(change.key, None)
        if after is not None and (node := after["spec"]["nodeName"]):
            self._by_node[node][change.key] = after


def requests_alone(item: Json) -> Json:
    """Its name, its node, and what it requests."""
    metadata, spec = item["metadata"], item.get("spec") or {}
    kept: Json = {
        "nodeName": spec.get("nodeName"),
        "containers": _requests(spec.get("containers")),
        "initContainers": _requests(spec.get("initContainers")),
    }
    if spec.get("overhead"):
        kept["overhead"] = spec["overhead"]
    names = ("name", "namespace", "uid", "resourceVersion")
    return {"metadata": {name: metadata.get(name) for name in names}, "spec": kept}


def _requests(containers: list[Mapping[str, Any]] | None) -> list[Json]:
    asked = ((one.get("resources") or {}).get("requests") for one in containers or ())
    return [{"resources": {"requests": requests}} for requests in asked if requests]
