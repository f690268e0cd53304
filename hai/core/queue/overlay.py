"""Who is served next, also while decisions are assumed: an overlay on the order of the job classes.

While decisions are assumed claims only leave their lines, and whoever gets nodes only moves back:
less quota, a higher share, later claims. So the job classes stay where they are, and a user who has
receded stands in an order of its own from when it is met at the front of a level: at first where
its new share alone would put it, and where its claims do when it is met there again, as few are. To
forget all that was assumed costs nothing.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from typing import TypeVar

from hai.core.queue.job_classes import (
    Entry,
    FairShareKey,
    JobClasses,
    LevelOf,
    OwnKey,
    QueuePlace,
    UserBacklog,
    UserRank,
    Waiter,
    at_best,
    rank_of,
)
from hai.core.types import Priority, TaskId, UserName

_NOBODY = UserBacklog()
Ordered = TypeVar("Ordered", QueuePlace, Waiter)


@dataclass(slots=True)
class _Met:
    """A receded user as found at a level."""

    changes: int  # of the user, by then; 0: not looked at yet
    rank: UserRank | None


@dataclass(slots=True)
class _Falling:
    """A receded user's job classes that may wait at any level: from where they fall, and how wide
    they are."""

    classes: list[tuple[Priority, int]]
    changes: int = 0  # of the user, when it was found where to
    to: set[Priority] = field(default_factory=set)

    def find(self, level_of: LevelOf) -> None:
        """Where they wait now, if lower than before."""
        self.to.clear()
        for above, width in self.classes:
            level = level_of(Priority.AUTO, width)
            if level is not None and level < above:
                self.to.add(level)


@dataclass(slots=True)
class _Receded:
    """Those met at one level so far; their job classes are passed over."""

    users: dict[UserName, _Met] = field(default_factory=dict)
    order: list[QueuePlace] = field(default_factory=list)
    waiters: list[Waiter] = field(default_factory=list)
    passed: dict[int, int] = field(default_factory=dict)  # entries in front, by width
    fronts: list[Entry] | None = None  # a heap: of each width the first entry of the others
    narrowest: float = math.inf

    def first_of_others(self, widths: Mapping[int, list[Entry]]) -> Entry | None:
        """The first entry of somebody who was not met, as long as the job classes stay."""
        fronts = self.fronts
        if fronts is None:
            fronts = self.fronts = [order[0] for order in widths.values()]
            heapify(fronts)
        while fronts and fronts[0].user in self.users:
            width = fronts[0].width
            order = widths[width]
            at = self.pass_over(width, order)
            if at < len(order):
                heapreplace(fronts, order[at])
            else:
                heappop(fronts)
        return fronts[0] if fronts else None

    def pass_over(self, width: int, order: list[Entry]) -> int:
        """Where the entries of those who were met end at the front of this width."""
        at = self.passed.get(width, 0)
        while at < len(order) and order[at].user in self.users:
            at += 1
        self.passed[width] = at
        return at

    def set(self, user: UserName, met: _Met) -> None:
        old = self.users.get(user)
        if old is not None and old.rank is not None:
            _discard(self.order, old.rank.entries[0].place)
            _discard(self.waiters, old.rank.waiter)
        self.users[user] = met
        if met.rank is not None:
            insort(self.order, met.rank.entries[0].place)
            insort(self.waiters, met.rank.waiter)
            for entry in met.rank.entries:
                if entry.width < self.narrowest:
                    self.narrowest = entry.width


class QueueOverlay:
    """`room_of(user)` gives the function that says at which level a gang that asks for some level
    has room now, `key_of(user)` the user's share and last start."""

    def __init__(
        self,
        classes: JobClasses,
        backlogs: Mapping[UserName, UserBacklog],
        room_of: Callable[[UserName], LevelOf],
        key_of: Callable[[UserName], FairShareKey],
    ) -> None:
        self._classes = classes
        self._backlogs = backlogs
        self._room_of = room_of
        self._key_of = key_of
        self._changes: dict[UserName, int] = {}  # of those who have receded
        self._may_fall: dict[UserName, _Falling] = {}
        self._levels: dict[Priority, _Receded] = {}

    def recede(self, user: UserName) -> None:
        """The user's quota, share or line is another one until `forget`."""
        changes = self._changes[user] = self._changes.get(user, 0) + 1
        if changes == 1 and (falling := self._backlogs.get(user, _NOBODY).falling()):
            self._may_fall[user] = _Falling(falling)

    def recover(self, user: UserName) -> None:
        """A change is undone: where the user was met it is looked at anew, and early enough."""
        self.recede(user)
        for receded in self._levels.values():
            if user in receded.users:
                receded.set(user, _Met(0, at_best(user, self._key_of(user))))

    def forget(self) -> None:
        """All is as it was."""
        self._changes.clear()
        self._may_fall.clear()
        self._levels.clear()

    def let_fall(self, level: Priority) -> None:
        """Job classes that ask for the highest level with room may now wait at this one, lower than
        before: to be called before the level is served."""
        for user, falling in self._may_fall.items():
            if falling.changes != self._changes[user]:
                falling.changes = self._changes[user]
                falling.find(self._room_of(user))
            if level in falling.to:
                self._meet(user, level)

    def waiter(self, user: UserName, level: Priority) -> Waiter | None:
        """Since when the user waits at the level; None: nothing of theirs does."""
        if user in self._changes:
            rank = self._meet(user, level).rank
            return None if rank is None else rank.waiter
        return self._backlogs.get(user, _NOBODY).waits.get(level)

    def has_any(self, level: Priority) -> bool:
        """Whether a claim may wait at the level; while decisions are assumed it may have left."""
        return bool(self._classes.widths(level)) or level in self._levels

    def narrowest(self, level: Priority) -> float:
        """No claim at the level needs fewer nodes than this."""
        least: float = min(self._classes.widths(level), default=math.inf)
        return min(least, self._receded_at(level).narrowest)

    def overdue(self, level: Priority, before: float) -> Iterator[UserName]:
        """Who waits at the level since `before` or longer, the longest first, each user once. What
        is decided meanwhile counts."""
        waiters = self._classes.waiters(level)
        receded = self._receded_at(level)
        given: set[UserName] = set()
        at = 0
        while True:
            while at < len(waiters) and (
                waiters[at].user in given or waiters[at].user in receded.users
            ):
                at += 1
            best = next((waiter for waiter in receded.waiters if waiter.user not in given), None)
            if at < len(waiters) and (best is None or waiters[at] < best):
                best = waiters[at]
            if best is None or best.since > before:
                return
            if not self._is_met(best.user, level):
                given.add(best.user)
                yield best.user

    def in_turn(self, level: Priority, widest: int, skipped: Collection[TaskId]) -> OwnKey | None:
        """Whose turn it is at that level: the first that needs at most `widest` nodes and was not
        skipped; of one job class only the first is looked at."""
        receded = self._receded_at(level)
        widths = self._classes.widths(level)
        while True:
            best = self._first_of_others(widths, receded) if self._changes else None
            if best is None or best.width > widest or best.task_id in skipped:
                best = self._best(widths, widest, skipped, receded)
            if receded.order and (best is None or receded.order[0] < best):
                best = self._best_receded(best, widest, skipped, receded)
            if best is None:
                return None
            if best.user not in self._changes or not self._is_met(best.user, level):
                return best.own

    def _first_of_others(
        self, widths: Mapping[int, list[Entry]], receded: _Receded
    ) -> Entry | None:
        """The first entry of those who have not receded."""
        while (first := receded.first_of_others(widths)) and first.user in self._changes:
            receded.set(first.user, _Met(0, at_best(first.user, self._key_of(first.user))))
        return first

    def _best(
        self,
        widths: Mapping[int, list[Entry]],
        widest: int,
        skipped: Collection[TaskId],
        receded: _Receded,
    ) -> Entry | None:
        best: Entry | None = None
        met = receded.users
        for width, order in widths.items():
            if width > widest:
                continue
            for place in range(receded.pass_over(width, order), len(order)):
                entry = order[place]
                if best is not None and entry > best:
                    break
                if entry.task_id not in skipped and entry.user not in met:
                    best = entry
                    break
        return best

    def _best_receded(
        self,
        best: Entry | None,
        widest: int,
        skipped: Collection[TaskId],
        receded: _Receded,
    ) -> Entry | None:
        """`best`, or what stands before it among those who have receded."""
        for place in receded.order:
            if best is not None and place > best:
                break
            met = receded.users[place.user]
            is_open = met.changes != self._changes[place.user]  # to be looked at anew
            for entry in met.rank.entries if met.rank else ():
                if is_open or (entry.width <= widest and entry.task_id not in skipped):
                    return entry
        return best

    def _receded_at(self, level: Priority) -> _Receded:
        receded = self._levels.get(level)
        if receded is None:
            receded = self._levels[level] = _Receded()
        return receded

    def _is_met(self, user: UserName, level: Priority) -> bool:
        """Whether the user's place was still to be looked at anew, and now is."""
        changes = self._changes.get(user)
        if changes is None:
            return False
        receded = self._receded_at(level)
        met = receded.users.get(user)
        if met is None:
            receded.set(user, _Met(0, at_best(user, self._key_of(user))))
        elif met.changes != changes:
            self._meet(user, level)
        else:
            return False
        return True

    def _meet(self, user: UserName, level: Priority) -> _Met:
        receded = self._receded_at(level)
        changes = self._changes[user]
        met = receded.users.get(user)
        if met is None or met.changes != changes:
            backlog = self._backlogs.get(user, _NOBODY)
            heads = backlog.heads_at(level, self._room_of(user))
            rank = rank_of(user, self._key_of(user), heads) if heads else None
            met = _Met(changes, rank)
            receded.set(user, met)
        return met


def _discard(order: list[Ordered], place: Ordered) -> None:
    del order[bisect_left(order, place)]
