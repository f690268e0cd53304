"""ArrayLimits with a limit on how many of their members are active at once.

As many waiting members as the limit leaves room for may stand in their line; the others wait
outside it, so that the planner does not meet them.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass, field

from hai.core.plan import Claim
from hai.core.queue.job_classes import OwnKey, own_key, task_of
from hai.core.types import TaskId


@dataclass(slots=True)
class _Array:
    limit: int = 0
    active: int = 0
    line: list[OwnKey] = field(default_factory=list)
    claims: dict[TaskId, Claim] = field(default_factory=dict)
    going: set[TaskId] = field(default_factory=set)


def is_limited(claim: Claim) -> bool:
    return claim.array is not None and claim.array_limit > 0


class ArrayLimits:
    """Members by array; whoever changes one calls `sort` next."""

    def __init__(self) -> None:
        self._arrays: dict[TaskId, _Array] = {}

    def _of(self, claim: Claim) -> _Array:
        if claim.array is None:
            raise ValueError(f"task {claim.task_id} is in no array")
        array = self._arrays.setdefault(claim.array, _Array())
        array.limit = claim.array_limit
        return array

    def activate(self, claim: Claim) -> None:
        self._of(claim).active += 1

    def deactivate(self, claim: Claim) -> None:
        self._of(claim).active -= 1

    def join(self, claim: Claim) -> None:
        """A member waits; whether it may stand in the line, `sort` says."""
        array = self._of(claim)
        array.claims[claim.task_id] = claim
        insort(array.line, own_key(claim))

    def leave(self, claim: Claim) -> None:
        array = self._of(claim)
        del array.claims[claim.task_id]
        array.going.discard(claim.task_id)
        key = own_key(claim)
        del array.line[bisect_left(array.line, key)]

    def sort(self, claim: Claim) -> tuple[list[Claim], list[Claim]]:
        """Members of the claim's array that may enter the line now, and that have to leave it."""
        array = self._of(claim)
        room = max(0, array.limit - array.active)
        target = {task_of(key) for key in array.line[:room]}
        go = sorted(target - array.going)
        wait = sorted(array.going - target)
        array.going = target
        if not array.claims and not array.active and claim.array is not None:
            del self._arrays[claim.array]
        return [array.claims[one] for one in go], [array.claims[one] for one in wait]
