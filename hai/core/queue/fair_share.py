"""Whose turn it is: what each user of a group has used, decayed over a window.

Usage is node-seconds; what was used one half-life ago counts half. All weights shrink alike as time
passes, so instead of shrinking old usage we inflate new usage: the order between users changes only
when somebody books, never by time alone. A running attempt is booked a slice ahead, and what it did
not use is given back when it ends.

The idea of usage with a half-life is that of fair-share schedulers since Kay and Lauder (1988).
"""

import math
from dataclasses import dataclass

from hai.core.plan import Claim
from hai.core.policy import Policy
from hai.core.types import Priority, TaskId, UserName

_REBASE_HALF_LIVES = 256
_UNIT = 2**40  # parts of a node-second; whole numbers add up alike in any order

Mark = tuple[int | None, float | None]


@dataclass(frozen=True, slots=True)
class Booking:
    """Nodes of one attempt, booked from `since` to `until`, which is yet to come."""

    user: UserName
    nodes: int
    since: float
    until: float


class FairShare:
    """Usage of one group's users. `last_start`: when each last got nodes by right, not as a
    backfill."""

    def __init__(self, policy: Policy, now: float) -> None:
        self._policy = policy
        self._half_life = policy.half_life_seconds
        self._base = math.floor(now / self._half_life) * self._half_life
        self._usage: dict[UserName, int] = {}  # inflated: comparable with one another only
        self._last_start: dict[UserName, float] = {}
        self._bookings: dict[TaskId, Booking] = {}

    def key(self, user: UserName) -> float:
        """Orders users: the lowest comes first."""
        return self._usage.get(user, 0) / self._policy.weight(user)

    def key_after(self, user: UserName, use: int) -> float:
        """The key that the user would have after so much more, a sum of `use_of`."""
        return (self._usage.get(user, 0) + use) / self._policy.weight(user)

    def use_of(self, nodes: int, seconds: float, now: float) -> int:
        """What a start that is booked for so long from now on adds to its user's usage."""
        return self._amount(nodes, now, now + seconds)

    def last_start(self, user: UserName) -> float:
        return self._last_start.get(user, -math.inf)

    def node_seconds(self, user: UserName, now: float) -> float:
        """Usage decayed to `now`, for people."""
        return self._usage.get(user, 0) / _UNIT / self._inflated(now)

    def ended(self, now: float) -> dict[UserName, tuple[float, float | None]]:
        """What ended attempts have used, decayed to `now`, and the last start: what `seed` takes,
        so that claims can be booked anew on top of it."""
        usage = dict(self._usage)
        for booked in self._bookings.values():
            usage[booked.user] -= self._amount(booked.nodes, booked.since, booked.until)
        scale = self._inflated(now) * _UNIT
        return {
            # to the millisecond: what sums to nothing is nothing
            user: (max(0.0, round(used / scale, 3)), self._last_start.get(user))
            for user, used in usage.items()
        }

    def users(self) -> list[UserName]:
        return sorted(self._usage)

    def seed(
        self, user: UserName, node_seconds: float, last_start: float | None, now: float
    ) -> None:
        """Start a user off with usage that is already decayed to `now`."""
        amount = round(node_seconds * self._inflated(now) * _UNIT)
        self._usage[user] = self._usage.get(user, 0) + amount
        if last_start is not None:
            self.start(user, last_start)

    def mark(self, user: UserName) -> Mark:
        """What `restore` needs to undo everything that is booked for the user from now on."""
        return self._usage.get(user), self._last_start.get(user)

    def restore(self, user: UserName, mark: Mark) -> None:
        """As it was when `mark` was taken."""
        used, last_start = mark
        if used is None:
            self._usage.pop(user, None)
        else:
            self._usage[user] = used
        if last_start is None:
            self._last_start.pop(user, None)
        else:
            self._last_start[user] = last_start

    def book(self, claim: Claim, now: float) -> float | None:
        """Book an active claim up to the end of its current slice, unless it is: until when it is
        booked if that is new."""
        booked = self._bookings.get(claim.task_id)
        if claim.since is None:
            return None
        if booked is not None and booked.since != claim.since:
            self.end(claim.task_id, claim.since)
            booked = None
        if booked is not None and booked.until > now:
            return None
        since = claim.since if booked is None else booked.until
        until = self._slice_end(claim, claim.since, now)
        nodes = len(claim.holds)
        self._add(claim.user, nodes, since, until)
        if booked is None and not claim.backfill:
            self.start(claim.user, claim.since)
        self._bookings[claim.task_id] = Booking(claim.user, nodes, claim.since, until)
        return until

    def spend(
        self, user: UserName, nodes: int, level: Priority, now: float, *, by_right: bool
    ) -> None:
        """What booking a start does to its user's share, without a booking."""
        use = self.use_of(nodes, self._policy.slice_of(level), now)
        self._usage[user] = self._usage.get(user, 0) + use
        if by_right:
            self.start(user, now)

    def start(self, user: UserName, at: float) -> None:
        """The user got nodes by right."""
        self._last_start[user] = max(at, self._last_start.get(user, at))

    def end(self, task_id: TaskId, at: float) -> None:
        """The attempt ended at `at`: give back what it did not use; harmless without a booking."""
        booked = self._bookings.pop(task_id, None)
        if booked is not None:
            end = min(booked.until, max(booked.since, at))
            self._add(booked.user, booked.nodes, booked.until, end)

    def rebase(self, now: float) -> bool:
        """Keep the numbers in range; True if every key changed (by one power of two: no order
        did)."""
        steps = math.floor((now - self._base) / self._half_life / _REBASE_HALF_LIVES)
        if steps < 1:
            return False
        half_lives = steps * _REBASE_HALF_LIVES
        self._base += half_lives * self._half_life
        self._usage = {user: used >> half_lives for user, used in self._usage.items()}
        return True

    def _slice_end(self, claim: Claim, since: float, now: float) -> float:
        slice_seconds = self._policy.slice_of(claim.level)
        slices = max(0, math.floor((now - since) / slice_seconds)) + 1
        return since + slices * slice_seconds

    def _add(self, user: UserName, nodes: int, since: float, until: float) -> None:
        self._usage[user] = self._usage.get(user, 0) + self._amount(nodes, since, until)

    def _amount(self, nodes: int, since: float, until: float) -> int:
        scale = nodes * self._half_life / math.log(2) * _UNIT
        return round(scale * (self._inflated(until) - self._inflated(since)))

    def _inflated(self, at: float) -> float:
        return float(2.0 ** ((at - self._base) / self._half_life))
