"""Nodes that are equal shares of the engine's machine; see hai.service.loops.membership."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from hai.core.node import Node
from hai.core.task import WorkerKey
from hai.core.types import GroupName, NodeName
from hai.errors import PlatformError, Unavailable
from hai.launcher.docker.engine import DockerEngine
from hai.launcher.docker.names import key_of
from hai.launcher.docker.orders import Share
from hai.ports.nodes import SourceNode

log = structlog.get_logger("hai.nodes")

LAUNCHER = "docker"
NODES_PER_LEAF = 16  # of one machine all are as near as can be; as the local provider has it


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareOptions:
    """How the machine is shared out. `node_gpus` None: all that it has, in equal parts."""

    nodes: int = 1
    prefix: str = "node"
    group: str = "training"
    node_gpus: int | None = None
    shared_nodes: int = 0  # the last of them, which containers share
    shared_group: str = "jupyter_cpu"
    reserve_cpus: float = 0.0
    reserve_memory_bytes: int = 0


class DockerNodes:
    """A NodeSource. The engine says how large its machine is, `count_gpus` how many GPUs it has.
    There is nobody on the other side of a cordon: it is kept as we told it."""

    launcher = LAUNCHER

    def __init__(
        self, engine: DockerEngine, options: ShareOptions, count_gpus: Callable[[], int]
    ) -> None:
        self._engine = engine
        self._options = options
        self._count_gpus = count_gpus
        self._gpus: int | None = None
        self._cordons: dict[str, tuple[bool, bool]] = {}
        width = max(2, len(str(options.nodes)))
        self._names = [f"{options.prefix}-{i + 1:0{width}d}" for i in range(options.nodes)]

    async def open(self) -> None:
        await self._engine.open()

    async def close(self) -> None:
        await self._engine.close()

    async def nodes(self) -> list[SourceNode]:
        await self._engine.view.require()
        whole = await self._engine.size()
        gpus = await self._machine_gpus()
        return [self._node(index, whole, gpus) for index in range(self._options.nodes)]

    async def departures(self) -> Mapping[WorkerKey, str]:
        await self._engine.view.require()
        return {
            key: f"its container {one.name} was told to stop, and not by the platform"
            for one in self._engine.view.all()
            if one.is_leaving and not one.is_over and (key := key_of(one.labels)) is not None
        }

    async def set_cordon(self, name: NodeName, *, cordoned: bool, agreed: bool) -> None:
        self._cordons[name] = (cordoned, agreed)

    async def wait(self, seconds: float) -> None:
        leaving = self._engine.leaving
        try:
            await asyncio.wait_for(leaving.wait(), seconds)
        except TimeoutError:
            return
        finally:
            leaving.clear()

    async def share_of(self, node: Node) -> Share:
        """What a worker on this node gets. Unavailable when the engine does not answer or the node
        is no share any more."""
        if node.name not in self._names:
            raise Unavailable(f"{node.name} is not a share of this machine now")
        index = self._names.index(node.name)
        cpus, memory_bytes = self._part(await self._engine.size())
        per_node = self._per_node(await self._machine_gpus())
        first = index * per_node
        return Share(cpus, memory_bytes, tuple(range(first, first + per_node)))

    def _node(self, index: int, whole: tuple[float, int], gpus: int) -> SourceNode:
        cpus, memory_bytes = self._part(whole)
        per_node = self._per_node(gpus)
        name = self._names[index]
        # a server that sees no GPU may still be told of them: its containers get what it does not
        is_short = 0 < gpus < (index + 1) * per_node
        cordoned, agreed = self._cordons.get(name, (False, False))
        return SourceNode(
            node=Node(
                name=NodeName(name),
                group=GroupName(self._group_of(index)),
                launcher=LAUNCHER,
                gpus=per_node,
                cpus=cpus,
                memory_bytes=memory_bytes,
                leaf=f"leaf-{index // NODES_PER_LEAF + 1}",
            ),
            is_ready=not is_short,
            why=f"it is to have {per_node} GPUs and the machine has {gpus}" if is_short else "",
            is_cordoned=cordoned,
            is_agreed=agreed,
        )

    def _group_of(self, index: int) -> str:
        options = self._options
        is_shared = index >= options.nodes - options.shared_nodes
        return options.shared_group if is_shared else options.group

    def _part(self, whole: tuple[float, int]) -> tuple[float, int]:
        options = self._options
        cpus = max(0.01, (whole[0] - options.reserve_cpus) / options.nodes)
        memory_bytes = max(0, whole[1] - options.reserve_memory_bytes) // options.nodes
        return round(cpus, 2), memory_bytes

    def _per_node(self, gpus: int) -> int:
        wanted = self._options.node_gpus
        return gpus // self._options.nodes if wanted is None else wanted

    async def _machine_gpus(self) -> int:
        if self._gpus is None:
            try:
                self._gpus = await asyncio.to_thread(self._count_gpus)
            except PlatformError as error:
                if self._options.node_gpus is None:
                    raise Unavailable(error.message, hint=error.hint) from error
                log.warning("gpus_not_counted", error=error.message)
                self._gpus = 0
        return self._gpus
