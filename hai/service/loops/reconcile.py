"""The reconcile loop: what should run against what does run.

Lets go of tasks whose dependencies have ended, launches what a crash kept from being launched,
takes note of workers that died without a word, lets the clock end handshakes, and kills what does
not leave in time.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from hai.core.lifecycle import attempt_protocol
from hai.core.lifecycle.attempt_protocol import Timing, WorkerReport
from hai.core.task import Task, Worker, WorkerKey
from hai.core.types import NodeName, TaskId, TaskState, WorkerState
from hai.ports import Bus, Clock, Cluster, Leading, Observation, Tasks, WorkerPhase
from hai.service.clock import SteadyTiming
from hai.service.launchers import LaunchersReport
from hai.service.launching import Launching, keys_of
from hai.service.loops.schedule import STANDBY_SECONDS
from hai.service.loops.term import Term
from hai.service.releasing import release_waiting
from hai.service.suspects import mark_suspects
from hai.service.workers import WorkerService

log = structlog.get_logger("hai.reconcile")

_ACTIVE_SECONDS = 1.0  # between runs while something is active
_IDLE_SECONDS = 5.0
_SHORTEST_SECONDS = 0.05
_LAUNCH_SECONDS = 2.0  # a launch that was asked for is not asked for again before
_KILL_SLACK_SECONDS = 5.0  # beyond SIGTERM's own time, before the agent is bypassed


class ReconcilingStore(Tasks, Cluster, Leading, Protocol):
    """What is needed of the store here."""


class Reconciling:
    """One run looks at every active task once."""

    def __init__(
        self,
        store: ReconcilingStore,
        clock: Clock,
        workers: WorkerService,
        launching: Launching,
        timing: Timing,
        bus: Bus,
    ) -> None:
        self._store = store
        self._clock = clock
        self._workers = workers
        self._launching = launching
        self._timing = SteadyTiming(timing, clock)
        self._bus = bus
        self._term = Term(store)

    async def run_once(self) -> float:
        """Bring desired and actual together; seconds until the next run is due."""
        if not await self._term.holds():
            return STANDBY_SECONDS
        await release_waiting(self._store, self._bus, self._clock)
        before = frozenset(self._launching.launched)
        # tasks first, workers second: a worker launched in between is seen and not missed
        tasks = await self._store.active_tasks()
        now = self._clock.now()  # at once: after a jump of the clock their times are others
        self._launching.launched -= before - _unheard(tasks)
        self._term.since(self._clock.steady())
        if not tasks:
            return _IDLE_SECONDS
        killed = await self._kill_late(tasks, now)
        # last: an agent that speaks again ends a loss that is seen but not recorded yet
        sight = await self._launching.look()
        missing = self._relaunch(tasks, sight, now)
        reports: dict[TaskId, list[WorkerReport]] = defaultdict(list)
        for task in tasks:
            reports[task.id] += self._news(task, sight, missing, killed)
        # first: once the loss is recorded, nobody would think of the node again
        await mark_suspects(self._store, self._bus, self._clock, _losses(tasks, sight))
        due = [task for task in tasks if reports[task.id] or self._is_due(task, now)]
        if due:
            await self._workers.fold({task.id: reports[task.id] for task in due})
        return self._next(tasks, now)

    def _relaunch(
        self, tasks: Sequence[Task], sight: LaunchersReport, now: float
    ) -> set[WorkerKey]:
        """Launch workers that nobody asked for since the server started; all that still miss."""
        missing: set[WorkerKey] = set()
        for task in tasks:
            if task.attempt is None or task.state is not TaskState.STARTING:
                continue
            keys = _unheard([task]) - self._launching.launched
            missing |= keys
            is_old = now - task.attempt.created_at >= _LAUNCH_SECONDS
            if self._launching.is_underway(task):
                continue
            if keys and (is_old or any(key in sight.workers for key in keys)):
                log.info("relaunch", task=task.id, workers=[str(key) for key in sorted(keys)])
                self._launching.launch_soon([task])
        return missing

    async def _kill_late(self, tasks: Sequence[Task], now: float) -> set[WorkerKey]:
        """Those that had their time to leave and are dead now, or never will be launched."""
        allowed = self._timing.now().term_seconds + _KILL_SLACK_SECONDS
        leads_since = self._term.since(self._clock.steady()) + self._clock.base
        late: dict[WorkerKey, NodeName] = {}
        for task in tasks:
            ordered_at = task.attempt.terminate_at if task.attempt else None
            # what was ordered just before a crash, nobody has heard while there was no server
            if ordered_at is None or now - max(ordered_at, leads_since) < allowed:
                continue
            late |= {key: w.node for key, w in keys_of(task).items() if not w.state.is_over}
        for key, node in late.items():
            log.warning("kill", key=str(key), node=node)
        done = await asyncio.gather(*(self._launching.kill(*each) for each in late.items()))
        return {key for key, is_done in zip(late, done, strict=True) if is_done}

    def _news(
        self,
        task: Task,
        sight: LaunchersReport,
        missing: Collection[WorkerKey],
        killed: Collection[WorkerKey],
    ) -> Sequence[WorkerReport]:
        """What the launchers know of its workers that no agent has told, or will tell."""
        reports = []
        for key, worker in keys_of(task).items():
            if worker.state.is_over or key in missing:
                continue
            if key in sight.workers:
                report = self._with_reason(_observed(sight.workers[key].observation, worker), key)
            elif worker.node in sight.unknown_nodes:
                report = _held_up(key, worker, "its launcher does not answer")
            elif worker.state is not WorkerState.CREATED or key in killed:
                report = _vanished(key)
            else:
                report = None  # on its way: the start timeout counts, or the late kill
            if report is not None:
                reports.append(report)
        return reports

    def _with_reason(self, report: WorkerReport | None, key: WorkerKey) -> WorkerReport | None:
        """What was lost because the platform killed it says why it did."""
        why = self._launching.reasons.get(key, "")
        if report is None or report.state is not WorkerState.LOST or not why:
            return report
        return replace(report, detail=why)

    def _is_due(self, task: Task, now: float) -> bool:
        when = attempt_protocol.deadline(task, self._timing.now())
        return when is not None and when <= now

    def _next(self, tasks: Sequence[Task], now: float) -> float:
        times = (attempt_protocol.deadline(task, self._timing.now()) for task in tasks)
        ahead = [when - now for when in times if when is not None and when > now]
        return max(_SHORTEST_SECONDS, min([_ACTIVE_SECONDS, *ahead]))


def _losses(tasks: Iterable[Task], sight: LaunchersReport) -> Iterator[tuple[NodeName, str]]:
    """Nodes that lost a worker, and which one. Who was told to leave is no loss."""
    for task in tasks:
        is_leaving = task.attempt is None or task.attempt.verdict is not None
        for key, worker in keys_of(task).items():
            known = sight.workers.get(key)
            if known is None or worker.state.is_over:
                continue
            phase = known.observation.phase
            if phase is WorkerPhase.NODE_LOST or (phase is WorkerPhase.LOST and not is_leaving):
                yield worker.node, f"worker {key} is gone"


def _unheard(tasks: Iterable[Task]) -> set[WorkerKey]:
    return {
        key
        for task in tasks
        for key, worker in keys_of(task).items()
        if worker.state is WorkerState.CREATED
    }


def _vanished(key: WorkerKey) -> WorkerReport:
    """No launcher knows it: it came and went with its node, or it never came and never will."""
    return WorkerReport(rank=key.rank, attempt=key.attempt, state=WorkerState.LOST, node_lost=True)


def _held_up(key: WorkerKey, worker: Worker, why: str) -> WorkerReport | None:
    """It is not up yet, or nobody can tell whether it is, for a reason that is news."""
    if worker.state.is_over or worker.detail == why:
        return None
    return WorkerReport(rank=key.rank, attempt=key.attempt, state=worker.state, detail=why)


def _observed(observation: Observation, worker: Worker) -> WorkerReport | None:
    if observation.phase is WorkerPhase.ALIVE:
        return None
    if observation.phase in (WorkerPhase.PENDING, WorkerPhase.UNKNOWN):
        return _held_up(observation.key, worker, observation.detail)
    exited = observation.phase is WorkerPhase.EXITED
    return WorkerReport(
        rank=observation.key.rank,
        attempt=observation.key.attempt,
        state=WorkerState.EXITED if exited else WorkerState.LOST,
        exit_code=observation.exit_code,
        detail=observation.detail,
        acked=observation.acked,
        saved=observation.saved,
        node_lost=observation.phase is WorkerPhase.NODE_LOST,
    )
