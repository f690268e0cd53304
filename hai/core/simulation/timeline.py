"""How full the pool was over the time of a simulation."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple


class Stretch(NamedTuple):
    """From `begin_s` to `end_s` nothing changed: nodes held, and nodes asked for by all jobs that
    were submitted and had not ended."""

    begin_s: float
    end_s: float
    held: int
    demand: int


@dataclass(slots=True)
class Timeline:
    """A step function: what is noted at a time holds until the next one."""

    times: list[float] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    demand: list[int] = field(default_factory=list)

    def note(self, now: float, held: int, demand: int) -> None:
        """Times never go back; the last word at one time counts."""
        if self.times and self.times[-1] == now:
            self.held[-1], self.demand[-1] = held, demand
        elif not self.times or (held, demand) != (self.held[-1], self.demand[-1]):
            self.times.append(now)
            self.held.append(held)
            self.demand.append(demand)

    def stretches(self, begin_s: float, end_s: float) -> Iterator[Stretch]:
        """All between these times, cut to them."""
        first = max(0, bisect_right(self.times, begin_s) - 1)
        for index in range(first, len(self.times)):
            start = max(self.times[index], begin_s)
            if start >= end_s:
                return
            is_last = index + 1 == len(self.times)
            stop = end_s if is_last else min(self.times[index + 1], end_s)
            if stop > start:
                yield Stretch(start, stop, self.held[index], self.demand[index])

    def held_in(self, edges: Sequence[float]) -> list[float]:
        """The average of the nodes held between each two neighbouring edges."""
        found = []
        for begin, end in pairwise(edges):
            area = sum((s.end_s - s.begin_s) * s.held for s in self.stretches(begin, end))
            found.append(area / (end - begin) if end > begin else 0.0)
        return found
