"""The active claims of one group that would come back above where they stand if they left.

A claim that does not ask for the level that it is charged at (AUTO, or its priority was changed)
joins a line at the level where its user has room by then. A claim below that line must not take its
nodes: they would be taken back at once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hai.core.inventory.nodes import Gains
from hai.core.plan import Claim
from hai.core.quota import UserQuota
from hai.core.types import Priority, TaskId, UserName


@dataclass(slots=True)
class _Holder:
    claim: Claim
    defended: Priority
    gains: Gains  # nodes that it would free for others, by zone
    is_firm: bool
    back: Priority | None = None  # the level of the line that it would join

    def is_above(self, level: Priority) -> bool:
        return self.back is not None and self.back > level


class Requeue:
    """Counts what such claims hold. Whoever changes a user's quota calls `refresh`; the user's
    claims are looked at again when somebody asks next."""

    def __init__(self, quota_of: Callable[[UserName], UserQuota]) -> None:
        self._quota_of = quota_of
        self._holders: dict[UserName, dict[TaskId, _Holder]] = {}
        self._totals: dict[tuple[Priority, Priority], Gains] = {}  # by defended and line
        self._stale: set[UserName] = set()

    def add(self, claim: Claim, defended: Priority, gains: Gains, *, is_firm: bool) -> None:
        """`is_firm`: it is not a backfill."""
        if claim.priority is defended and defended is claim.level:
            return
        holder = _Holder(claim, defended, gains, is_firm)
        self._holders.setdefault(claim.user, {})[claim.task_id] = holder
        self._stale.add(claim.user)

    def remove(self, claim: Claim) -> None:
        """Harmless if it is not there."""
        holders = self._holders.get(claim.user)
        holder = holders.pop(claim.task_id, None) if holders else None
        if holder is not None:
            self._count(holder, -1)
            if not holders:
                del self._holders[claim.user]

    def refresh(self, user: UserName) -> None:
        """The user holds, or may hold, something else than before."""
        if user in self._holders:
            self._stale.add(user)

    def is_above(self, claim: Claim, level: Priority) -> bool:
        """Whether this active claim would join a line above `level`."""
        if claim.priority is claim.level:
            return False
        self._settle()
        return self._holders[claim.user][claim.task_id].is_above(level)

    def nodes_above(self, user: UserName, level: Priority, zones: Iterable[str]) -> int:
        """Nodes in these zones that are out of the user's reach at `level`, since whoever holds
        them at that level or lower would join a line above it. Without those that the user holds
        firmly at that level, which are out of reach as it is."""
        self._settle()
        count = sum(
            gains.get(zone, 0)
            for (defended, back), gains in self._totals.items()
            if defended <= level < back
            for zone in zones
        )
        for holder in self._holders.get(user, {}).values():
            if holder.is_firm and holder.defended is level and holder.is_above(level):
                count -= sum(holder.gains.get(zone, 0) for zone in zones)
        return count

    def _settle(self) -> None:
        while self._stale:
            user = self._stale.pop()
            quota = self._quota_of(user)
            for holder in self._holders.get(user, {}).values():
                back = quota.level_later(holder.claim.priority, holder.claim.nodes)
                if back is not holder.back:
                    self._count(holder, -1)
                    holder.back = back
                    self._count(holder, 1)

    def _count(self, holder: _Holder, sign: int) -> None:
        if holder.back is None:
            return
        totals = self._totals.setdefault((holder.defended, holder.back), {})
        for zone, count in holder.gains.items():
            totals[zone] = totals.get(zone, 0) + sign * count
