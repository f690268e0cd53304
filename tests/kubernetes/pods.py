"""Workers as real pods, under a server's side that the test controls."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from hai.core.images import Image
from hai.core.mounts import Mount, MountKind
from hai.core.node import Node
from hai.core.task import WorkerKey
from hai.core.types import GroupName, NodeName, Priority, TaskId, UserName
from hai.kubernetes.client import KubernetesClient
from hai.launcher.kubernetes.agents import AgentStore
from hai.launcher.kubernetes.cluster import Cluster as View
from hai.launcher.kubernetes.cluster import Place
from hai.launcher.kubernetes.launcher import KubernetesLauncher
from hai.launcher.kubernetes.orders import PodOptions
from hai.launcher.kubernetes.shares import EqualShares
from hai.launcher.worker import AgentOptions
from hai.ports import Observation, WorkerLaunch, WorkerPhase
from tests.integration.agent_peer import TOKEN, Peer
from tests.kubernetes.testbed import Cluster
from tests.waiting import async_wait_until

SMALL = {"cpu": 0.2, "memory": 128 * 2**20}
WITHIN_SECONDS = 90.0


def address_towards(host: str) -> str:
    """This machine's address on the way to the API server, which pods can reach too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        address: str = probe.getsockname()[0]
        return address


async def api_host(cluster: Cluster) -> str:
    async with await KubernetesClient.open(cluster.kubeconfig) as client:
        return str(urlsplit(client.host).hostname)


class Pods:
    """A launcher in a namespace of the test's own, and the folder that it shares with the nodes."""

    outlives_server: ClassVar[bool] = True

    def __init__(self, cluster: Cluster, namespace: str, **options: Any) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._options = options
        self.folder = Path(tempfile.mkdtemp(prefix="hai-test-", dir="/tmp"))
        self.work_dir = self.folder / "work"
        self._open: list[KubernetesLauncher] = []
        self.heard: set[WorkerKey] = set()

    async def __aenter__(self) -> Self:
        self.folder.chmod(0o755)
        self.work_dir.mkdir()
        self.work_dir.chmod(0o777)
        self.peer = Peer(address_towards(await api_host(self.cluster)))
        self.launcher = await self.successor()
        return self

    async def __aexit__(self, *error: object) -> None:
        for launcher in self._open:
            await launcher.close()
        self.peer.stop()
        forced = ("--grace-period=0", "--force", "-n", self.namespace)
        await asyncio.to_thread(self.cluster.kubectl, "delete", "pods", "--all", *forced)
        shutil.rmtree(self.folder, ignore_errors=True)

    def options(self) -> PodOptions:
        work = str(self.work_dir)
        values: dict[str, Any] = {
            "namespace": self.namespace,
            "log_root": str(self.folder / "logs"),
            "log_gid": os.getgid(),
            "image": Image("default", self.cluster.image),
            "agent": AgentOptions(),
            "mounts": (Mount("work", MountKind.HOST_PATH, work, work),),
            "lost_after_seconds": 10.0,
            **self._options,
        }
        return PodOptions(**values)

    async def successor(self) -> KubernetesLauncher:
        view = View(Place(self.cluster.kubeconfig, None, self.namespace))
        agents = AgentStore(view, self.folder / "data", "")
        shares = EqualShares(SMALL)
        launcher = KubernetesLauncher(view, agents, self.options(), self._heard, shares=shares)
        self._open.append(launcher)
        await launcher.open()
        return launcher

    async def _heard(self, keys: Sequence[WorkerKey]) -> Collection[WorkerKey]:
        return self.heard.intersection(keys)

    def nodes(self) -> list[str]:
        return self.cluster.kubectl("get", "nodes", "-o", "name").replace("node/", "").split()

    def script(self, name: str, text: str) -> str:
        (self.work_dir / name).write_text(text)
        return name

    def launch_of(self, entrypoint: str, key: WorkerKey | None = None, **more: Any) -> WorkerLaunch:
        key = key or WorkerKey(TaskId(7), 1, 0)
        run = {"entrypoint": entrypoint, "workspace": str(self.work_dir), **more.pop("run", {})}
        spec = {"version": 2, "name": "t", "spec": run, "options": more.pop("options", {})}
        nodes = self.nodes()
        name = nodes[key.rank % len(nodes)]
        values: dict[str, Any] = {
            "key": key,
            "node": Node(NodeName(name), GroupName("training"), "kubernetes"),
            "user": UserName("ada"),
            "uid": 64321,
            "task_name": "t",
            "chain_id": "c",
            "group": "training",
            "priority": Priority.NORMAL,
            "world_size": 1,
            "spec": spec,
            "whole_life_state": 0,
            "log_dir": str(self.folder / "logs" / str(key.task_id) / str(key.attempt)),
            "server_url": self.peer.url,
            "token": TOKEN,
            "nodes": (NodeName(name),),
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
