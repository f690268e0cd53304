"""Who comes first among waiting claims of one group and one level.

Here is the place of the users' turns: `line` sees all claims of a level at once, so that a rule
about users (fair share) needs no other caller.
"""

from collections import defaultdict
from collections.abc import Iterable

from hai.core.plan import Claim
from hai.core.types import TaskId, UserName

_Age = tuple[float, TaskId]


def line(claims: Iterable[Claim]) -> list[Claim]:
    """Claims of one level in the order in which they are served: by age, oldest first.

    `custom_rank` (lowest first) orders one user's own claims. A claim that its user ranked behind
    a younger one stands at the younger one's age while that one waits; nobody ever stands at more
    than its own age, so no rank carries a user past another one.
    """
    by_age = sorted(claims, key=_age)
    if not any(claim.custom_rank for claim in by_age):
        return by_age
    own: defaultdict[UserName, list[Claim]] = defaultdict(list)
    for claim in by_age:
        own[claim.user].append(claim)
    places = [place for mine in own.values() for place in _places(mine)]
    return [claim for _, _, claim in sorted(places, key=lambda place: place[:2])]


def _places(mine: list[Claim]) -> Iterable[tuple[_Age, int, Claim]]:
    """One user's claims, each with the age that it stands at and its number among equals."""
    youngest: _Age = (float("-inf"), TaskId(0))
    for number, claim in enumerate(sorted(mine, key=_rank)):
        youngest = max(youngest, _age(claim))
        yield youngest, number, claim


def _age(claim: Claim) -> _Age:
    return claim.submitted_at, claim.task_id


def _rank(claim: Claim) -> float:
    return claim.custom_rank
