"""Shortest job first."""

from heapq import heappop, heappush
from typing import NamedTuple

from hai.core.simulation.reference import Reference
from hai.core.simulation.scheduler import Decision, Progress, Started


class _Waiting(NamedTuple):
    """The lowest is first; no two have one number."""

    duration_s: float
    number: int
    progress: Progress


class Sjf(Reference):
    """Strict and without preemption: the shortest one that waits blocks all others until it fits.
    Of equal durations the earlier submitted one is first."""

    def __init__(self, nodes: int) -> None:
        super().__init__(nodes)
        self._line: list[_Waiting] = []

    def submit(self, progress: Progress, now: float) -> None:
        heappush(self._line, _Waiting(progress.job.duration_s, progress.job.number, progress))

    def decide(self, now: float) -> Decision:
        starts = []
        while self._line and self._line[0].progress.job.nodes <= self.free:
            progress = heappop(self._line).progress
            self.free -= progress.job.nodes
            starts.append(Started(progress))
        return Decision(starts)
