"""Knows what the scheduler would say where it does not run: in processes that only answer, and in
those that wait for the lease.

The same input gives the same plan, so a plan of our own, which nobody applies, tells why each task
waits and whose turn it is, as the leader's does.
"""

import time

from hai.core.inputs import Delta, Snapshot
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.ports import Clock, Leading
from hai.service.feed import FeedStore, StateFeed
from hai.service.last_tick import LastTick
from hai.service.loops.schedule import Scheduling
from hai.service.vacate import Vacating


class _Nobody:
    """hai.service.feed.Recorder: the leader writes the decision log."""

    def began(self, snapshot: Snapshot) -> None: ...

    def changed(self, delta: Delta) -> None: ...


class Following:
    """One run is one plan that is only shown."""

    def __init__(
        self,
        store: FeedStore,
        clock: Clock,
        policy: Policy,
        last_tick: LastTick,
        tick_seconds: float,
    ) -> None:
        self._feed = StateFeed(store, clock, policy, _Nobody())
        self._last_tick = last_tick
        self._tick_seconds = tick_seconds

    async def run_once(self) -> float:
        """Plan once; seconds until the next time at the latest."""
        state = await self._feed.catch_up()
        began = time.perf_counter()
        decided = plan(state, state.now)
        seconds = time.perf_counter() - began
        self._last_tick.post(state, decided, now=state.now, seconds=seconds)
        due = state.next_due()
        if due is None:
            return self._tick_seconds
        return min(self._tick_seconds, max(0.0, due - state.now))

    def forget(self) -> None:
        self._feed.forget()


class Planning:
    """The schedule loop's run: decides and applies where this process leads, else follows.

    `schedule` None: it never leads; `following` None: nobody asks it.
    """

    def __init__(
        self,
        store: Leading,
        vacating: Vacating,
        schedule: Scheduling | None,
        following: Following | None,
    ) -> None:
        self._store = store
        self._vacating = vacating
        self._schedule = schedule
        self._following = following

    async def run_once(self) -> float:
        """Seconds until the next run at the latest."""
        self._vacating.see(await self._store.pause())
        due_seconds = float("inf")
        if self._schedule is not None:
            due_seconds = await self._schedule.run_once()
            if self._schedule.leads:
                if self._following is not None:
                    self._following.forget()
                return due_seconds
        if self._following is not None:
            due_seconds = min(due_seconds, await self._following.run_once())
        return due_seconds
