"""Estimated starts of waiting tasks, and how honest they turned out to be.

A forecast runs the planner ahead on a copy: in a thread, one at a time, and not again for a task
before ten seconds have passed. Nobody waits long for one.
"""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import NamedTuple

import structlog

from hai.core.forecast import MOST_AHEAD, Forecast, RunTime, copy_of, forecast, run_time
from hai.core.inputs import Snapshot
from hai.core.past_runs import LOOK_BACK_SECONDS, History
from hai.core.plan import Claim
from hai.core.types import GroupName, TaskId
from hai.core.whatif import NEW
from hai.ports import Clock, Tasks
from hai.schema.why import EstimatesView
from hai.service.last_tick import LastTick
from hai.wording.estimates import basis_text

log = structlog.get_logger("hai.estimates")

_FORECAST_SECONDS = 10.0
_HISTORY_SECONDS = 60.0
_MOST_NAMES = 500  # tasks that are looked up for one forecast; others go by their users' runs
_MOST_KEPT = 1000
_MOST_IN_LINE = 16  # forecasts that wait to be made; who asks for more gets none
_MOST_LINES = 16  # groups whose first task is told on the dashboard
_WATCHED_SECONDS = 60.0
_LOOK_SECONDS = 2.0
_SHARE = 0.05  # of the time that the dashboard's estimates may take
_PATIENCE_SECONDS = 3.0  # then the answer is not waited for; it is there for the next one who asks


class _Known(NamedTuple):
    """Read at `since`, by the steady clock."""

    since: float
    history: History


class Estimates:
    """Forecasts of tasks by id."""

    def __init__(
        self, store: Tasks, clock: Clock, last_tick: LastTick, leave_seconds: float = 0.0
    ) -> None:
        self._store = store
        self._clock = clock
        self._last_tick = last_tick
        self._leave_seconds = leave_seconds
        self._one_at_a_time = asyncio.Semaphore(1)
        self._made: dict[Claim, tuple[float, Forecast]] = {}
        self._making: dict[Claim, asyncio.Task[Forecast]] = {}
        self._histories: dict[GroupName, _Known] = {}
        self.record = TrackRecord(store)

    async def of(self, claim: Claim) -> Forecast | None:
        """When this waiting claim may start; None if that does not depend on the scheduler (it is
        held, or waits for others), if no plan has seen it yet, or if it takes too long to say."""
        state = self._last_tick.state
        if claim.held or claim.waits_for or state is None:
            return None
        if claim.task_id != NEW and claim.task_id not in state.claims:
            return None  # the state is older than the task, and may be so than others
        at, known = self._made.get(claim, (-math.inf, None))
        if self._clock.steady() < at + _FORECAST_SECONDS:
            return known
        making = self._making.get(claim)
        if making is None:
            if len(self._making) >= _MOST_IN_LINE:
                return None
            making = asyncio.create_task(self._make(claim), name=f"forecast-{claim.task_id}")
            self._making[claim] = making
            making.add_done_callback(lambda _: self._making.pop(claim, None))
        done, _ = await asyncio.wait({making}, timeout=_PATIENCE_SECONDS)
        return making.result() if done else None

    async def run_once(self) -> float:
        """Work out when the first of each line may start, while somebody looks at the dashboard;
        seconds until the next time, so that this takes a small part of the time."""
        state = self._last_tick.state
        if state is None or self._clock.steady() > self._last_tick.watched_at + _WATCHED_SECONDS:
            return _LOOK_SECONDS
        began = time.perf_counter()
        told: dict[TaskId, Forecast] = {}
        for group in sorted(state.groups)[:_MOST_LINES]:
            first = next(iter(self._last_tick.positions(group)), None)
            claim = None if first is None else state.claims.get(first)
            found = None if claim is None else await self.of(claim)
            if first is not None and found is not None:
                told[first] = found
        if told != self._last_tick.estimates:
            self._last_tick.estimates = told
        return max(_FORECAST_SECONDS, (time.perf_counter() - began) / _SHARE)

    async def close(self) -> None:
        """Let go of what is being worked out."""
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)

    async def _make(self, claim: Claim) -> Forecast:
        async with self._one_at_a_time:
            found = await self._forecast(claim)
        self._made.pop(claim, None)
        while len(self._made) >= _MOST_KEPT:
            del self._made[next(iter(self._made))]
        self._made[claim] = (self._clock.steady(), found)
        return found

    async def _forecast(self, claim: Claim) -> Forecast:
        state = self._last_tick.state
        if state is None:
            raise RuntimeError("the scheduler's state has gone")
        order = self._last_tick.positions(claim.group)
        copy = copy_of(state, claim.group, order, claim)
        times = await self._run_times(copy, claim)
        found = await asyncio.to_thread(forecast, copy, claim.task_id, times, self._leave_seconds)
        ahead = order.get(claim.task_id, len(order) + 1) - 1
        if ahead <= MOST_AHEAD:
            return found
        return Forecast(found.earliest, None, replace(found.grounds, ahead=ahead))

    async def _run_times(self, copy: Snapshot, asked: Claim) -> Mapping[TaskId, RunTime]:
        history = await self._history(asked.group)
        active_first = sorted(copy.claims, key=lambda claim: not claim.state.is_active)
        named = [claim.task_id for claim in active_first[:_MOST_NAMES]]
        tasks = {task.id: task for task in await self._store.tasks(named)}
        times = {}
        for claim in copy.claims:
            task = tasks.get(claim.task_id)
            name, limit = (task.name, task.time_limit_seconds) if task else (None, None)
            times[claim.task_id] = run_time(claim, name, limit, history)
        return times

    async def _history(self, group: GroupName) -> History:
        now = self._clock.steady()
        known = self._histories.get(group)
        if known is None or now >= known.since + _HISTORY_SECONDS:
            rows = await self._store.durations(group, self._clock.now() - LOOK_BACK_SECONDS)
            known = self._histories[group] = _Known(now, History(rows))
        return known.history


class TrackRecord:
    """How far the last estimate of each task was off when it first started."""

    def __init__(self, store: Tasks) -> None:
        self._store = store
        self._open: dict[TaskId, Forecast] = {}
        self._given = 0
        self._inside = 0
        self._errors: list[float] = []  # seconds outside the range; negative: it was earlier

    async def given(self, task_id: TaskId, told: Forecast) -> None:
        """The task was told this estimate; an earlier one counts no more."""
        if task_id not in self._open:
            if len(self._open) >= _MOST_KEPT:
                await self.settle()
            self._given += 1
        self._open[task_id] = told
        while len(self._open) > _MOST_KEPT:
            del self._open[next(iter(self._open))]

    async def settle(self) -> None:
        """Look which of them have started."""
        if not self._open:
            return
        for task in await self._store.tasks(list(self._open)):
            if task.started_at is not None:
                self._close(task.id, task.started_at)
            elif task.state.is_final:
                del self._open[task.id]

    def _close(self, task_id: TaskId, started_at: float) -> None:
        told = self._open.pop(task_id)
        off = off_by(told, started_at)
        log.info(
            "estimate", task_id=task_id, off_seconds=round(off, 1), basis=basis_text(told.grounds)
        )
        if off:
            self._errors = [*self._errors, off][-_MOST_KEPT:]
        else:
            self._inside += 1

    async def view(self) -> EstimatesView:
        await self.settle()
        return {
            "given": self._given,
            "started": self._inside + len(self._errors),
            "inside_range": self._inside,
            "earlier": _count(self._errors, earlier=True),
            "later": _count(self._errors, earlier=False),
            "median_error_seconds": median(map(abs, self._errors)) if self._errors else None,
        }


def off_by(told: Forecast, started_at: float) -> float:
    """Seconds between a start and the range that was told; negative if it came earlier."""
    if started_at < told.earliest:
        return started_at - told.earliest
    if told.latest is not None and started_at > told.latest:
        return started_at - told.latest
    return 0.0


def _count(errors: Sequence[float], *, earlier: bool) -> int:
    return sum((error < 0) is earlier for error in errors)
