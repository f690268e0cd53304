"""A line as a plain list: it sorts everything anew for each question."""

from dataclasses import dataclass, field

from hai.core.plan import Claim
from hai.core.queue.job_classes import FairShareKey, task_of
from hai.core.queue.ready import LevelOf, own_key
from hai.core.types import Priority, TaskId, UserName

HIGH, NORMAL, LOW, AUTO = Priority.HIGH, Priority.NORMAL, Priority.LOW, Priority.AUTO
LEVELS = (HIGH, NORMAL, LOW)
USERS = [UserName(name) for name in ("ada", "bob", "eve")]
WIDEST = 4
Place = tuple[float, float, UserName]


@dataclass
class Model:
    """Users' room and shares, and what follows from them by brute force."""

    room: dict[tuple[UserName, Priority], int] = field(default_factory=dict)
    turns: dict[UserName, FairShareKey] = field(default_factory=dict)
    claims: dict[TaskId, Claim] = field(default_factory=dict)
    levels: tuple[Priority, ...] = LEVELS  # at which a user has room unless `room` says otherwise

    def room_of(self, user: UserName) -> LevelOf:
        def level_of(asked: Priority, width: int) -> Priority | None:
            levels = self.levels if asked is AUTO else (asked,)
            fitting = (level for level in levels if self.room.get((user, level), 4) >= width)
            return next(fitting, None)

        return level_of

    def key_of(self, user: UserName) -> FairShareKey:
        return self.turns.get(user, FairShareKey(0.0, float("-inf")))

    def level(self, claim: Claim) -> Priority | None:
        return self.room_of(claim.user)(claim.priority, claim.nodes)

    def firsts(self) -> list[Claim]:
        """The first of each user, priority and width."""
        firsts: dict[tuple[UserName, Priority, int], Claim] = {}
        for claim in sorted(self.claims.values(), key=own_key):
            firsts.setdefault((claim.user, claim.priority, claim.nodes), claim)
        return list(firsts.values())

    def classes(self) -> list[Claim]:
        """Those of them that stand at some level."""
        return [claim for claim in self.firsts() if self.level(claim) is not None]

    def at(self, level: Priority, widest: int = WIDEST) -> list[Claim]:
        """Firsts of classes at the level, in the order of turns."""
        there = [claim for claim in self.classes() if self.level(claim) is level]
        ties = self._ties(there)
        return sorted(
            (claim for claim in there if claim.nodes <= widest),
            key=lambda c: (self.key_of(c.user)[0], ties[c.user], c.user, own_key(c)),
        )

    def head(self, user: UserName, level: Priority) -> Claim | None:
        own = [claim for claim in self.at(level) if claim.user == user]
        return min(own, key=own_key, default=None)

    def waits(self, level: Priority) -> list[Place]:
        """Since when each user waits at the level, the longest first."""
        return sorted(
            (max(tie, self.key_of(user)[1]), tie, user)
            for user, tie in self._ties(self.at(level)).items()
        )

    def overdue(self, level: Priority, before: float, given: set[UserName]) -> list[UserName]:
        waits = self.waits(level)
        return [user for since, _, user in waits if since <= before and user not in given]

    def ranked_before(
        self, claim: Claim, level: Priority, above: float, most: int
    ) -> TaskId | None:
        found = [
            own_key(one)
            for one in self.firsts()
            if one.user == claim.user
            and one.priority in (level, AUTO)
            and above < one.nodes <= most
            and one.custom_rank < claim.custom_rank
        ]
        best = min(found, default=None)
        return task_of(best) if best is not None and best < own_key(claim) else None

    def lines_at(self, level: Priority) -> dict[UserName, list[TaskId]]:
        lines: dict[UserName, list[TaskId]] = {}
        for claim in sorted(self.claims.values(), key=own_key):
            if self.level(claim) is level:
                lines.setdefault(claim.user, []).append(claim.task_id)
        return lines

    @staticmethod
    def _ties(there: list[Claim]) -> dict[UserName, float]:
        ties: dict[UserName, float] = {}
        for claim in there:
            ties[claim.user] = min(claim.line_since, ties.get(claim.user, claim.line_since))
        return ties
