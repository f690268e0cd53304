"""A network for each attempt: its containers reach each other and the server, and nobody else's."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from hai.core.task import WorkerKey
from hai.docker.client import DockerClient
from hai.docker.render import HOST, network
from hai.errors import Conflict, Denied, HaiError, NotFound, Unavailable
from hai.launcher.docker.names import attempt_labels, attempt_name, key_of, selector
from hai.launcher.docker.records import Records

log = structlog.get_logger("hai.launcher.docker")

_NO_SUBNET = "non-overlapping"  # of the engine's words when its address pools are used up


@dataclass(frozen=True, slots=True)
class ContainerNetwork:
    """Where a container stands: its network's name, and the server's machine as seen from there."""

    network: str
    gateway: str


class Networks:
    """`kind` "own" or "host"."""

    def __init__(self, client: DockerClient, records: Records, kind: str) -> None:
        self._client = client
        self._records = records
        self._kind = kind
        self._known: dict[str, ContainerNetwork] = {}
        self._making: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def name_of(self, platform: str, key: WorkerKey, *, on_host: bool) -> str:
        """`on_host`: by a quota of the user's."""
        return HOST if self._kind == HOST or on_host else attempt_name(platform, key)

    async def place(self, name: str, platform: str, key: WorkerKey) -> ContainerNetwork:
        """Make it if it is not there. Unavailable when the engine has no addresses left."""
        if name == HOST:
            return ContainerNetwork(HOST, "127.0.0.1")
        async with self._making[name]:
            if name not in self._known:
                self._known[name] = await self._make(name, platform, key)
            return self._known[name]

    async def _make(self, name: str, platform: str, key: WorkerKey) -> ContainerNetwork:
        async with self._alone():
            made = await self._find(name)
            if made is None:
                await self._create(name, platform, key)
                made = await self._find(name)
        for config in ((made or {}).get("IPAM") or {}).get("Config") or ():
            gateway = str(config.get("Gateway", "")).partition("/")[0]
            if gateway and ":" not in gateway:
                return ContainerNetwork(name, gateway)
        raise Unavailable(f"the network {name} has no gateway")

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Engines make a second network of one name when they are asked twice at once."""
        held = self._records.lock()
        await asyncio.to_thread(held.__enter__)
        try:
            yield
        finally:
            held.__exit__(None, None, None)

    async def _find(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await self._client.get(f"/networks/{name}")
        except NotFound:
            return None
        return found

    async def _create(self, name: str, platform: str, key: WorkerKey) -> None:
        body = network(name, attempt_labels(platform, key))
        try:
            await self._client.post("/networks/create", body)
        except HaiError as error:
            if _NO_SUBNET not in error.message:
                raise
            raise Unavailable(
                "the Docker engine has no addresses left for another network: "
                f"{error.message.rpartition(':')[2].strip()}",
                hint="set default-address-pools in the engine's daemon.json, or nodes share one "
                'network with [docker] network = "host"',
            ) from None

    async def release(self, platform: str, key: WorkerKey) -> None:
        """Remove it unless a container of the attempt is still on it; harmless when it is gone."""
        if self._kind == HOST:
            return
        await self._remove(attempt_name(platform, key))

    async def sweep(self, platform: str) -> None:
        """Remove those that a crash has left, of attempts without a worker. The records are read
        last: whoever makes a network has made its worker's record before."""
        listed = await self._client.get("/networks", filters={"label": [selector(platform)]})
        records = await asyncio.to_thread(self._records.all)
        attempts = {(key.task_id, key.attempt) for key in records}
        for item in listed:
            key = key_of(item.get("Labels") or {})
            if key is not None and (key.task_id, key.attempt) not in attempts:
                await self._remove(str(item["Name"]))

    def forget(self, name: str) -> None:
        """The engine does not have it any more: the next launch makes it again."""
        self._known.pop(name, None)

    async def _remove(self, name: str) -> None:
        async with self._making[name]:
            self._known.pop(name, None)
            try:
                await self._client.delete(f"/networks/{name}")
            except NotFound:
                pass
            except (Denied, Conflict) as error:  # active endpoints: the last worker takes it along
                log.info("network_stays", network=name, error=error.message)
                return
        self._making.pop(name, None)
