"""What the last tick made of every task: the scheduler's state and plan, for the views to read.

Kept in memory by the schedule loop and made anew by each tick. Reasons and places in the line are
worked out when somebody asks: most waiting tasks are looked at by nobody.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hai.core.assume.transaction import applied
from hai.core.plan import Claim, Plan
from hai.core.queue.service_order import service_order
from hai.core.reasons.finding import reason_of
from hai.core.reasons.kinds import Held, NotPlanned, Paused, Reason
from hai.core.state import SchedulerState
from hai.core.task_facts import safe_until
from hai.core.types import GroupName, Priority, TaskId, TaskState, UserName

if TYPE_CHECKING:
    from hai.core.forecast import Forecast

_ORDER_SECONDS = 1.0  # an order of service is good for at least that long,
_ORDER_SHARE = 0.05  # and for so long that making it anew takes no more of the time than this


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """What time sharing knows of a task; times are Unix seconds."""

    position: int | None = None
    safe_until: float | None = None
    backfill: bool = False
    level: Priority | None = None


@dataclass(frozen=True, slots=True)
class Jump:
    """The machine's clock was set by so many seconds; `at` by the clock afterwards."""

    at: float
    seconds: float


class _Order(NamedTuple):
    """Places in a group's order of service, from 1."""

    good_until: float
    places: Mapping[TaskId, int]


class LastTick:
    """Written by the schedule loop, read by the views."""

    def __init__(self) -> None:
        self.state: SchedulerState | None = None
        self.decided = Plan()
        self.tick_seconds: float = 0.0
        self.ticks: int = 0
        self.planned_at: float | None = None
        self.pause_left: Callable[[], float] = lambda: 0.0  # seconds without starts
        self.jump: Jump | None = None  # the last one since this server began
        self.estimates: Mapping[TaskId, Forecast] = {}  # of the first of each line, now and then
        self.watched_at = -math.inf  # steady; when somebody last looked at it
        self._reasons: dict[TaskId, Reason] = {}
        self._served: set[tuple[GroupName, UserName]] = set()  # whom the last plan gave nodes
        self._orders: dict[GroupName, _Order] = {}

    def post(self, state: SchedulerState, decided: Plan, *, now: float, seconds: float) -> None:
        """Take over a finished tick that took `seconds`."""
        if state is not self.state:  # it may count by another clock
            self._orders = {}
        self.state = state
        self.decided = decided
        self.planned_at = now
        self.tick_seconds = seconds
        self.ticks += 1
        self._reasons = {}
        claims = (
            state.claims.get(start.task_id) for start in (*decided.starts, *decided.handovers)
        )
        self._served = {(claim.group, claim.user) for claim in claims if claim is not None}

    @property
    def paused(self) -> bool:
        """Whether nothing is started for now."""
        return self.pause_left() > 0

    def reason(self, task_id: TaskId, *, held: bool) -> Reason:
        """Why this waiting task waits."""
        if held:
            return Held()
        if self.paused:
            return Paused(math.ceil(self.pause_left()))
        state = self.state
        claim = state.claims.get(task_id) if state else None
        if state is None or claim is None or claim.held:  # new, or resumed since the last tick
            return NotPlanned()
        self.consider([task_id])
        return self._reasons.get(task_id) or NotPlanned()

    def consider(self, task_ids: Iterable[TaskId]) -> None:
        """Find the reasons of all these at once. Where a user was given nodes, which took room in
        the quota, what the plan did has to be tried: once for all is much cheaper."""
        state = self.state
        if state is None:
            return
        unknown = (
            state.claims.get(task_id) for task_id in task_ids if task_id not in self._reasons
        )
        claims = [one for one in unknown if one and one.state.is_waiting and not one.held]
        positions = {group: self.positions(group) for group in {one.group for one in claims}}

        def find(claim: Claim) -> None:
            places = positions[claim.group]
            self._reasons[claim.task_id] = reason_of(state, self.decided, claim.task_id, places)

        served = [claim for claim in claims if self._was_served(claim)]
        for claim in claims:
            if not self._was_served(claim):
                find(claim)
        if served:
            with applied(state, self.decided):
                for claim in served:
                    find(claim)

    def _was_served(self, claim: Claim) -> bool:
        return (claim.group, claim.user) in self._served

    def positions(self, group: GroupName) -> Mapping[TaskId, int]:
        """Places in the group's order of service, from 1; a second old, or more in long lines."""
        state = self.state
        if state is None:
            return {}
        known = self._orders.get(group)
        if known is None or state.now >= known.good_until:
            began = time.perf_counter()
            order = service_order(state, group)
            places = {task_id: place for place, task_id in enumerate(order, 1)}
            took = time.perf_counter() - began
            known = _Order(state.now + max(_ORDER_SECONDS, took / _ORDER_SHARE), places)
            self._orders[group] = known
        return known.places

    def queue_status(self, task_id: TaskId, phase: TaskState) -> QueueStatus:
        """What can be told of the task beside its reason: nothing while the last tick knew it in
        another phase than its row is in (a task that ended since then holds no slice)."""
        state = self.state
        claim = state.claims.get(task_id) if state else None
        if state is None or claim is None or _phase(claim.state) != _phase(phase):
            return QueueStatus()
        if claim.state.is_active:
            until = None if claim.state.is_leaving else safe_until(state, claim)
            return QueueStatus(safe_until=until, backfill=claim.backfill, level=claim.level)
        position = self.positions(claim.group).get(task_id)
        queue = state.group(claim.group).queue
        level = queue.level_of(task_id) if task_id in queue else None
        return QueueStatus(position=position, level=level)


def _phase(state: TaskState) -> tuple[bool, bool]:
    """Whether it waits, holds nodes or is over."""
    return state.is_waiting, state.is_active
