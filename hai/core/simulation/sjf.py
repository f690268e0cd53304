"""Shortest job first."""

from heapq import heappop, heappush

from hai.core.simulation.reference import Reference
from hai.core.simulation.scheduler import Decision, Progress, Started


class Sjf(Reference):
    """Strict and without preemption: the shortest one that waits blocks all others until it fits.
    Of equal durations the earlier submitted one is first."""

    def __init__(self, nodes: int) -> None:
        super().__init__(nodes)
        self._line: list[tuple[float, int, Progress]] = []

    def submit(self, progress: Progress, now: float) -> None:
        heappush(self._line, (progress.job.duration_s, progress.job.number, progress))

    def decide(self, now: float) -> Decision:
        starts = []
        while self._line and self._line[0][2].job.nodes <= self.free:
            progress = heappop(self._line)[2]
            self.free -= progress.job.nodes
            starts.append(Started(progress))
        return Decision(starts)
