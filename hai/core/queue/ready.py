"""The waiting claims of one group, indexed so that the planner meets only those that it serves.

A class of alike claims (job_classes.py) stands at the level where its user has quota for it now, or
at none. overlay.py finds who is next.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterator, Mapping

from hai.core.plan import Claim
from hai.core.queue.job_classes import (
    FairShareKey,
    JobClass,
    JobClasses,
    JobClassKey,
    LevelOf,
    OwnKey,
    UserBacklog,
    custom_rank_of,
    own_key,
    rank_of,
    task_of,
)
from hai.core.queue.overlay import QueueOverlay
from hai.core.types import Priority, TaskId, UserName

__all__ = ["LevelOf", "ReadyQueue", "own_key"]

_NO_CLASSES: Mapping[int, JobClass] = {}


class ReadyQueue:
    """`room_of(user)` gives the function that says at which level a gang that asks for some level
    has room now (None: at none); `key_of(user)` gives the user's share (the lowest comes first)
    and last start.

    Whoever changes what these answer calls `refresh`. The user's job classes find their place when
    somebody asks next, so that many changes cost as much as one.
    """

    def __init__(
        self, room_of: Callable[[UserName], LevelOf], key_of: Callable[[UserName], FairShareKey]
    ) -> None:
        self._room_of = room_of
        self._key_of = key_of
        self._stale: set[UserName] = set()  # to be put right before anything is asked
        self._is_assuming = False
        self._claims: dict[TaskId, Claim] = {}
        self._backlogs: dict[UserName, UserBacklog] = {}
        self._by_width: dict[int, dict[UserName, int]] = {}  # job classes of each user
        self._classes = JobClasses()
        self._overlay = QueueOverlay(self._classes, self._backlogs, room_of, key_of)

    def __len__(self) -> int:
        return len(self._claims)

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._claims

    def claims(self) -> Collection[Claim]:
        return self._claims.values()

    def claim(self, task_id: TaskId) -> Claim:
        return self._claims[task_id]

    # changing

    def add(self, claim: Claim) -> None:
        """While decisions are assumed it was here before: if more than their end is to come,
        `recover` its user next."""
        self._claims[claim.task_id] = claim
        if not self._is_assuming:
            self._stale.add(claim.user)
        backlog = self._backlogs.get(claim.user)
        if backlog is None:
            backlog = self._backlogs[claim.user] = UserBacklog()
        by_width = backlog.classes.setdefault(claim.priority, {})
        job_class = by_width.get(claim.nodes)
        if job_class is None:
            job_class = by_width[claim.nodes] = JobClass()
            users = self._by_width.setdefault(claim.nodes, {})
            users[claim.user] = users.get(claim.user, 0) + 1
            self._stale.add(claim.user)  # it has no place yet, assumed or not
        own, line = own_key(claim), job_class.line
        if not line or line[-1] < own:  # most come last
            line.append(own)
        else:
            insort(line, own)

    def remove(self, claim: Claim) -> None:
        self.refresh(claim.user)
        del self._claims[claim.task_id]
        line = self._backlogs[claim.user].classes[claim.priority][claim.nodes].line
        del line[bisect_left(line, own_key(claim))]

    def refresh(self, user: UserName) -> None:
        """The user's quota, share or line is another one."""
        if self._is_assuming:
            self._overlay.recede(user)
        else:
            self._stale.add(user)

    def recover(self, user: UserName) -> None:
        """While decisions are assumed: a change of the user is undone, so it may stand before where
        it was met."""
        self._overlay.recover(user)

    def refresh_all(self) -> None:
        for user in self._backlogs:
            self.refresh(user)

    def refresh_widths(self, above: int, to: int) -> None:
        """The widest gang that can ever fit has changed between these bounds."""
        widths = [width for width in self._by_width if above < width <= to]
        for width in widths:
            for user in self._by_width[width]:
                self.refresh(user)

    def begin_assuming(self) -> None:
        """From now on claims only leave their lines, to be put back before `end_assuming`."""
        self._settle()
        self._is_assuming = True

    def end_assuming(self) -> None:
        """All is as it was."""
        self._is_assuming = False
        self._overlay.forget()

    def let_fall(self, level: Priority) -> None:
        """JobClasses that ask for the highest level with room may now wait at this one, lower than
        before: to be called before the level is served while decisions are assumed."""
        self._overlay.let_fall(level)

    def _settle(self) -> None:
        """Everybody is where they belong; while decisions are assumed, where they belong without
        them."""
        while self._stale and not self._is_assuming:
            user = self._stale.pop()
            backlog = self._backlogs.get(user)
            if backlog is not None:
                self._put_in_place(user, backlog)

    def _put_in_place(self, user: UserName, backlog: UserBacklog) -> None:
        """The user's job classes go where quota, share and lines say now."""
        for key in [key for key, job_class in backlog.all_classes() if not job_class.line]:
            self._classes.place(backlog.pop(key), None, None)
            self._forget_width(user, key.width)
        turn, level_of = self._key_of(user), self._room_of(user)
        heads: dict[Priority, list[tuple[OwnKey, JobClassKey]]] = {}
        for key, job_class in backlog.all_classes():
            level = level_of(*key)
            if level is None:
                self._classes.place(job_class, None, None)
            else:
                heads.setdefault(level, []).append((job_class.line[0], key))
        waits = {}
        for level, own in heads.items():
            rank = rank_of(user, turn, own)
            for entry in rank.entries:
                self._classes.place(backlog.classes[entry.asked][entry.width], level, entry)
            waits[level] = rank.waiter
        self._classes.set_waits(backlog, waits)
        if not backlog.classes:
            del self._backlogs[user]

    def _forget_width(self, user: UserName, width: int) -> None:
        users = self._by_width[width]
        users[user] -= 1
        if not users[user]:
            del users[user]
        if not users:
            del self._by_width[width]

    # asking

    def levels(self) -> list[Priority]:
        """Levels at which somebody could be served, highest first."""
        self._settle()
        return self._classes.levels()

    def is_at(self, task_id: TaskId, level: Priority) -> bool:
        """Whether the claim waits at that level."""
        return task_id in self._claims and self.level_of(task_id) is level

    def level_of(self, task_id: TaskId) -> Priority | None:
        """Where the claim waits; None: nowhere, it has no quota or cannot fit."""
        claim = self._claims[task_id]
        return self._room_of(claim.user)(claim.priority, claim.nodes)

    def overdue(self, level: Priority, before: float) -> Iterator[UserName]:
        """Who waits at the level since `before` or longer, the longest first, each user once. What
        is decided meanwhile while decisions are assumed counts."""
        self._settle()
        return self._overlay.overdue(level, before)

    def is_overdue(self, user: UserName, level: Priority, before: float) -> bool:
        self._settle()
        waiter = self._overlay.waiter(user, level)
        return waiter is not None and waiter.since <= before

    def next_overdue(self, after: float) -> float | None:
        """The earliest time later than `after` since when a user waits."""
        self._settle()
        return self._classes.waits_after(after)

    def head_of(self, user: UserName, level: Priority) -> Claim | None:
        """The first in the user's own line at that level."""
        backlog = self._backlogs.get(user)
        if backlog is None:
            return None
        own = min(backlog.heads_at(level, self._room_of(user)), default=None)
        return None if own is None else self._claims[task_of(own[0])]

    def ranked_before(
        self, claim: Claim, level: Priority, above: float, most: int
    ) -> TaskId | None:
        """The first of the user's own with a rank before the claim's that asks for the level, or
        the highest with room, and for more than `above` nodes, `most` at the most."""
        best: OwnKey | None = None
        classes = self._backlogs[claim.user].classes
        for asked in (level, Priority.AUTO):
            for width, job_class in classes.get(asked, _NO_CLASSES).items():
                if above < width <= most and job_class.line:
                    key = job_class.line[0]
                    if custom_rank_of(key) < claim.custom_rank and (best is None or key < best):
                        best = key
        return task_of(best) if best is not None and best < own_key(claim) else None

    def lines_at(self, level: Priority) -> dict[UserName, list[OwnKey]]:
        """Every claim at that level, by user and in the user's order. O(claims)."""
        self._settle()
        lines: dict[UserName, list[OwnKey]] = {}
        for user, backlog in self._backlogs.items():
            keys = [
                key
                for _, job_class in backlog.all_classes()
                if job_class.level is level
                for key in job_class.line
            ]
            if keys:
                lines[user] = sorted(keys)
        return lines

    def has_any(self, level: Priority) -> bool:
        """Whether a claim may wait at the level; while decisions are assumed it may have left."""
        self._settle()
        return self._overlay.has_any(level)

    def narrowest(self, level: Priority) -> float:
        """No claim at the level needs fewer nodes than this."""
        self._settle()
        return self._overlay.narrowest(level)

    def in_turn(self, level: Priority, widest: int, skipped: Collection[TaskId]) -> Claim | None:
        """Whose turn it is at that level: the first that needs at most `widest` nodes and was not
        skipped; of one job class only the first is looked at."""
        self._settle()
        own = self._overlay.in_turn(level, widest, skipped)
        return None if own is None else self._claims[task_of(own)]
