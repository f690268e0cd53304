"""How long finished tasks of a group ran: what an estimate can go by."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hai.core.policy import DAY
from hai.core.types import UserName

LOOK_BACK_SECONDS = 90 * DAY
MOST_RUNS = 20_000  # of one group, the latest; older ones say little
FEWEST_RUNS = 3  # fewer are no basis

_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class PastRuns:
    """Running times in seconds of `count` tasks that succeeded: of everybody (`user` None), of one
    user (`name` None), or of one user's tasks of one name (numbers in it read as #)."""

    user: UserName | None
    name: str | None
    count: int
    p25: float
    p50: float
    p90: float


def name_pattern(name: str) -> str:
    """What names that differ in their numbers only have in common."""
    return _NUMBER.sub("#", name)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Between the two nearest values in proportion, as SQL's percentile_cont does."""
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def summary(user: UserName | None, name: str | None, seconds: Iterable[float]) -> PastRuns:
    """Of at least one running time."""
    ordered = sorted(seconds)
    p25, p50, p90 = (quantile(ordered, share) for share in (0.25, 0.5, 0.9))
    return PastRuns(user, name, len(ordered), p25, p50, p90)


class History:
    """Past runs of one group, asked for the closest kin of a task."""

    def __init__(self, rows: Iterable[PastRuns] = ()) -> None:
        self._rows = {(row.user, row.name): row for row in rows if row.count >= FEWEST_RUNS}

    def closest(self, user: UserName, name: str | None) -> PastRuns | None:
        """The user's runs of that name, otherwise the user's, otherwise everybody's."""
        pattern = None if name is None else name_pattern(name)
        kin = [(user, pattern)] if pattern is not None else []
        for key in (*kin, (user, None), (None, None)):
            found = self._rows.get(key)
            if found is not None:
                return found
        return None
