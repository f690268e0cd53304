"""Workers as real containers, under a server's side that the test controls."""

import os
from typing import Any, Self

from hai.core.images import Image
from hai.core.mounts import Mount, MountKind
from hai.core.node import Node
from hai.core.task import WorkerKey
from hai.core.types import GroupName, NodeName
from hai.launcher.docker.engine import DockerEngine
from hai.launcher.docker.launcher import DockerLauncher
from hai.launcher.docker.nodes import DockerNodes, ShareOptions
from hai.launcher.docker.orders import DockerOptions
from hai.launcher.docker.records import Records
from tests.docker.engine import IMAGE, PrivateEngine
from tests.integration.agent_peer import Peer
from tests.workers import Workers


class Containers(Workers):
    """A launcher with nodes of its own, and the folder that it shares with the engine."""

    server_url = "http://127.0.0.1:9"  # nobody: the options say where the server is

    def __init__(self, engine: PrivateEngine, **options: Any) -> None:
        super().__init__()
        self.engine = engine
        self._network = options.pop("network", "own")
        self._gpus = options.pop("gpus", 0)
        self._nodes = options.pop("nodes", 3)
        self._memory = options.pop("reserve_memory_bytes", 0)
        self._options = options
        self._open: list[DockerLauncher] = []

    async def __aenter__(self) -> Self:
        self.make_folders()
        self.peer = Peer(self.engine.host)
        self.launcher = await self.successor()
        return self

    async def __aexit__(self, *error: object) -> None:
        last = await self.successor()
        for key in self.launched:
            await last.kill(key)
            await last.forget(key)
        for launcher in self._open:
            await launcher.close()
        self.peer.stop()
        self.remove_folders()

    def options(self) -> DockerOptions:
        work = str(self.work_dir)
        values: dict[str, Any] = {
            "log_root": str(self.folder / "logs"),
            "log_gid": os.getgid(),
            "image": Image("default", IMAGE),
            "mounts": (Mount("work", MountKind.HOST_PATH, work, work),),
            "server_url": self.peer.url,
            **self._options,
        }
        return DockerOptions(**values)

    async def successor(self) -> DockerLauncher:
        view = DockerEngine(self.engine.socket, Records(self.folder / "data" / "docker"))
        shares = ShareOptions(nodes=self._nodes, reserve_memory_bytes=self._memory)
        self.nodes = DockerNodes(view, shares, lambda: self._gpus)
        launcher = DockerLauncher(
            view,
            self.nodes,
            self.options(),
            network=self._network,
            data_dir=self.folder / "data",
        )
        self._open.append(launcher)
        await launcher.open()
        return launcher

    def node_of(self, key: WorkerKey) -> Node:
        name = NodeName(f"node-{key.rank % self._nodes + 1:02d}")
        return Node(name, GroupName("training"), "docker")

    def text(self, key: WorkerKey) -> str:
        """The log of this rank, without its times."""
        folder = self.folder / "logs" / str(key.task_id) / str(key.attempt)
        files = sorted(folder.glob(f"{key.rank}.*.log"))
        lines = "".join(path.read_text() for path in files).splitlines()
        return "\n".join(line[29:] for line in lines)
