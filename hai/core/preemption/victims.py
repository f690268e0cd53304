"""The active claims of one group as possible victims: who may be asked to leave, cheapest first.

A victim costs the work that it would lose, the seconds since its last checkpoint, but no more than
a cap, so that nobody is safe by never saving; then the number of nodes; then age, newest first.
Costs of running tasks grow alike, so their order only changes when one of them saves, or reaches
the cap.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from heapq import merge
from itertools import chain
from typing import NamedTuple

from hai.core.inventory.nodes import Gains, Zones
from hai.core.plan import Claim
from hai.core.policy import Policy
from hai.core.types import Priority, TaskId, UserName

MayTake = Callable[[Claim, Priority, "Hold"], bool]  # at this level, held as firmly


class Hold(IntEnum):
    """How firmly an active claim holds its nodes against its equals."""

    BACKFILL = 0  # in the shadow of a gang: not at all
    EXPIRED = 1  # its slice is over
    SAFE = 2  # within its slice, or suspended not long ago


class CostKey(NamedTuple):
    """Victims in this order: what suspending them costs, the newest of equals."""

    is_capped: bool
    lost: float
    nodes: int
    newest: int
    task_id: TaskId


@dataclass(slots=True)
class _Place:
    level: Priority
    hold: Hold
    cost: CostKey
    gains: Gains


def defended_level(claim: Claim) -> Priority:
    """The level at which an active claim defends its nodes: the one that it is charged at, or the
    lower one that it asks for meanwhile."""
    if claim.priority is Priority.AUTO:
        return claim.level
    return min(claim.level, claim.priority)


def slice_end(claim: Claim, policy: Policy) -> float:
    """Until when an active claim is safe from its equals. A backfill is not, but for what is left
    of the slice in which it was suspended before: nobody is suspended twice within a slice."""
    if not claim.backfill:
        return claim.slice_since + policy.slice_of(claim.level)
    if claim.suspended_at is None:
        return claim.slice_since
    return max(claim.slice_since, claim.suspended_at + policy.slice_of(claim.level))


def lost_since(claim: Claim) -> float:
    """Since when an active claim's work would be lost."""
    return max(claim.slice_since, claim.saved_at or 0.0)


def capped_at(claim: Claim, policy: Policy) -> float:
    """When what an active claim would lose reaches the cap."""
    return lost_since(claim) + policy.lost_work_cap_seconds


class ActiveClaims:
    """The claims that hold nodes and stay, by level, hold and cost."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._claims: dict[TaskId, Claim] = {}
        self._places: dict[TaskId, _Place] = {}
        self._lines: dict[tuple[Priority, Hold], list[CostKey]] = {}
        self._totals: dict[tuple[Priority, Hold], Gains] = defaultdict(_nothing)
        self._own: dict[tuple[UserName, Priority], Gains] = defaultdict(_nothing)  # by right

    def __len__(self) -> int:
        return len(self._claims)

    def claims(self) -> Iterator[Claim]:
        return iter(self._claims.values())

    def add(self, claim: Claim, gains: Gains, now: float) -> None:
        place = _Place(
            defended_level(claim), self.hold_of(claim, now), self._cost(claim, now), gains
        )
        self._claims[claim.task_id] = claim
        self._places[claim.task_id] = place
        at = (place.level, place.hold)
        insort(self._lines.setdefault(at, []), place.cost)
        self._count(claim.user, at, gains, 1)

    def remove(self, task_id: TaskId) -> None:
        """Harmless if it is not there."""
        place = self._places.pop(task_id, None)
        if place is None:
            return
        claim = self._claims.pop(task_id)
        at = (place.level, place.hold)
        line = self._lines[at]
        del line[bisect_left(line, place.cost)]
        self._count(claim.user, at, place.gains, -1)

    def reserve(self, user: UserName, level: Priority, gains: Gains) -> None:
        """Somebody was just given these nodes at this level, by right: they count, but nobody can
        have them before the slice is over."""
        self._count(user, (level, Hold.SAFE), gains, 1)

    def release(self, user: UserName, level: Priority, gains: Gains) -> None:
        """As before `reserve`."""
        self._count(user, (level, Hold.SAFE), gains, -1)

    def _count(self, user: UserName, at: tuple[Priority, Hold], gains: Gains, sign: int) -> None:
        level, hold = at
        totals = [self._totals[at]]
        if hold is not Hold.BACKFILL:
            totals.append(self._own[user, level])
        for zone, count in gains.items():
            for by_zone in totals:
                by_zone[zone] += sign * count

    def is_stale(self, claim: Claim, now: float) -> bool:
        """Whether the claim's place is no longer what it would be now."""
        place = self._places.get(claim.task_id)
        if place is None:
            return False
        return (place.hold, place.cost) != (self.hold_of(claim, now), self._cost(claim, now))

    def hold_of(self, claim: Claim, now: float) -> Hold:
        if now < slice_end(claim, self._policy):
            return Hold.SAFE
        return Hold.BACKFILL if claim.backfill else Hold.EXPIRED

    def _cost(self, claim: Claim, now: float) -> CostKey:
        is_capped = now >= capped_at(claim, self._policy)
        lost = 0.0 if is_capped else -lost_since(claim)
        return CostKey(is_capped, lost, claim.nodes, -claim.task_id, claim.task_id)

    # victims

    def reach(self, level: Priority, zones: Zones) -> int:
        """No more nodes than these could be freed for a claim at `level`."""
        count = 0
        for (defended, hold), totals in self._totals.items():
            if defended < level or (defended is level and hold is not Hold.SAFE):
                count += sum(totals.get(zone, 0) for zone in zones)
        return count

    def reach_later(self, level: Priority, zones: Zones) -> int:
        """The same, once every slice is over."""
        return sum(
            totals.get(zone, 0)
            for (defended, _), totals in self._totals.items()
            if defended <= level
            for zone in zones
        )

    def held_by(self, user: UserName, level: Priority, zones: Zones) -> int:
        """What the user's own tasks at this level hold, which no other of theirs can take."""
        own = self._own.get((user, level), {})
        return sum(own.get(zone, 0) for zone in zones)

    def victims(
        self, level: Priority, zones: Zones, needed: int, may_take: MayTake
    ) -> list[Claim] | None:
        """The cheapest claims that free `needed` nodes in these zones, none of which could stay;
        None if there are not enough. `may_take` has the last word on each."""
        if self.reach(level, zones) < needed:
            return None
        found: list[tuple[Claim, int]] = []
        gain = 0
        for task_id in self._candidates(level):
            claim, place = self._claims[task_id], self._places[task_id]
            gives = sum([place.gains.get(zone, 0) for zone in zones])
            if gives and may_take(claim, place.level, place.hold):
                found.append((claim, gives))
                gain += gives
                if gain >= needed:
                    return _no_more_than(found, gain, needed)
        return None

    def _candidates(self, level: Priority) -> Iterator[TaskId]:
        """Lower levels first; in each, backfill first; then by cost."""
        lines = self._lines
        for lower in sorted({at for at, _ in lines if at < level}):
            firm = merge(lines.get((lower, Hold.EXPIRED), ()), lines.get((lower, Hold.SAFE), ()))
            for cost in chain(lines.get((lower, Hold.BACKFILL), ()), firm):
                yield cost.task_id
        for hold in (Hold.BACKFILL, Hold.EXPIRED):
            for cost in lines.get((level, hold), ()):
                yield cost.task_id


def _nothing() -> Gains:
    return defaultdict(int)


def _no_more_than(found: list[tuple[Claim, int]], gain: int, needed: int) -> list[Claim]:
    """Without those that turn out unnecessary, the dearest first."""
    chosen = []
    for claim, gives in reversed(found):
        if gain - gives >= needed:
            gain -= gives
        else:
            chosen.append(claim)
    chosen.reverse()
    return chosen
