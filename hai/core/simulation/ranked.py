"""Preemptive policies that let the head of one ranking run, whoever runs now: SRTF and Tiresias."""

from abc import abstractmethod
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import NamedTuple

from hai.core.simulation.reference import Reference
from hai.core.simulation.scheduler import Decision, Progress, Started

Rank = tuple[float, int]


class _Placed(NamedTuple):
    """A job by its rank: the lowest is first."""

    rank: Rank
    progress: Progress


class Ranked(Reference):
    """All unfinished jobs are ranked. The scan goes from the first on and gives out the pool; it
    stops at the first one that does not fit. Whoever runs and was not reached is suspended.

    The rank of a job that waits must not change, so that a heap keeps them.
    """

    def __init__(self, nodes: int) -> None:
        super().__init__(nodes)
        self._line: list[_Placed] = []
        self._running: dict[int, Progress] = {}

    @abstractmethod
    def rank(self, progress: Progress, now: float) -> Rank:
        """Lower is first; ends with the job's number, so that no two are equal."""

    def submit(self, progress: Progress, now: float) -> None:
        heappush(self._line, _Placed(self.rank(progress, now), progress))

    def finish(self, progress: Progress, now: float) -> None:
        del self._running[progress.job.number]

    def freed(self, progress: Progress, now: float) -> None:
        heappush(self._line, _Placed(self.rank(progress, now), progress))

    @property
    def waiting(self) -> bool:
        return bool(self._line)

    @property
    def running(self) -> Iterable[Progress]:
        return self._running.values()

    def decide(self, now: float) -> Decision:
        if not self._line:
            return Decision()
        ranked = sorted(_Placed(self.rank(progress, now), progress) for progress in self.running)
        starts: list[Started] = []
        room, kept = self.nodes, 0
        while True:
            is_next = self._line and (kept == len(ranked) or self._line[0].rank < ranked[kept].rank)
            if not is_next and kept == len(ranked):
                break
            progress = self._line[0].progress if is_next else ranked[kept].progress
            if progress.job.nodes > room:
                break
            room -= progress.job.nodes
            if is_next:
                heappop(self._line)
                starts.append(Started(progress))
            else:
                kept += 1
        suspends = [one.progress for one in ranked[kept:]]
        for progress in suspends:
            del self._running[progress.job.number]
        self._running.update((start.progress.job.number, start.progress) for start in starts)
        return Decision(starts, suspends)
