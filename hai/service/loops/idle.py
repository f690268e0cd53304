"""The idle loop: gives unused dev containers notice, and suspends those that stay idle.

Nothing is kept in memory but since when this process leads: how long a container has been quiet is
its agent's word, and a notice that was given is in the store, so a restart changes nothing.
"""

from typing import Protocol

import structlog

from hai.core.idle import IdleClock, Idleness, IdleRule, Step, decide, noticed
from hai.core.lifecycle import transitions
from hai.core.moments import time_of_day
from hai.core.task import Task, TaskChange
from hai.ports import Bus, Clock, IdleClocks, Leading, Tasks
from hai.service.idleness import IdleService, is_running_lab
from hai.service.loops.schedule import STANDBY_SECONDS
from hai.service.loops.term import Term
from hai.service.signals import EVENTS, announce, task_topic
from hai.wording.idle import notice_text, stop_text

log = structlog.get_logger("hai.idle")

ACTOR = "idle"
_RUN_SECONDS = 10.0
_SHORTEST_SECONDS = 0.5


class IdlingStore(Tasks, IdleClocks, Leading, Protocol):
    """What is needed of the store here."""


class Idling:
    """One run looks at every running dev container once."""

    def __init__(self, store: IdlingStore, bus: Bus, clock: Clock, idle: IdleService) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._idle = idle
        self._term = Term(store)

    async def run_once(self) -> float:
        """Act on what is due; seconds until the next run."""
        if not await self._term.holds():
            return STANDBY_SECONDS
        self._term.since(self._clock.steady())
        tasks = [task for task in await self._store.active_tasks() if is_running_lab(task)]
        now = self._clock.now()  # at once: after a jump of the clock their times are others
        if not tasks:
            return _RUN_SECONDS
        clocks = await self._idle.clocks(tasks)
        found = await self._idle.look(tasks, clocks, now)
        due = _RUN_SECONDS
        for task in tasks:
            clock = clocks.get(task.id, IdleClock())
            due = min(due, await self._see_to(task, clock, found[task.id], now))
        return max(_SHORTEST_SECONDS, due)

    async def _see_to(self, task: Task, clock: IdleClock, found: Idleness, now: float) -> float:
        """Seconds until there may be something to do."""
        rule = self._idle.rule_of(task)
        if rule is None:
            if clock.stop_at is not None:
                await self._say_used(task, "its idleness is not counted any more", now)
            return _RUN_SECONDS
        heard_since = self._term.since(self._clock.steady()) + self._clock.base
        step = decide(found, rule, clock, heard_since + rule.notice_seconds)
        if step is Step.NOTICE:
            await self._give_notice(task, rule, noticed(found, rule, now), now)
        elif step is Step.USED:
            await self._say_used(task, "it is used again", now)
        elif step is Step.STOP:
            await self._suspend(task, found, now)
        if found.stops_at is None:
            return _RUN_SECONDS
        when = clock.stop_at if clock.stop_at is not None else found.stops_at - rule.notice_seconds
        return when - now if when > now else _RUN_SECONDS

    async def _give_notice(self, task: Task, rule: IdleRule, stop_at: float, now: float) -> None:
        why = notice_text(task.name, rule, time_of_day(stop_at))
        line = transitions.event(
            task, "idle_notice", ACTOR, now, why=why, data={"seconds": stop_at - now}
        )
        await self._store.set_idle_stop(task, stop_at, line)
        log.info("idle_notice", task=task.id, seconds=stop_at - now)
        await self._tell(task)

    async def _say_used(self, task: Task, why: str, now: float) -> None:
        line = transitions.event(task, "used", ACTOR, now, why=why)
        await self._store.set_idle_stop(task, None, line)
        await self._tell(task)

    async def _suspend(self, task: Task, found: Idleness, now: float) -> None:
        """As a person would: notice, save, stop; held until somebody starts it again."""
        seconds = now - (found.used_at or now)
        why = stop_text(task.name, seconds)
        change = transitions.suspend(task, actor=ACTOR, why=why, hold=True, now=now)
        if change is None:
            return
        line = transitions.event(task, "idle", ACTOR, now, why=why, data={"seconds": seconds})
        saved = await self._store.save([TaskChange(change.task, (line, *change.events))])
        log.info("idle_stop", task=task.id, seconds=seconds, done=bool(saved))
        await announce(self._bus, saved)

    async def _tell(self, task: Task) -> None:
        await self._bus.publish(task_topic(task.id))
        await self._bus.publish(EVENTS)
