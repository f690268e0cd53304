"""The waiting claims of one group, indexed so that the planner meets only those that it serves.

A cell of alike claims (cells.py) stands at the level where its user has quota for it now, or at
none. front.py finds who is next.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterator, Mapping

from hai.core.cells import (
    Cell,
    CellKey,
    Cells,
    LevelOf,
    Member,
    OwnKey,
    Turn,
    own_key,
    standing_of,
)
from hai.core.front import Front
from hai.core.plan import Claim
from hai.core.types import Priority, TaskId, UserName

__all__ = ["LevelOf", "OwnKey", "Queue", "own_key"]

_NO_CELLS: Mapping[int, Cell] = {}


class Queue:
    """`room_of(user)` gives the function that says at which level a gang that asks for some level
    has room now (None: at none); `turn_of(user)` gives the user's share (the lowest comes first)
    and last start.

    Whoever changes what these answer calls `refresh`. The user's cells find their place when
    somebody asks next, so that many changes cost as much as one.
    """

    def __init__(
        self, room_of: Callable[[UserName], LevelOf], turn_of: Callable[[UserName], Turn]
    ) -> None:
        self._room_of = room_of
        self._turn_of = turn_of
        self._stale: set[UserName] = set()  # to be put right before anything is asked
        self._is_draft = False
        self._claims: dict[TaskId, Claim] = {}
        self._members: dict[UserName, Member] = {}
        self._by_width: dict[int, dict[UserName, int]] = {}  # cells of each user
        self._cells = Cells()
        self._front = Front(self._cells, self._members, room_of, turn_of)

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
        """In a draft it was here before: if more than the end of the draft is to come, `recover`
        its user next."""
        self._claims[claim.task_id] = claim
        if not self._is_draft:
            self._stale.add(claim.user)
        member = self._members.get(claim.user)
        if member is None:
            member = self._members[claim.user] = Member()
        by_width = member.cells.setdefault(claim.priority, {})
        cell = by_width.get(claim.nodes)
        if cell is None:
            cell = by_width[claim.nodes] = Cell()
            users = self._by_width.setdefault(claim.nodes, {})
            users[claim.user] = users.get(claim.user, 0) + 1
            self._stale.add(claim.user)  # it has no place yet, draft or not
        insort(cell.line, own_key(claim))

    def remove(self, claim: Claim) -> None:
        self.refresh(claim.user)
        del self._claims[claim.task_id]
        line = self._members[claim.user].cells[claim.priority][claim.nodes].line
        del line[bisect_left(line, own_key(claim))]

    def refresh(self, user: UserName) -> None:
        """The user's quota, share or line is another one."""
        if self._is_draft:
            self._front.recede(user)
        else:
            self._stale.add(user)

    def recover(self, user: UserName) -> None:
        """In a draft: a change of the user is undone, so it may stand before where it was met."""
        self._front.recover(user)

    def refresh_all(self) -> None:
        for user in self._members:
            self.refresh(user)

    def refresh_widths(self, above: int, to: int) -> None:
        """The widest gang that can ever fit has changed between these bounds."""
        widths = [width for width in self._by_width if above < width <= to]
        for width in widths:
            for user in self._by_width[width]:
                self.refresh(user)

    def begin_draft(self) -> None:
        """From now on claims only leave their lines, to be put back before `end_draft`."""
        self._settle()
        self._is_draft = True

    def end_draft(self) -> None:
        """All is as it was."""
        self._is_draft = False
        self._front.forget()

    def let_fall(self, level: Priority) -> None:
        """Cells that ask for the highest level with room may now wait at this one, lower than
        before: to be called before the level is served in a draft."""
        self._front.let_fall(level)

    def _settle(self) -> None:
        """Everybody is where they belong; in a draft, where they belong without it."""
        while self._stale and not self._is_draft:
            user = self._stale.pop()
            member = self._members.get(user)
            if member is not None:
                self._put_in_place(user, member)

    def _put_in_place(self, user: UserName, member: Member) -> None:
        """The user's cells go where quota, share and lines say now."""
        for key in [key for key, cell in member.all_cells() if not cell.line]:
            self._cells.place(member.pop(key), None, None)
            self._forget_width(user, key[1])
        turn, level_of = self._turn_of(user), self._room_of(user)
        heads: dict[Priority, list[tuple[OwnKey, CellKey]]] = {}
        for key, cell in member.all_cells():
            level = level_of(*key)
            if level is None:
                self._cells.place(cell, None, None)
            else:
                heads.setdefault(level, []).append((cell.line[0], key))
        waits = {}
        for level, own in heads.items():
            standing = standing_of(user, turn, own)
            for entry in standing.entries:
                self._cells.place(member.cells[entry[4]][entry[5]], level, entry)
            waits[level] = standing.waiter
        self._cells.set_waits(member, waits)
        if not member.cells:
            del self._members[user]

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
        return self._cells.levels()

    def is_at(self, task_id: TaskId, level: Priority) -> bool:
        """Whether the claim waits at that level."""
        return task_id in self._claims and self.level_of(task_id) is level

    def level_of(self, task_id: TaskId) -> Priority | None:
        """Where the claim waits; None: nowhere, it has no quota or cannot fit."""
        claim = self._claims[task_id]
        return self._room_of(claim.user)(claim.priority, claim.nodes)

    def overdue(self, level: Priority, before: float) -> Iterator[UserName]:
        """Who waits at the level since `before` or longer, the longest first, each user once. What
        is decided meanwhile in a draft counts."""
        self._settle()
        return self._front.overdue(level, before)

    def is_overdue(self, user: UserName, level: Priority, before: float) -> bool:
        self._settle()
        waiter = self._front.waiter(user, level)
        return waiter is not None and waiter[0] <= before

    def next_overdue(self, after: float) -> float | None:
        """The earliest time later than `after` since when a user waits."""
        self._settle()
        return self._cells.waits_after(after)

    def head_of(self, user: UserName, level: Priority) -> Claim | None:
        """The first in the user's own line at that level."""
        member = self._members.get(user)
        if member is None:
            return None
        own = min(member.heads_at(level, self._room_of(user)), default=None)
        return None if own is None else self._claims[own[0][3]]

    def ranked_before(
        self, claim: Claim, level: Priority, above: float, most: int
    ) -> TaskId | None:
        """The first of the user's own with a rank before the claim's that asks for the level, or
        the highest with room, and for more than `above` nodes, `most` at the most."""
        best: OwnKey | None = None
        cells = self._members[claim.user].cells
        for asked in (level, Priority.AUTO):
            for width, cell in cells.get(asked, _NO_CELLS).items():
                if above < width <= most and cell.line:
                    key = cell.line[0]
                    if key[1] < claim.custom_rank and (best is None or key < best):
                        best = key
        return best[3] if best is not None and best < own_key(claim) else None

    def lines_at(self, level: Priority) -> dict[UserName, list[OwnKey]]:
        """Every claim at that level, by user and in the user's order. O(claims)."""
        self._settle()
        lines: dict[UserName, list[OwnKey]] = {}
        for user, member in self._members.items():
            keys = [
                key for _, cell in member.all_cells() if cell.level is level for key in cell.line
            ]
            if keys:
                lines[user] = sorted(keys)
        return lines

    def has_any(self, level: Priority) -> bool:
        """Whether a claim may wait at the level; in a draft it may have left."""
        self._settle()
        return self._front.has_any(level)

    def narrowest(self, level: Priority) -> float:
        """No claim at the level needs fewer nodes than this."""
        self._settle()
        return self._front.narrowest(level)

    def in_turn(self, level: Priority, widest: int, skipped: Collection[TaskId]) -> Claim | None:
        """Whose turn it is at that level: the first that needs at most `widest` nodes and was not
        skipped; of one cell only the first is looked at."""
        self._settle()
        own = self._front.in_turn(level, widest, skipped)
        return None if own is None else self._claims[own[3]]
