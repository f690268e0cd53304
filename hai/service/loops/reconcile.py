"""The reconcile loop: what should run against what does run.

Launches what a crash kept from being launched, takes note of workers that died without a word,
lets the clock end handshakes, and kills what does not leave in time.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import structlog

from hai.core import gang
from hai.core.gang import Timing, WorkerReport
from hai.core.task import Task, Worker, WorkerKey
from hai.core.types import TaskId, TaskState, WorkerState
from hai.ports import Clock, Launcher, Observation, Store, WorkerPhase
from hai.service.launching import Launching, keys_of
from hai.service.workers import WorkerService

log = structlog.get_logger("hai.reconcile")

_ACTIVE_SECONDS = 1.0  # between turns while something is active
_IDLE_SECONDS = 5.0
_SHORTEST_SECONDS = 0.05
_LAUNCH_SECONDS = 2.0  # a launch that was asked for is not asked for again before
_KILL_SLACK_SECONDS = 3.0  # beyond SIGTERM's own time, before the agent is bypassed

Seen = Mapping[WorkerKey, tuple[Launcher, Observation]]


class Reconciling:
    """One turn looks at every active task once."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        workers: WorkerService,
        launching: Launching,
        timing: Timing,
    ) -> None:
        self._store = store
        self._clock = clock
        self._workers = workers
        self._launching = launching
        self._timing = timing

    async def turn(self) -> float:
        """Bring desired and actual together; seconds until the next turn is due."""
        if not await self._store.lead():
            return 1.0
        # tasks first, workers second: a worker launched in between is seen and not missed
        tasks = await self._store.active_tasks()
        if not tasks:
            return _IDLE_SECONDS
        seen = await self._launching.observe()
        now = self._clock.now()
        reports: dict[TaskId, list[WorkerReport]] = defaultdict(list)
        for task in tasks:
            if await self._relaunch(task, seen, now):
                continue
            await self._kill_late(task, now)
            reports[task.id] += self._deaths(task, seen, now)
        due = [task for task in tasks if reports[task.id] or self._is_due(task, now)]
        if due:
            await self._workers.fold({task.id: reports[task.id] for task in due})
        return self._next(tasks, now)

    async def _relaunch(self, task: Task, seen: Seen, now: float) -> bool:
        """Launch workers that nobody asked for since the server started; True if there were any."""
        attempt = task.attempt
        if attempt is None or task.state is not TaskState.STARTING:
            return False
        missing = [
            key
            for key, worker in keys_of(task).items()
            if worker.state is WorkerState.CREATED and key not in self._launching.launched
        ]
        if not missing:
            return False
        if now - attempt.created_at >= _LAUNCH_SECONDS or any(key in seen for key in missing):
            log.info("relaunch", task=task.id, workers=[str(key) for key in missing])
            await self._launching.launch(task)
        return True

    async def _kill_late(self, task: Task, now: float) -> None:
        attempt = task.attempt
        if attempt is None or attempt.terminate_at is None:
            return
        allowed = self._timing.term_seconds + _KILL_SLACK_SECONDS
        if now - attempt.terminate_at < allowed:
            return
        for worker in attempt.workers:
            if not worker.state.is_over:
                log.warning("kill", task=task.id, rank=worker.rank, node=worker.node)
                await self._launching.kill(task, worker.rank)

    def _deaths(self, task: Task, seen: Seen, now: float) -> Sequence[WorkerReport]:
        reports = []
        for key, worker in keys_of(task).items():
            if worker.state.is_over:
                continue
            report = (
                _observed(seen[key][1]) if key in seen else self._unseen(task, key, worker, now)
            )
            if report is not None:
                reports.append(report)
        return reports

    def _unseen(
        self, task: Task, key: WorkerKey, worker: Worker, now: float
    ) -> WorkerReport | None:
        """No launcher knows it: it came and went with its node, or it never came."""
        attempt = task.attempt
        leaving = attempt is not None and attempt.terminate_at is not None
        if worker.state is WorkerState.CREATED and not leaving:
            return None  # on its way; the start timeout counts
        if leaving and attempt is not None and attempt.terminate_at is not None:
            # a launch may still be under way: the late kill leaves a tombstone before this counts
            late = now - attempt.terminate_at > self._timing.term_seconds + _KILL_SLACK_SECONDS
            if worker.state is WorkerState.CREATED and not late:
                return None
        return WorkerReport(
            rank=key.rank, attempt=key.attempt, state=WorkerState.LOST, node_lost=True
        )

    def _is_due(self, task: Task, now: float) -> bool:
        when = gang.deadline(task, self._timing)
        return when is not None and when <= now

    def _next(self, tasks: Sequence[Task], now: float) -> float:
        times = (gang.deadline(task, self._timing) for task in tasks)
        ahead = [when - now for when in times if when is not None and when > now]
        return max(_SHORTEST_SECONDS, min([_ACTIVE_SECONDS, *ahead]))


def _observed(observation: Observation) -> WorkerReport | None:
    if observation.phase is WorkerPhase.ALIVE:
        return None
    exited = observation.phase is WorkerPhase.EXITED
    return WorkerReport(
        rank=observation.key.rank,
        attempt=observation.key.attempt,
        state=WorkerState.EXITED if exited else WorkerState.LOST,
        exit_code=observation.exit_code,
        detail=observation.detail,
        node_lost=observation.phase is WorkerPhase.NODE_LOST,
    )
