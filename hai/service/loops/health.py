"""The health loop: takes nodes out of the planner's hands while they cannot do their work.

Agents that stay silent are taken for hung and killed, so that their gang is not kept waiting.
"""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from hai.core.node import Node, NodeHealth
from hai.core.task import Task, WorkerKey
from hai.core.types import NodeName, WorkerState
from hai.ports import Bus, Clock, Cluster, Leading, Tasks
from hai.service.launching import Launching, keys_of
from hai.service.loops.term import Term
from hai.service.node_health import NodeHealthWriter, health_text
from hai.service.nodes import NodeService
from hai.service.signals import worker_key
from hai.service.suspects import Suspects

log = structlog.get_logger("hai.health")

_RUN_SECONDS = 10.0
_OF_THIS_MACHINE = ("local", "docker")  # launchers whose nodes write to its disks
_LEAST_FREE_BYTES = 100 * 2**20
_DISK = "disk:"
_SILENT = "silent:"
_SILENT_RUNS = 2  # in a row, before a third one is the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an agent may be silent, and a node that lost a worker has to be quiet."""

    lost_after_seconds: float
    quiet_seconds: float


class HealthStore(Tasks, Cluster, Leading, Protocol):
    """What is needed of the store here."""


class HealthChecking:
    """One run checks this machine's disk, suspects, drained nodes and the agents' heartbeats."""

    def __init__(
        self,
        store: HealthStore,
        bus: Bus,
        clock: Clock,
        launching: Launching,
        *,
        patience: Patience,
        log_dir: Path,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._launching = launching
        self._nodes = NodeService(store, bus, clock)
        self._health = NodeHealthWriter(store, bus, clock, "health")
        self._suspects = Suspects(store, bus, clock, patience.quiet_seconds)
        self._log_dir = log_dir
        self._lost_after_seconds = patience.lost_after_seconds
        self._free_bytes = free_bytes
        self._term = Term(store)
        self._silent: dict[WorkerKey, int] = {}  # runs in a row

    async def run_once(self) -> float:
        """Check once; seconds until the next run."""
        leads = await self._term.holds()
        if self._term.is_new:
            self._silent = {}
        if not leads:
            return _RUN_SECONDS
        leads_since = self._term.since(self._clock.steady())
        nodes = await self._store.nodes()
        await self._check_disk(nodes)
        await self._check_launchers(nodes)
        due_seconds = await self._suspects.look(nodes, self._is_well)
        await self._nodes.clear_drained(actor="health")  # what a crash has left there
        await self._check_heartbeats(leads_since)
        return _RUN_SECONDS if due_seconds is None else min(due_seconds, _RUN_SECONDS)

    async def _is_well(self, node: Node) -> bool:
        if await self._launching.silence_of(node.launcher):
            return False
        return node.launcher not in _OF_THIS_MACHINE or not await asyncio.to_thread(
            self._disk_trouble
        )

    async def _check_disk(self, nodes: Sequence[Node]) -> None:
        why = await asyncio.to_thread(self._disk_trouble)  # a file server may let one wait
        for node in nodes:
            if node.launcher in _OF_THIS_MACHINE:
                await self._mark(node, _DISK, why)

    async def _check_launchers(self, nodes: Sequence[Node]) -> None:
        """Nothing is started where nobody can tell what runs; what runs there goes on."""
        for name in sorted({node.launcher for node in nodes}):
            why = await self._launching.silence_of(name)
            for node in nodes:
                if node.launcher == name:
                    await self._mark(node, _SILENT, why and f"{_SILENT} {why}")

    def _disk_trouble(self) -> str:
        try:
            free_bytes = self._free_bytes(self._log_dir)
        except OSError as error:
            return f"{_DISK} {self._log_dir} cannot be used: {error.strerror or error}"
        if free_bytes < _LEAST_FREE_BYTES:
            return f"{_DISK} {free_bytes // 2**20} MiB free under {self._log_dir}"
        return ""

    async def _mark(self, node: Node, kind: str, why: str) -> None:
        ours = node.health is NodeHealth.SUSPECT and node.health_why.startswith(kind)
        if why and node.health is NodeHealth.READY:
            await self._set(node, NodeHealth.SUSPECT, why)
        elif ours and not why:
            await self._set(node, NodeHealth.READY, "")

    async def _set(self, node: Node, health: NodeHealth, why: str) -> None:
        await self._health.write(node, health, why, told=health_text(node, health, why))

    async def _check_heartbeats(self, leads_since: float) -> None:
        """Kill agents that stay silent: two runs may be this machine's sleep and the poll that
        was under way when it began."""
        hears_since = self._bus.connected_since  # agents may speak to other processes
        since = None if hears_since is None else max(leads_since, hears_since)
        if since is None or self._clock.steady() - since < self._lost_after_seconds:
            self._silent = {}
            return
        silent: dict[WorkerKey, int] = {}
        tasks, now = await self._store.active_tasks(), self._clock.now()
        for task in tasks:
            for key, node in await self._silent_workers(task, now):
                silent[key] = self._silent.get(key, 0) + 1
                if silent[key] > _SILENT_RUNS:
                    log.warning("agent_silent", key=str(key))
                    why = f"silent for {self._lost_after_seconds:g} s"
                    await self._launching.kill(key, node, why)
        self._silent = silent

    async def _silent_workers(self, task: Task, now: float) -> list[tuple[WorkerKey, NodeName]]:
        attempt = task.attempt
        if attempt is None or now - attempt.created_at < self._lost_after_seconds:
            return []
        alive = [
            (key, worker.node)
            for key, worker in keys_of(task).items()
            if worker.state in (WorkerState.READY, WorkerState.RUNNING)
        ]
        live = await self._bus.get_live([worker_key(key) for key, _ in alive])
        return [(key, node) for key, node in alive if worker_key(key) not in live]
