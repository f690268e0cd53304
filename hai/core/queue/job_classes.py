"""Where waiting claims stand: classes of alike claims, in order by level and width.

Claims of one user, one asked priority and one width form a job class: they are interchangeable but
for their place in their user's line.
"""

import math
import sys
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hai.core.plan import Claim
from hai.core.types import Priority, TaskId, UserName

# The place of a claim in its user's own line: whether it is not at the head for a lost node, its
# custom rank, since when it is in line, its id. There is one for every waiting claim; a plain tuple
# of numbers, unlike a named one, costs the garbage collector nothing.
OwnKey = tuple[bool, float, float, TaskId]


class JobClassKey(NamedTuple):
    asked: Priority
    width: int


class FairShareKey(NamedTuple):
    """Whose turn it is among users: the lowest comes first."""

    share: float
    last_start: float


class Entry(NamedTuple):
    """A job class at its level, in the order of service; the head of its line stands for it."""

    share: float
    since: float  # of two users with the same share who has waited longer at the level
    user: UserName
    own: OwnKey
    asked: Priority
    width: int

    @property
    def task_id(self) -> TaskId:
        return self.own[3]  # as task_of, without a call: it is asked for at each look at the line

    @property
    def place(self) -> "QueuePlace":
        return QueuePlace(self.share, self.since, self.user)


class QueuePlace(NamedTuple):
    """The beginning of a user's first entry: compares with entries."""

    share: float
    since: float
    user: UserName


class Waiter(NamedTuple):
    """A user who waits at a level; who has waited longest comes first."""

    since: float
    tie: float
    user: UserName


_FIRST: OwnKey = (False, -math.inf, -math.inf, TaskId(0))  # no claim comes before

LevelOf = Callable[[Priority, int], Priority | None]


def own_key(claim: Claim) -> OwnKey:
    """Orders the claims of one user: who lost a node, then the user's own ranks, then who joined
    the line first. A suspended task joins it anew: what ran long lets the user's others by."""
    return not claim.first, claim.custom_rank, claim.line_since, claim.task_id


def custom_rank_of(own: OwnKey) -> float:
    return own[1]


def line_since_of(own: OwnKey) -> float:
    return own[2]


def task_of(own: OwnKey) -> TaskId:
    return own[3]


@dataclass(slots=True)
class JobClass:
    """Claims of one user, asked priority and width, first come, first served."""

    line: list[OwnKey] = field(default_factory=list)
    level: Priority | None = None
    entry: Entry | None = None


@dataclass(slots=True)
class UserBacklog:
    """One user's job classes by asked priority and width, and since when the user waits at each
    level."""

    classes: dict[Priority, dict[int, JobClass]] = field(default_factory=dict)
    waits: dict[Priority, Waiter] = field(default_factory=dict)

    def all_classes(self) -> Iterator[tuple[JobClassKey, JobClass]]:
        for asked, by_width in self.classes.items():
            for width, job_class in by_width.items():
                yield JobClassKey(asked, width), job_class

    def pop(self, key: JobClassKey) -> JobClass:
        """The job class is no longer one of the user's."""
        asked, width = key
        job_class = self.classes[asked].pop(width)
        if not self.classes[asked]:
            del self.classes[asked]
        return job_class

    def heads_at(self, level: Priority, level_of: LevelOf) -> list[tuple[OwnKey, JobClassKey]]:
        """The first of each job class that belongs to the level now."""
        return [
            (job_class.line[0], JobClassKey(asked, width))
            for asked in (level, Priority.AUTO)
            if asked in self.classes
            for width, job_class in self.classes[asked].items()
            if job_class.line and level_of(asked, width) is level
        ]

    def falling(self) -> list[tuple[Priority, int]]:
        """Where the job classes stand that may wait at any level, and their widths."""
        found = self.classes.get(Priority.AUTO)
        if not found:
            return []
        return [(one.level, width) for width, one in found.items() if one.level is not None]


@dataclass(slots=True)
class UserRank:
    """A user's place at one level: the entries in order, and since when the user waits there."""

    entries: list[Entry]
    waiter: Waiter


def rank_of(
    user: UserName, key: FairShareKey, heads: Iterable[tuple[OwnKey, JobClassKey]]
) -> UserRank:
    """Where these heads of one level, one at least, put their user. Of two users with the same
    share the one who has waited longer at the level comes first."""
    heads = sorted(heads)
    share, last_start = key
    since = min(line_since_of(own) for own, _ in heads)
    entries = [Entry(share, since, user, own, asked, width) for own, (asked, width) in heads]
    return UserRank(entries, Waiter(max(since, last_start), since, user))


def at_best(user: UserName, key: FairShareKey) -> UserRank:
    """No rank of the user can come before this one, whatever the claims."""
    share, last_start = key
    entry = Entry(share, -math.inf, user, _FIRST, Priority.AUTO, sys.maxsize)
    return UserRank([entry], Waiter(last_start, -math.inf, user))


class JobClasses:
    """The job classes that stand at some level: by width in the order of their users' turns, and
    the users by how long they have waited."""

    def __init__(self) -> None:
        self._orders: dict[Priority, dict[int, list[Entry]]] = {}
        self._waiters: dict[Priority, list[Waiter]] = {}

    def levels(self) -> list[Priority]:
        """Levels at which some job class stands, highest first."""
        return sorted((level for level, widths in self._orders.items() if widths), reverse=True)

    def widths(self, level: Priority) -> dict[int, list[Entry]]:
        """The level's entries in order, by width: to look at."""
        return self._orders.get(level, {})

    def waiters(self, level: Priority) -> list[Waiter]:
        """The level's users, the one who waits longest first: to look at."""
        return self._waiters.get(level, [])

    def waits_after(self, after: float) -> float | None:
        """The earliest time later than `after` since when a user waits."""
        found = []
        for waiters in self._waiters.values():
            at = bisect_right(waiters, after, key=lambda waiter: waiter.since)
            if at < len(waiters):
                found.append(waiters[at].since)
        return min(found, default=None)

    def place(self, job_class: JobClass, level: Priority | None, entry: Entry | None) -> None:
        """The job class stands there from now on; nowhere if these are None."""
        if job_class.entry == entry and job_class.level is level:
            return
        if job_class.entry is not None and job_class.level is not None:
            widths, width = self._orders[job_class.level], job_class.entry.width
            order = widths[width]
            del order[bisect_left(order, job_class.entry)]
            if not order:
                del widths[width]
        if entry is not None and level is not None:
            insort(self._orders.setdefault(level, {}).setdefault(entry.width, []), entry)
        job_class.entry = entry
        job_class.level = level

    def set_waits(self, backlog: UserBacklog, waits: dict[Priority, Waiter]) -> None:
        """Since when the backlog's user waits at each level."""
        if waits == backlog.waits:
            return
        for level, waiter in backlog.waits.items():
            waiters = self._waiters[level]
            del waiters[bisect_left(waiters, waiter)]
        for level, waiter in waits.items():
            insort(self._waiters.setdefault(level, []), waiter)
        backlog.waits = waits
