"""The schedule loop: load the state, let the planner decide, apply what still holds.

No transaction is open while planning. What changed meanwhile makes a change stale: it is skipped,
and the next tick sees the new state.
"""

import time

import structlog

from hai.core import lifecycle
from hai.core.plan import Plan, Start
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.quota import QuotaTable
from hai.core.state import SchedulerState, build_state
from hai.core.task import Change, Task
from hai.core.types import TaskId
from hai.errors import Conflict
from hai.ports import Bus, Clock, Store
from hai.service.board import Board
from hai.service.launching import Launching
from hai.service.signals import announce

log = structlog.get_logger("hai.schedule")

_STANDBY_SECONDS = 1.0


class Scheduling:
    """One turn is one tick."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        launching: Launching,
        board: Board,
        policy: Policy,
        tick_seconds: float,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._launching = launching
        self._board = board
        self._policy = policy
        self._tick_seconds = tick_seconds

    async def turn(self) -> float:
        """Plan once and apply; seconds until the next tick is due at the latest."""
        if not await self._store.lead():
            return _STANDBY_SECONDS
        began = time.perf_counter()
        now = self._clock.now()
        state = await self._load(now)
        decided = plan(state, now)
        seconds = time.perf_counter() - began
        self._board.post(decided.reasons, now=now, seconds=seconds)
        await self._apply(decided, now)
        return self._tick_seconds

    async def _load(self, now: float) -> SchedulerState:
        return build_state(
            self._policy,
            await self._store.nodes(),
            QuotaTable.of(await self._store.quotas()),
            await self._store.claims(),
            now,
        )

    async def _apply(self, decided: Plan, now: float) -> None:
        if self._board.paused:  # and nobody leaves for a task that will not start
            return
        starts = decided.starts
        ids = {start.task_id for start in starts}
        ids |= {id_ for victim in decided.suspends for id_ in (victim.task_id, victim.for_task)}
        ids |= {demotion.task_id for demotion in decided.demotions}
        if not ids:
            return
        tasks = {task.id: task for task in await self._store.tasks(ids)}
        changes = [_begin(tasks.get(s.task_id), s, now) for s in starts]
        changes += [_leave(tasks, s.task_id, s.for_task, now) for s in decided.suspends]
        for demotion in decided.demotions:
            task = tasks.get(demotion.task_id)
            changes.append(lifecycle.demote(task, demotion, now) if task else None)
        saved = await self._store.save([change for change in changes if change is not None])
        await announce(self._bus, saved)
        started = {start.task_id for start in starts}
        self._launching.launch_soon(task for task in saved if task.id in started)
        log.info("tick", starts=len(starts), suspends=len(decided.suspends), applied=len(saved))


def _begin(task: Task | None, start: Start, now: float) -> Change | None:
    if task is None or task.held:
        return None
    try:
        return lifecycle.begin(task, start, now)
    except Conflict:  # it was stopped or started since the state was loaded
        return None


def _leave(
    tasks: dict[TaskId, Task], victim: TaskId, for_task: TaskId, now: float
) -> Change | None:
    task, heir = tasks.get(victim), tasks.get(for_task)
    if task is None or not task.state.is_active:
        return None
    if heir is None or heir.held or not heir.state.is_waiting:
        return None  # it does not need the nodes any more
    why = f"its nodes are needed by task {for_task}"
    try:
        return lifecycle.suspend(task, actor="scheduler", why=why, hold=False, now=now)
    except Conflict:  # it ended since the state was loaded
        return None
