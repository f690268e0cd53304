"""Workers as real containers, under a server's side that the test controls."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar, Self

from hai.core.images import Image
from hai.core.mounts import Mount, MountKind
from hai.core.node import Node
from hai.core.task import WorkerKey
from hai.core.types import GroupName, NodeName, Priority, TaskId, UserName
from hai.launcher.docker.engine import Engine
from hai.launcher.docker.launcher import DockerLauncher
from hai.launcher.docker.nodes import DockerNodes, ShareOptions
from hai.launcher.docker.orders import DockerOptions
from hai.launcher.docker.records import Records
from hai.ports import Observation, WorkerLaunch, WorkerPhase
from tests.docker.engine import IMAGE, PrivateEngine
from tests.integration.agent_peer import TOKEN, Peer
from tests.waiting import async_wait_until

WITHIN_SECONDS = 90.0
UID = 64321


class Containers:
    """A launcher with nodes of its own, and the folder that it shares with the engine."""

    outlives_server: ClassVar[bool] = True

    def __init__(self, engine: PrivateEngine, **options: Any) -> None:
        self.engine = engine
        self._network = options.pop("network", "own")
        self._gpus = options.pop("gpus", 0)
        self._nodes = options.pop("nodes", 3)
        self._memory = options.pop("reserve_memory_bytes", 0)
        self._options = options
        self.folder = Path(tempfile.mkdtemp(prefix="hai-test-", dir="/tmp"))
        self.work_dir = self.folder / "work"
        self._open: list[DockerLauncher] = []
        self._seen: set[WorkerKey] = set()

    async def __aenter__(self) -> Self:
        self.folder.chmod(0o755)
        self.work_dir.mkdir()
        self.work_dir.chmod(0o777)
        self.peer = Peer(self.engine.host)
        self.launcher = await self.successor()
        return self

    async def __aexit__(self, *error: object) -> None:
        last = await self.successor()
        for key in self._seen:
            await last.kill(key)
            await last.forget(key)
        for launcher in self._open:
            await launcher.close()
        self.peer.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

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
        view = Engine(self.engine.socket, Records(self.folder / "data" / "docker"))
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

    def script(self, name: str, text: str) -> str:
        (self.work_dir / name).write_text(text)
        return name

    def launch_of(self, entrypoint: str, key: WorkerKey | None = None, **more: Any) -> WorkerLaunch:
        key = key or WorkerKey(TaskId(7), 1, 0)
        self._seen.add(key)
        run = {"entrypoint": entrypoint, "workspace": str(self.work_dir), **more.pop("run", {})}
        spec = {"version": 2, "name": "t", "spec": run, "options": more.pop("options", {})}
        name = NodeName(f"node-{key.rank % self._nodes + 1:02d}")
        values: dict[str, Any] = {
            "key": key,
            "node": Node(name, GroupName("training"), "docker"),
            "user": UserName("ada"),
            "uid": UID,
            "task_name": "t",
            "chain_id": "c",
            "group": "training",
            "priority": Priority.NORMAL,
            "world_size": 1,
            "spec": spec,
            "whole_life_state": 0,
            "log_dir": str(self.folder / "logs" / str(key.task_id) / str(key.attempt)),
            "server_url": "http://127.0.0.1:9",
            "token": TOKEN,
            "nodes": (name,),
            **more,
        }
        return WorkerLaunch(**values)

    def worker(self, key: WorkerKey, exit_code: int | None) -> WorkerLaunch:
        """As the contract suite asks for it: it ends at once, or runs on."""
        name = str(key).replace(".", "_")
        end = "time.sleep(600)" if exit_code is None else f"raise SystemExit({exit_code})"
        mark = f"print('start', file=open('{name}.starts', 'a'))"
        self.script(f"{name}.py", f"import time\n{mark}\n{end}\n")
        self.peer.order(str(key), go=True)
        return self.launch_of(f"{name}.py", key)

    async def settle(self, key: WorkerKey) -> None:
        await async_wait_until(lambda: self.starts(key), WITHIN_SECONDS, what=f"start of {key}")

    def starts(self, key: WorkerKey) -> int:
        marks = self.work_dir / f"{str(key).replace('.', '_')}.starts"
        return len(marks.read_text().splitlines()) if marks.exists() else 0

    def text(self, key: WorkerKey) -> str:
        """The log of this rank, without its times."""
        folder = self.folder / "logs" / str(key.task_id) / str(key.attempt)
        files = sorted(folder.glob(f"{key.rank}.*.log"))
        lines = "".join(path.read_text() for path in files).splitlines()
        return "\n".join(line[29:] for line in lines)

    async def seen(self, key: WorkerKey) -> Observation | None:
        return next((one for one in await self.launcher.observe() if one.key == key), None)

    async def until(self, key: WorkerKey, phase: WorkerPhase, words: str = "") -> Observation:
        """The observation once it is of that phase and says these words."""
        found: list[Observation | None] = [None]

        async def look() -> bool:
            found[0] = await self.seen(key)
            return bool(found[0] and found[0].phase is phase and words in found[0].detail)

        try:
            await async_wait_until(look, WITHIN_SECONDS, what=f"{key} {phase} {words}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {found[0]}") from None
        assert found[0] is not None
        return found[0]
