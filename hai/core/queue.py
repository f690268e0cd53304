"""The waiting claims of one group, indexed so that the planner meets only those that it serves.

Claims of one user, one asked priority and one width form a cell: they are interchangeable but for
their place in their user's line. A cell stands at the level where its user has quota for it now, or
at none. Each level keeps its cells by width, in the order of their users' turns, and its users by
how long they have waited.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from hai.core.plan import Claim
from hai.core.types import Priority, TaskId, UserName

OwnKey = tuple[bool, float, float, TaskId]
CellKey = tuple[UserName, Priority, int]
Entry = tuple[float, float, UserName, OwnKey, Priority, int]
Waiter = tuple[float, float, UserName]

LevelOf = Callable[[Priority, int], Priority | None]
TurnOf = Callable[[UserName], tuple[float, float]]


def own_key(claim: Claim) -> OwnKey:
    """Orders the claims of one user: who lost a node, then the user's own ranks, then who joined
    the line first. A suspended task joins it anew: what ran long lets the user's others by."""
    return (not claim.first, claim.custom_rank, claim.line_since, claim.task_id)


@dataclass(slots=True)
class Cell:
    """Claims of one user, asked priority and width, first come, first served."""

    line: list[OwnKey] = field(default_factory=list)
    level: Priority | None = None
    entry: Entry | None = None


@dataclass(slots=True)
class _Member:
    """One user's place in the queue."""

    cells: dict[CellKey, Cell] = field(default_factory=dict)
    waits: dict[Priority, Waiter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where one user stood."""

    cells: dict[CellKey, tuple[Priority | None, Entry | None]]
    waits: dict[Priority, Waiter]


class Queue:
    """`room_of(user)` gives the function that says at which level a gang that asks for some level
    has room now (None: at none); `turn_of(user)` gives the user's share (the lowest comes first)
    and last start.

    Whoever changes what these answer calls `refresh`. The user's cells find their place when
    somebody asks next, so that many changes cost as much as one.
    """

    def __init__(self, room_of: Callable[[UserName], LevelOf], turn_of: TurnOf) -> None:
        self._room_of = room_of
        self._turn_of = turn_of
        self._stale: set[UserName] = set()  # to be put right before anything is asked
        self._is_trial = False
        self._receding: set[UserName] = set()  # to be put right when met, see begin_trial
        self._may_fall: set[UserName] = set()
        self._moved: dict[UserName, _Places] = {}  # put right during the trial: where they were
        self._claims: dict[TaskId, Claim] = {}
        self._members: dict[UserName, _Member] = {}
        self._by_width: dict[int, dict[UserName, int]] = {}  # cells of each user
        self._orders: dict[Priority, dict[int, list[Entry]]] = {}
        self._waiters: dict[Priority, list[Waiter]] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._claims

    def claims(self) -> Collection[Claim]:
        return self._claims.values()

    def claim(self, task_id: TaskId) -> Claim:
        return self._claims[task_id]

    def refresh_all(self) -> None:
        for user in self._members:
            self.refresh(user)

    def refresh_widths(self, above: int, to: int) -> None:
        """The widest gang that can ever fit has changed between these bounds."""
        widths = [width for width in self._by_width if above < width <= to]
        for width in widths:
            for user in self._by_width[width]:
                self.refresh(user)

    # changing

    def add(self, claim: Claim) -> None:
        self._claims[claim.task_id] = claim
        self.refresh(claim.user)
        member = self._members.setdefault(claim.user, _Member())
        key = _cell_key(claim)
        cell = member.cells.get(key)
        if cell is None:
            cell = member.cells[key] = Cell()
            users = self._by_width.setdefault(claim.nodes, {})
            users[claim.user] = users.get(claim.user, 0) + 1
        insort(cell.line, own_key(claim))

    def remove(self, claim: Claim) -> None:
        self.refresh(claim.user)
        del self._claims[claim.task_id]
        line = self._members[claim.user].cells[_cell_key(claim)].line
        del line[bisect_left(line, own_key(claim))]

    def refresh(self, user: UserName) -> None:
        """The user's quota, share or line is another one."""
        if self._is_trial:
            self._receding.add(user)
            self._may_fall.add(user)
        else:
            self._stale.add(user)

    def begin_trial(self) -> None:
        """From now on claims only leave their lines, to be put back before `end_trial`.

        Whoever gets nodes only moves back: less quota, a higher share, later claims. So the user is
        put right when met at the front, and one who is not met costs nothing, as most of those do
        whose hand-over is under way.
        """
        self._settle()
        self._is_trial = True

    def end_trial(self) -> None:
        """All is as it was; whoever was put right meanwhile goes back to where they were."""
        self._is_trial = False
        self._receding.clear()
        self._may_fall.clear()
        for user, places in self._moved.items():
            member = self._members[user]
            for key, cell in member.cells.items():
                level, entry = places.cells.get(key, (None, None))
                if cell.entry != entry:
                    self._place(key, cell, level, entry)
            self._set_waits(member, places.waits)
        self._moved.clear()

    def let_fall(self) -> None:
        """Cells that ask for the highest level with room may now wait at a lower one than before:
        to be called before a level is served."""
        while self._may_fall:
            user = self._may_fall.pop()
            member = self._members.get(user)
            if member is None or user not in self._receding:
                continue
            level_of = self._room_of(user)
            if any(
                cell.level is not None and cell.level is not level_of(asked, width)
                for (_, asked, width), cell in member.cells.items()
                if asked is Priority.AUTO
            ):
                self._settle_one(user)

    def _settle_stale(self) -> None:
        while self._stale:
            self._settle_one(self._stale.pop())

    def _settle(self) -> None:
        """Everybody is where they belong."""
        self._settle_stale()
        while self._receding:
            self._settle_one(self._receding.pop())

    def _settle_one(self, user: UserName) -> None:
        self._stale.discard(user)
        self._receding.discard(user)
        member = self._members.get(user)
        if member is None:
            return
        if self._is_trial and user not in self._moved:
            cells = {key: (cell.level, cell.entry) for key, cell in member.cells.items()}
            self._moved[user] = _Places(cells, dict(member.waits))
        self._put_in_place(user, member)

    def _settle_user(self, user: UserName) -> None:
        if user in self._stale or user in self._receding:
            self._settle_one(user)

    def _is_met(self, user: UserName) -> bool:
        """Whether the user's places were still to be put right, and now are."""
        if user not in self._receding:
            return False
        self._settle_one(user)
        return True

    def _put_in_place(self, user: UserName, member: _Member) -> None:
        """The user's cells go where quota, share and lines say now."""
        share, last_start = self._turn_of(user)
        level_of = self._room_of(user)
        heads: list[tuple[Claim, Priority]] = []
        placed: list[tuple[CellKey, Cell, Priority | None]] = []
        empty: list[CellKey] = []
        for key, cell in member.cells.items():
            if not cell.line:
                empty.append(key)
                continue
            level = level_of(key[1], key[2])
            placed.append((key, cell, level))
            if level is not None:
                heads.append((self._claims[cell.line[0][3]], level))
        for key in empty:
            self._place(key, member.cells.pop(key), None, None)
            self._forget_width(key)
        tie = min([head.line_since for head, _ in heads], default=0.0)
        for key, cell, level in placed:
            entry = None
            if level is not None:
                entry = (share, tie, user, cell.line[0], key[1], key[2])
            if cell.entry != entry or cell.level is not level:
                self._place(key, cell, level, entry)
        self._refresh_waits(user, member, heads, tie, last_start)
        if not member.cells:
            del self._members[user]

    def _forget_width(self, key: CellKey) -> None:
        user, _, width = key
        users = self._by_width[width]
        users[user] -= 1
        if not users[user]:
            del users[user]
        if not users:
            del self._by_width[width]

    def _place(self, key: CellKey, cell: Cell, level: Priority | None, entry: Entry | None) -> None:
        width = key[2]
        if cell.entry is not None and cell.level is not None:
            widths = self._orders[cell.level]
            order = widths[width]
            del order[bisect_left(order, cell.entry)]
            if not order:
                del widths[width]
        if entry is not None and level is not None:
            insort(self._orders.setdefault(level, {}).setdefault(width, []), entry)
        cell.entry = entry
        cell.level = level

    def _refresh_waits(
        self,
        user: UserName,
        member: _Member,
        heads: Iterable[tuple[Claim, Priority]],
        tie: float,
        last_start: float,
    ) -> None:
        waits: dict[Priority, Waiter] = {}
        for head, level in heads:
            waiter = (max(head.line_since, last_start), tie, user)
            waits[level] = min(waits.get(level, waiter), waiter)
        self._set_waits(member, waits)

    def _set_waits(self, member: _Member, waits: dict[Priority, Waiter]) -> None:
        if waits == member.waits:
            return
        for level, waiter in member.waits.items():
            waiters = self._waiters[level]
            del waiters[bisect_left(waiters, waiter)]
        for level, waiter in waits.items():
            insort(self._waiters.setdefault(level, []), waiter)
        member.waits = waits

    # asking

    def levels(self) -> list[Priority]:
        """Levels at which somebody could be served, highest first."""
        self._settle()
        return sorted((level for level, widths in self._orders.items() if widths), reverse=True)

    def is_at(self, task_id: TaskId, level: Priority) -> bool:
        """Whether the claim waits at that level."""
        return task_id in self._claims and self.level_of(task_id) is level

    def level_of(self, task_id: TaskId) -> Priority | None:
        """Where the claim waits; None: nowhere, it has no quota or can not fit."""
        claim = self._claims[task_id]
        self._settle_user(claim.user)
        return self._members[claim.user].cells[_cell_key(claim)].level

    def overdue(
        self, level: Priority, before: float, served: Collection[UserName], passed: int = 0
    ) -> UserName | None:
        """Who waits longest at the level, since `before` or longer, besides those served, the first
        `passed` of whom still stand in front."""
        self._settle_stale()
        at = passed
        waiters = self._waiters.get(level, [])
        while at < len(waiters) and waiters[at][0] <= before:
            user = waiters[at][2]
            if self._is_met(user):
                at = passed
            elif user not in served:
                return user
            else:
                at += 1
        return None

    def is_overdue(self, user: UserName, level: Priority, before: float) -> bool:
        self._settle_user(user)
        member = self._members.get(user)
        waiter = member.waits.get(level) if member else None
        return waiter is not None and waiter[0] <= before

    def next_overdue(self, after: float) -> float | None:
        """The earliest time later than `after` since when a user waits."""
        self._settle()
        found = []
        for waiters in self._waiters.values():
            at = bisect_right(waiters, (after, float("inf")))
            if at < len(waiters):
                found.append(waiters[at][0])
        return min(found, default=None)

    def head_of(self, user: UserName, level: Priority) -> Claim | None:
        """The first in the user's own line at that level."""
        self._settle_user(user)
        member = self._members.get(user)
        if member is None:
            return None
        lines = [cell.line[0] for cell in member.cells.values() if cell.level is level]
        return self._claims[min(lines)[3]] if lines else None

    def lines_at(self, level: Priority) -> dict[UserName, list[OwnKey]]:
        """Every claim at that level, by user and in the user's order. O(claims)."""
        self._settle()
        lines: dict[UserName, list[OwnKey]] = {}
        for user, member in self._members.items():
            keys = [
                key for cell in member.cells.values() if cell.level is level for key in cell.line
            ]
            if keys:
                lines[user] = sorted(keys)
        return lines

    def narrowest(self, level: Priority) -> float:
        """No claim at the level needs fewer nodes than this."""
        self._settle_stale()
        return min(self._orders.get(level, ()), default=math.inf)

    def in_turn(self, level: Priority, widest: int, skipped: Collection[TaskId]) -> Claim | None:
        """Whose turn it is at that level: the first that needs at most `widest` nodes and was not
        skipped; of one cell only the first is looked at."""
        self._settle_stale()
        while (best := self._best(level, widest, skipped)) is not None:
            if not self._is_met(best[2]):
                return self._claims[best[3][3]]
        return None

    def _best(self, level: Priority, widest: int, skipped: Collection[TaskId]) -> Entry | None:
        best: Entry | None = None
        for width, order in self._orders.get(level, {}).items():
            if width > widest:
                continue
            for entry in order:
                if best is not None and entry > best:
                    break
                if entry[3][3] not in skipped:
                    best = entry
                    break
        return best


def _cell_key(claim: Claim) -> CellKey:
    return (claim.user, claim.priority, claim.nodes)
