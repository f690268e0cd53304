"""Where pods get the agent from, and which of the three ways this cluster allows."""

import asyncio
import contextlib
import hashlib
from pathlib import Path

from hai.agent.build import build_agent
from hai.errors import Conflict
from hai.kubernetes.discovery import Discovery
from hai.kubernetes.manifests import AgentSource, agent_config_map
from hai.launcher.kubernetes.cluster import KubernetesCluster
from hai.launcher.kubernetes.names import MANAGED


class AgentStore:
    """With `image`, the platform's: a volume of it where the server has such, else a copy. Without,
    a ConfigMap named after the agent's content, made once by the server."""

    def __init__(self, cluster: KubernetesCluster, data_dir: Path, image: str) -> None:
        self._cluster = cluster
        self._data_dir = data_dir
        self._image = image
        self._source: AgentSource | None = None
        self._making = asyncio.Lock()

    async def source(self) -> AgentSource:
        async with self._making:
            if self._source is None:
                self._source = await self._find()
            return self._source

    async def _find(self) -> AgentSource:
        if not self._image:
            return AgentSource(config_map=await self._make_config_map())
        discovery = Discovery(self._cluster.client)
        is_volume = await discovery.has_image_volumes(self._cluster.namespace, self._image)
        return AgentSource(image=self._image, is_volume=is_volume)

    async def _make_config_map(self) -> str:
        archive = await asyncio.to_thread(self._archive)
        name = f"hai-agent-{hashlib.sha256(archive).hexdigest()[:12]}"
        labels = {**MANAGED, "hai/part": "agent"}
        body = agent_config_map(name, self._cluster.namespace, labels, archive)
        with contextlib.suppress(Conflict):
            await self._cluster.client.create(self._cluster.path("configmaps"), body)
        return name

    def _archive(self) -> bytes:
        return build_agent(self._data_dir / "agent").read_bytes()
