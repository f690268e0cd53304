"""Empties the platform before it goes down: what runs is suspended and will resume, or is stopped.

Meanwhile nothing starts. That is a short lease, which whoever takes the platform down renews by
asking again: if it dies on the way, the platform goes on by itself.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from hai.core.identity import User
from hai.core.lifecycle import transitions
from hai.core.task import EventDraft, Task, TaskChange
from hai.errors import Conflict
from hai.ports import Bus, Clock, EventLog, Leading, Pause, Tasks
from hai.service.access import require_admin
from hai.service.last_tick import LastTick
from hai.service.signals import EVENTS, SCHEDULE, announce

if TYPE_CHECKING:
    from hai.core.types import TaskId

PAUSE_SECONDS = 15.0
_AT_ONCE = 1000  # tasks in one transaction
_IN_ONE_CALL = 5000  # tasks that wait


class VacatingStore(Tasks, EventLog, Leading, Protocol):
    """What is needed of the store here."""


class Vacating:
    """Pauses scheduling, and gives notice to all that runs."""

    def __init__(self, store: VacatingStore, bus: Bus, clock: Clock, last_tick: LastTick) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._until = 0.0  # steady
        self._renewals = -1  # the last one that was seen
        last_tick.pause_left = self._left

    def _left(self) -> float:
        return max(0.0, self._until - self._clock.steady())

    def see(self, now: Pause) -> None:
        """Take note of what another process has said. What was said before the first look is as
        good as over: whoever takes the platform down says it again."""
        if not now.is_on:
            self._until = 0.0
        elif self._renewals not in (-1, now.renewals):
            self._until = self._clock.steady() + PAUSE_SECONDS
        self._renewals = now.renewals

    async def vacate(self, admin: User) -> int:
        """Tasks that still hold nodes; call it until it answers 0."""
        await self._pause(admin)
        tasks = await self._store.active_tasks()

        def leave(task: Task) -> TaskChange | None:
            why, now = "the platform is going down", self._clock.now()
            return transitions.suspend(task, actor=admin.name, why=why, hold=False, now=now)

        await self._change(tasks, leave)
        return len(tasks)

    async def stop_all(self, admin: User) -> tuple[int, int]:
        """Stop everybody's tasks for good: first all that hold nodes, then some of those that wait.
        How many hold nodes still, and how many wait; call it until both are 0."""
        await self._pause(admin)
        active = await self._store.active_tasks()
        waiting = [claim.task_id for claim in await self._store.claims() if claim.state.is_waiting]
        some: list[TaskId] = waiting[:_IN_ONE_CALL]

        def end(task: Task) -> TaskChange | None:
            why, now = "the platform is removed", self._clock.now()
            return transitions.stop(task, actor=admin.name, why=why, now=now)

        await self._change(active, end)
        ended = await self._change(await self._store.tasks(some), end)
        return len(active), len(waiting) - ended

    async def go_on(self, admin: User) -> bool:
        """End the pause; False if there was none."""
        require_admin(admin, "letting the platform go on")
        was_paused = self._left() > 0
        self._until = 0.0
        if (await self._store.pause()).is_on:  # also one that this process has not seen
            self._renewals = (await self._store.renew_pause(is_on=False)).renewals
        if was_paused:
            await self._tell(admin, "platform.resumed", "it starts tasks again")
        return was_paused

    async def _pause(self, admin: User) -> None:
        require_admin(admin, "taking the platform down")
        is_new = self._left() <= 0
        self._renewals = (await self._store.renew_pause(is_on=True)).renewals
        self._until = self._clock.steady() + PAUSE_SECONDS
        if is_new:
            await self._tell(admin, "platform.paused", "it is going down: nothing starts")

    async def _tell(self, admin: User, kind: str, why: str) -> None:
        now = self._clock.now()
        await self._store.append([EventDraft(kind=kind, actor=admin.name, at=now, why=why)])
        for topic in (EVENTS, SCHEDULE):
            await self._bus.publish(topic)

    async def _change(
        self, tasks: Iterable[Task], change_of: Callable[[Task], TaskChange | None]
    ) -> int:
        """How many were changed; what changed meanwhile is for the next time."""
        changes = []
        for task in tasks:
            try:
                change = change_of(task)
            except Conflict:  # it is on its way out, which frees its nodes as well
                continue
            if change is not None:
                changes.append(change)
        count = 0
        for first in range(0, len(changes), _AT_ONCE):
            saved = await self._store.save(changes[first : first + _AT_ONCE])
            await announce(self._bus, saved)
            count += len(saved)
        return count
