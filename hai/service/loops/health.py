"""The health loop: takes nodes out of the planner's hands while they can not do their work.

Agents that stay silent are taken for hung and killed, so that their gang is not kept waiting.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import structlog

from hai.core.node import Node, NodeHealth
from hai.core.task import EventDraft, Task, WorkerKey
from hai.core.types import NodeName, WorkerState
from hai.ports import Bus, Clock, Store
from hai.service.launching import Launching, keys_of
from hai.service.signals import EVENTS, SCHEDULE, worker_key

log = structlog.get_logger("hai.health")

_TURN_SECONDS = 10.0
_LEAST_FREE_BYTES = 100 * 2**20
_DISK = "disk:"
_SILENT_TURNS = 2  # in a row, before a third one is the last


class HealthChecking:
    """One turn checks this machine's disk and the agents' heartbeats."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        launching: Launching,
        *,
        log_dir: Path,
        lost_after_seconds: float,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._launching = launching
        self._log_dir = log_dir
        self._lost_after_seconds = lost_after_seconds
        self._free_bytes = free_bytes
        self._leads_since: float | None = None
        self._silent: dict[WorkerKey, int] = {}  # turns in a row

    async def turn(self) -> float:
        """Check once; seconds until the next turn."""
        if not await self._store.lead():
            self._leads_since = None
            self._silent = {}
            return _TURN_SECONDS
        if self._leads_since is None:
            self._leads_since = self._clock.now()
        await self._check_disk()
        await self._check_heartbeats(self._leads_since)
        return _TURN_SECONDS

    async def _check_disk(self) -> None:
        why = await asyncio.to_thread(self._disk_trouble)  # a file server may let one wait
        for node in await self._store.nodes():
            if node.launcher == "local":
                await self._mark(node, why)

    def _disk_trouble(self) -> str:
        try:
            free_bytes = self._free_bytes(self._log_dir)
        except OSError as error:
            return f"{_DISK} {self._log_dir} can not be used: {error.strerror or error}"
        if free_bytes < _LEAST_FREE_BYTES:
            return f"{_DISK} {free_bytes // 2**20} MiB free under {self._log_dir}"
        return ""

    async def _mark(self, node: Node, why: str) -> None:
        ours = node.health is NodeHealth.SUSPECT and node.health_why.startswith(_DISK)
        if why and node.health is NodeHealth.READY:
            await self._set(node, NodeHealth.SUSPECT, why)
        elif ours and not why:
            await self._set(node, NodeHealth.READY, "")

    async def _set(self, node: Node, health: NodeHealth, why: str) -> None:
        log.warning("node_health", node=node.name, health=health.value, why=why)
        event = EventDraft(
            kind=f"node.{health.value}",
            actor="health",
            at=self._clock.now(),
            why=why,
            data={"node": node.name},
        )
        await self._store.set_node_health(node.name, health, why, event)
        await self._bus.publish(SCHEDULE)
        await self._bus.publish(EVENTS)

    async def _check_heartbeats(self, leads_since: float) -> None:
        """Kill agents that stay silent: two turns may be this machine's sleep and the poll that
        was under way when it began."""
        if self._clock.now() - leads_since < self._lost_after_seconds:
            return
        silent: dict[WorkerKey, int] = {}
        for task in await self._store.active_tasks():
            for key, node in await self._silent_workers(task):
                silent[key] = self._silent.get(key, 0) + 1
                if silent[key] > _SILENT_TURNS:
                    log.warning("agent_silent", key=str(key))
                    await self._launching.kill(key, node)
        self._silent = silent

    async def _silent_workers(self, task: Task) -> list[tuple[WorkerKey, NodeName]]:
        attempt = task.attempt
        if attempt is None or self._clock.now() - attempt.created_at < self._lost_after_seconds:
            return []
        alive = [
            (key, worker.node)
            for key, worker in keys_of(task).items()
            if worker.state in (WorkerState.READY, WorkerState.RUNNING)
        ]
        live = await self._bus.get_live([worker_key(key) for key, _ in alive])
        return [(key, node) for key, node in alive if worker_key(key) not in live]
