"""The health loop: takes nodes out of the planner's hands while they can not do their work.

Agents that stay silent are taken for hung and killed, so that their gang is not kept waiting.
"""

import shutil
from pathlib import Path

import structlog

from hai.core.node import Node, NodeHealth
from hai.core.task import EventDraft, Task, WorkerKey
from hai.core.types import WorkerState
from hai.ports import Bus, Clock, Store
from hai.service.launching import Launching, keys_of
from hai.service.signals import EVENTS, SCHEDULE, worker_key

log = structlog.get_logger("hai.health")

_TURN_SECONDS = 10.0
_LEAST_FREE_BYTES = 100 * 2**20
_DISK = "disk:"


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
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._launching = launching
        self._log_dir = log_dir
        self._lost_after_seconds = lost_after_seconds
        self._started_at = clock.now()
        self._silent: set[WorkerKey] = set()

    async def turn(self) -> float:
        """Check once; seconds until the next turn."""
        if await self._store.lead():
            await self._check_disk()
            await self._check_heartbeats()
        return _TURN_SECONDS

    async def _check_disk(self) -> None:
        free_bytes = shutil.disk_usage(self._log_dir).free
        why = ""
        if free_bytes < _LEAST_FREE_BYTES:
            why = f"{_DISK} {free_bytes // 2**20} MiB free under {self._log_dir}"
        for node in await self._store.nodes():
            if node.launcher == "local":
                await self._mark(node, why)

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

    async def _check_heartbeats(self) -> None:
        """Kill agents that were silent in two turns running (one may be this machine's sleep)."""
        if self._clock.now() - self._started_at < self._lost_after_seconds:
            return
        silent: set[WorkerKey] = set()
        for task in await self._store.active_tasks():
            for key in await self._silent_keys(task):
                silent.add(key)
                if key in self._silent:
                    log.warning("agent_silent", key=str(key))
                    await self._launching.kill(task, key.rank)
        self._silent = silent

    async def _silent_keys(self, task: Task) -> list[WorkerKey]:
        attempt = task.attempt
        if attempt is None or self._clock.now() - attempt.created_at < self._lost_after_seconds:
            return []
        alive = [
            key
            for key, worker in keys_of(task).items()
            if worker.state in (WorkerState.READY, WorkerState.RUNNING)
        ]
        live = await self._bus.get_live([worker_key(key) for key in alive])
        return [key for key in alive if worker_key(key) not in live]
