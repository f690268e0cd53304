"""The cluster as the launcher and the nodes' watch see it together: one client, one copy of the
nodes, one of our pods."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hai.errors import Unavailable
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.reflector import ObjectChange, Reflector
from hai.launcher.kubernetes.names import SELECTOR

Json = Mapping[str, Any]

SILENT_SECONDS = 20.0  # without a word of the API server, and nothing can be said any more
_SYNC_SECONDS = 5.0  # for the first lists


@dataclass(frozen=True, slots=True)
class KubernetesLocation:
    """Which cluster, and where in it."""

    kubeconfig: Path | None
    context: str | None
    namespace: str
    in_cluster: bool = False  # by the account of the server's own pod
    api_server: str = ""  # wins over the kubeconfig's


@dataclass(frozen=True, slots=True)
class KubernetesNode:
    """What a node says of itself now. `why` it is not ready, in the cluster's words."""

    name: str
    is_ready: bool
    why: str
    allocatable: Mapping[str, object]
    boot_id: str


class KubernetesCluster:
    """Opened by whoever comes first; closed by the last one."""

    def __init__(
        self, place: KubernetesLocation, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.namespace = place.namespace
        self._place = place
        self._monotonic = monotonic
        self._users = 0
        self._opening = asyncio.Lock()
        self._client: KubernetesClient | None = None
        self._nodes: Reflector | None = None
        self._pods: Reflector | None = None
        self._listeners: list[Callable[[ObjectChange], None]] = []

    async def open(self) -> None:
        """Read the kubeconfig and begin to follow; harmless when the API server is away.

        InvalidInput or AuthRequired: the kubeconfig is of no use.
        """
        async with self._opening:
            self._users += 1
            if self._client is not None:
                return
            place = self._place
            client = await KubernetesClient.open(
                place.kubeconfig,
                place.context,
                in_cluster=place.in_cluster,
                api_server=place.api_server,
            )
            self._client = client
            self._nodes = Reflector(client, paths.core("nodes"))
            self._pods = Reflector(
                client, self.path("pods"), label_selector=SELECTOR, on_change=self._tell
            )
            for reflector in (self._nodes, self._pods):
                await reflector.start()

    async def close(self) -> None:
        """The copies stay as they are; nothing in the cluster changes."""
        async with self._opening:
            self._users = max(0, self._users - 1)
            if self._users or self._client is None:
                return
            client, self._client = self._client, None
            for reflector in (self._nodes, self._pods):
                if reflector is not None:
                    await reflector.close()
            await client.close()

    def listen(self, listener: Callable[[ObjectChange], None]) -> None:
        """Tell of every change of our pods; it must be quick."""
        self._listeners.append(listener)

    @property
    def client(self) -> KubernetesClient:
        if self._client is None:
            raise Unavailable("the cluster's client is closed")
        return self._client

    def path(self, resource: str, name: str = "", subresource: str = "") -> str:
        """Of the core group in the tasks' namespace."""
        return paths.core(resource, self.namespace, name, subresource)

    async def require_view(self) -> None:
        """Unavailable when the copies are not complete, or nobody knows whether they still hold."""
        for reflector in (self._nodes, self._pods):
            if reflector is None:
                raise Unavailable("the cluster's client is closed")
            if not reflector.synced:
                try:
                    await asyncio.wait_for(reflector.wait_synced(), _SYNC_SECONDS)
                except TimeoutError:
                    why = reflector.counters.last_failure or "it does not answer"
                    raise Unavailable(f"the Kubernetes API server: {why}") from None
            silent = reflector.seconds_since_heard
            if silent > SILENT_SECONDS:
                raise Unavailable(
                    f"the Kubernetes API server has been silent for {silent:.0f} s",
                    hint="try: kubectl get --raw /readyz",
                )

    def pods(self) -> list[Json]:
        """Ours, as last heard."""
        return list(self._pods.items.values()) if self._pods is not None else []

    def pod(self, name: str) -> Json | None:
        return self._pods.items.get((self.namespace, name)) if self._pods is not None else None

    async def wait_for_pods(self, condition: Callable[[], object], seconds: float) -> bool:
        """Whether the condition came true in that time; it is looked at after every change."""
        if self._pods is None:
            return bool(condition())
        try:
            await asyncio.wait_for(self._pods.wait_for(lambda _: condition()), seconds)
        except TimeoutError:
            return bool(condition())
        return True

    def raw_nodes(self) -> list[Json]:
        return list(self._nodes.items.values()) if self._nodes is not None else []

    def node(self, name: str) -> KubernetesNode | None:
        """None: the cluster has no such node."""
        item = self._nodes.items.get(("", name)) if self._nodes is not None else None
        return None if item is None else node_view(item)

    def _tell(self, change: ObjectChange) -> None:
        for listener in self._listeners:
            listener(change)


def node_view(item: Json) -> KubernetesNode:
    """The parts of a node's object that matter here."""
    status = item.get("status") or {}
    ready, why = False, "it has not reported yet"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Ready":
            ready = condition.get("status") == "True"
            why = "" if ready else str(condition.get("message") or condition.get("reason") or "")
    return KubernetesNode(
        name=item["metadata"]["name"],
        is_ready=ready,
        why=why,
        allocatable=status.get("allocatable") or {},
        boot_id=str((status.get("nodeInfo") or {}).get("bootID") or ""),
    )
