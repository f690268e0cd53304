"""The engine as launcher and nodes see it together: one client, one copy of our containers."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from hai.docker.client import DockerClient
from hai.docker.view import Container, ContainerView
from hai.errors import Unavailable
from hai.launcher.docker.names import selector
from hai.launcher.docker.records import Records


class DockerEngine:
    """Opened by whoever comes first; closed by the last one."""

    def __init__(self, socket: Path, records: Records) -> None:
        self._socket = socket
        self.records = records
        self.platform = ""  # this installation's id
        self._users = 0
        self._opening = asyncio.Lock()
        self._client: DockerClient | None = None
        self._view: ContainerView | None = None
        self._size: tuple[float, int] | None = None
        self._listeners: list[Callable[[Container], None]] = []
        self.leaving = asyncio.Event()  # some container was asked to leave

    async def open(self) -> None:
        """Begin to follow; harmless when the engine is away."""
        async with self._opening:
            self._users += 1
            if self._client is not None:
                return
            self.platform = await asyncio.to_thread(self.records.open)
            self._client = DockerClient(self._socket)
            self._view = ContainerView(
                self._client, selector(self.platform), self._tell, lambda _: self.leaving.set()
            )
            await self._view.start()

    async def close(self) -> None:
        """Nothing in the engine changes; the copy stays as it is."""
        async with self._opening:
            self._users = max(0, self._users - 1)
            if self._users or self._client is None:
                return
            client, self._client = self._client, None
            if self._view is not None:
                await self._view.close()
            await client.close()

    def listen(self, listener: Callable[[Container], None]) -> None:
        """Tell of every container of ours that is gone; it must be quick."""
        self._listeners.append(listener)

    @property
    def client(self) -> DockerClient:
        if self._client is None:
            raise Unavailable("the Docker engine's client is closed")
        return self._client

    @property
    def view(self) -> ContainerView:
        if self._view is None:
            raise Unavailable("the Docker engine's client is closed")
        return self._view

    async def size(self) -> tuple[float, int]:
        """Cores and bytes of its machine."""
        if self._size is None:
            told = await self.client.get("/info")
            self._size = float(told["NCPU"]), int(told["MemTotal"])
        return self._size

    def _tell(self, gone: Container) -> None:
        for listener in self._listeners:
            listener(gone)
