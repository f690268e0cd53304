"""When time alone makes a claim something else, and whether that may change a plan."""

from collections.abc import Callable, Iterator
from enum import IntEnum
from heapq import heappop, heappush
from typing import NamedTuple

from hai.core.plan import Claim
from hai.core.types import TaskId


class _Timer(NamedTuple):
    at: float
    task_id: TaskId
    since: float  # of this attempt


class Matter(IntEnum):
    """To whom it matters."""

    NOBODY = 0  # another victim may be the cheapest one, but nobody gets nodes for that
    WAITING = 1  # to those who wait: a slice is over, another one is booked
    ALWAYS = 2  # whether anybody waits or not


class Timers:
    """`claim_of(task_id)`: the claim as it is now, None if it is gone."""

    def __init__(self, claim_of: Callable[[TaskId], Claim | None]) -> None:
        self._claim_of = claim_of
        self._heaps: dict[Matter, list[_Timer]] = {matter: [] for matter in Matter}

    def set(self, at: float, claim: Claim, matter: Matter) -> None:
        """Once more does no harm. It is void when the attempt is over."""
        heappush(self._heaps[matter], _Timer(at, claim.task_id, _stamp(claim)))

    def pop_due(self, now: float) -> Iterator[tuple[Claim, Matter]]:
        """Whose time has come, once for each time."""
        for matter, heap in self._heaps.items():
            while heap and heap[0].at <= now:
                timer = heappop(heap)
                while heap and heap[0] == timer:
                    heappop(heap)
                claim = self._current(timer)
                if claim is not None:
                    yield claim, matter

    def first(self, least: Matter) -> float | None:
        """When the next one comes that matters so much; None: never."""
        found = []
        for matter, heap in self._heaps.items():
            if matter >= least:
                while heap and self._current(heap[0]) is None:
                    heappop(heap)
                if heap:
                    found.append(heap[0].at)
        return min(found, default=None)

    def _current(self, timer: _Timer) -> Claim | None:
        claim = self._claim_of(timer.task_id)
        return claim if claim is not None and _stamp(claim) == timer.since else None


def _stamp(claim: Claim) -> float:
    return 0.0 if claim.since is None else claim.since
