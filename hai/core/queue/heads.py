"""Who waits at the front of a level, and what others must leave to them."""

from dataclasses import dataclass, field
from enum import Enum, auto

from hai.core.plan import Claim
from hai.core.types import Keeper, Loss, Priority, TaskId, UserName


class Answer(Enum):
    """What becomes of a claim whose turn it is."""

    STARTS = auto()
    GETS_HANDOVER = auto()  # it starts once others have left
    STANDS_BACK = auto()  # its user has no room, or something of its own before it
    FITS_NOWHERE = auto()


@dataclass(slots=True)
class KeptOut:
    """Those of a level that came before and are kept out whatever their equals do: they hold up
    nobody else. `widest` is the gang that higher levels leave room for; `firsts` are those whom
    their user's own tasks keep out: what the user has later in the line starts as backfill only."""

    widest: int = 0
    passed: set[TaskId] = field(default_factory=set)
    settled: set[TaskId] = field(default_factory=set)  # of these, who is no backfill either
    firsts: dict[UserName, Claim] = field(default_factory=dict)

    def copy(self) -> "KeptOut":
        return KeptOut(self.widest, set(self.passed), set(self.settled), dict(self.firsts))

    def settle(self, claim: Claim) -> None:
        """It does not start in this tick."""
        self.passed.add(claim.task_id)
        self.settled.add(claim.task_id)

    def add(self, claim: Claim, keeper: Keeper) -> None:
        self.settle(claim)
        if keeper is Keeper.HIGHER:
            self.widest = min(self.widest, claim.nodes - 1)
        else:
            self.firsts.setdefault(claim.user, claim)

    def lets_stand(self, claim: Claim) -> bool:
        return claim.nodes <= self.widest and claim.task_id not in self.passed


@dataclass(frozen=True, slots=True)
class Head:
    """The first of a level that does not fit: nodes are kept for it. Others came before it and are
    kept out."""

    level: Priority
    claim: Claim
    kept_out: KeptOut


@dataclass(frozen=True, slots=True)
class Price:
    """What a claim would cost one of its own user's that comes before it."""

    first: TaskId
    loss: Loss
