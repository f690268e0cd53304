"""The reap loop: removes what is left of attempts that are over.

A worker that its task does not want any more has a moment to leave by itself, then it is killed;
a worker whose end is recorded is forgotten, and its traces (not its logs) go.
"""

from typing import Protocol

import structlog

from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.ports import Clock, Launcher, Leading, Observation, Tasks, WorkerPhase
from hai.service.launching import Launching, keys_of

log = structlog.get_logger("hai.reap")

_RUN_SECONDS = 5.0
_PATIENCE_SECONDS = 10.0


class ReapingStore(Tasks, Leading, Protocol):
    """What is needed of the store here."""


class Reaping:
    """One run looks at every worker that a launcher knows."""

    def __init__(self, store: ReapingStore, clock: Clock, launching: Launching) -> None:
        self._store = store
        self._clock = clock
        self._launching = launching
        self._unwanted_since: dict[WorkerKey, float] = {}

    async def run_once(self) -> float:
        """Kill and forget what is over; seconds until the next run."""
        if not await self._store.lead():
            self._unwanted_since.clear()
            return _RUN_SECONDS
        # workers first, tasks second: a worker launched in between is wanted by then
        sight = await self._launching.look()
        seen = sight.workers
        if not seen and not sight.silent:
            self._unwanted_since.clear()
            return _RUN_SECONDS
        wanted = await self._wanted({key.task_id for key in seen})
        now = self._clock.steady()
        for key, (launcher, observation) in seen.items():
            if key in wanted:
                self._unwanted_since.pop(key, None)
            else:
                await self._remove(key, launcher, observation, now)
        if not sight.silent:  # else somebody whom nobody can see now may still be there
            self._unwanted_since = {k: t for k, t in self._unwanted_since.items() if k in seen}
        return _RUN_SECONDS

    async def _wanted(self, ids: set[TaskId]) -> set[WorkerKey]:
        wanted: set[WorkerKey] = set()
        for task in await self._store.tasks(ids):
            if task.state.is_active:
                wanted |= {key for key, w in keys_of(task).items() if not w.state.is_over}
        return wanted

    async def _remove(
        self, key: WorkerKey, launcher: Launcher, observation: Observation, now: float
    ) -> None:
        since = self._unwanted_since.setdefault(key, now)
        if observation.phase is not WorkerPhase.ALIVE:
            await self._launching.remove(launcher, key)
        elif now - since >= _PATIENCE_SECONDS:
            log.warning("orphan_killed", key=str(key))
            await self._launching.kill_orphan(launcher, key)
