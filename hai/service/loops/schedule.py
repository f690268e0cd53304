"""The schedule loop: bring the state up to date, let the planner decide, apply what still holds.

No transaction is open while planning. What changed meanwhile makes a change stale: it is skipped,
and the next tick sees the new state.
"""

import time
from collections.abc import Iterable
from typing import Protocol

import structlog

from hai.core.lifecycle import transitions
from hai.core.plan import Demotion, Plan, Start
from hai.core.planner import plan
from hai.core.state import SchedulerState
from hai.core.task import Task, TaskChange
from hai.core.types import TaskId
from hai.errors import Conflict
from hai.ports import Bus, Leading, Tasks
from hai.service.decision_recorder import DecisionRecorder
from hai.service.feed import StateFeed
from hai.service.last_tick import LastTick
from hai.service.launching import Launching
from hai.service.loops.term import Term
from hai.service.signals import announce

log = structlog.get_logger("hai.schedule")

STANDBY_SECONDS = 1.0


class SchedulingStore(Tasks, Leading, Protocol):
    """What is needed of the store here."""


class Scheduling:
    """One run is one tick."""

    def __init__(
        self,
        store: SchedulingStore,
        bus: Bus,
        feed: StateFeed,
        journal: DecisionRecorder,
        launching: Launching,
        last_tick: LastTick,
        tick_seconds: float,
    ) -> None:
        self._store = store
        self._bus = bus
        self._feed = feed
        self._journal = journal
        self._launching = launching
        self._last_tick = last_tick
        self._tick_seconds = tick_seconds
        self._term = Term(store)

    @property
    def leads(self) -> bool:
        """Whether this process led when the last run began."""
        return self._term.number > 0

    async def run_once(self) -> float:
        """Plan once and apply; seconds until the next tick is due at the latest."""
        leads = await self._term.holds()
        if self._term.is_new:  # somebody else may have led, and may have done anything
            self._feed.forget()
            log.info("leads" if leads else "leads_no_more", term=self._term.number)
        if not leads:
            return STANDBY_SECONDS
        if self._journal.wants_snapshot(self._last_tick.planned_at or 0.0):
            self._feed.forget()
        state = await self._feed.catch_up()
        now = state.now
        began = time.perf_counter()
        decided = plan(state, now)
        seconds = time.perf_counter() - began
        self._last_tick.post(state, decided, now=now, seconds=seconds)
        if not self._last_tick.paused:  # nobody starts, and nobody leaves for who will not start
            await self._journal.write(decided, now)  # first: what was done can be explained
            await self._apply(decided, now)
        return self._until_due(state, now)

    def _until_due(self, state: SchedulerState, now: float) -> float:
        due = state.next_due()
        if due is None:
            return self._tick_seconds
        return min(self._tick_seconds, max(0.0, due - now))

    async def _apply(self, decided: Plan, now: float) -> None:
        starts = decided.starts
        ids = {start.task_id for start in starts}
        ids |= {id_ for victim in decided.suspends for id_ in (victim.task_id, victim.for_task)}
        ids |= {demotion.task_id for demotion in decided.demotions}
        if not ids:
            return
        tasks = {task.id: task for task in await self._store.tasks(ids)}
        if not self._feed.is_current():  # the clock was set: `now` is no time of theirs
            return
        fallen = _demoted(tasks, decided.demotions, now)
        tasks |= {task_id: change.task for task_id, change in fallen.items()}
        changes = [_begin(tasks.get(s.task_id), s, now) for s in starts]
        changes += [_leave(tasks, s.task_id, s.for_task, now) for s in decided.suspends]
        saved = await self._store.save(_one_of_each_task([*fallen.values(), *changes]))
        await announce(self._bus, saved)
        started = {start.task_id for start in starts}
        self._launching.launch_soon(task for task in saved if task.id in started)
        log.info("tick", starts=len(starts), suspends=len(decided.suspends), applied=len(saved))


def _demoted(
    tasks: dict[TaskId, Task], demotions: Iterable[Demotion], now: float
) -> dict[TaskId, TaskChange]:
    """The changes of those that are still there and ask for more."""
    there = [(tasks[one.task_id], one) for one in demotions if one.task_id in tasks]
    changes = (transitions.demote(task, one, now) for task, one in there)
    return {change.task.id: change for change in changes if change is not None}


def _one_of_each_task(changes: Iterable[TaskChange | None]) -> list[TaskChange]:
    """The store takes one change of a task at a time: who falls and leaves does both at once."""
    merged: dict[TaskId, TaskChange] = {}
    for change in changes:
        if change is not None:
            before = merged.get(change.task.id)
            events = (*before.events, *change.events) if before else change.events
            merged[change.task.id] = TaskChange(change.task, events)
    return list(merged.values())


def _begin(task: Task | None, start: Start, now: float) -> TaskChange | None:
    if task is None or task.held:
        return None
    try:
        return transitions.begin(task, start, now)
    except Conflict:  # it was stopped or started since the state was loaded
        return None


def _leave(
    tasks: dict[TaskId, Task], victim: TaskId, for_task: TaskId, now: float
) -> TaskChange | None:
    task, heir = tasks.get(victim), tasks.get(for_task)
    if task is None or not task.state.is_active:
        return None
    if heir is None or heir.held or not heir.state.is_waiting:
        return None  # it does not need the nodes any more
    why = f"its nodes are needed by task {for_task}"
    try:
        return transitions.suspend(
            task, actor="scheduler", why=why, hold=False, now=now, for_task=for_task
        )
    except Conflict:  # it ended since the state was loaded
        return None
