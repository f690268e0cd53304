"""First come, first served."""

from collections import deque

from hai.core.simulation.reference import Reference
from hai.core.simulation.scheduler import Decision, Progress, Started


class Fifo(Reference):
    """Strict: a head of the line that does not fit blocks all behind it. Jobs of one second stand
    in the order of the trace."""

    def __init__(self, nodes: int) -> None:
        super().__init__(nodes)
        self._line: deque[Progress] = deque()

    def submit(self, progress: Progress, now: float) -> None:
        self._line.append(progress)

    def decide(self, now: float) -> Decision:
        starts = []
        while self._line and self._line[0].job.nodes <= self.free:
            progress = self._line.popleft()
            self.free -= progress.job.nodes
            starts.append(Started(progress))
        return Decision(starts)


class FifoSkip(Reference):
    """Whoever comes first of those that fit. Wide gangs starve while narrow ones keep coming."""

    def __init__(self, nodes: int) -> None:
        super().__init__(nodes)
        self._lines: dict[int, deque[Progress]] = {}  # by width, none of them empty

    def submit(self, progress: Progress, now: float) -> None:
        self._lines.setdefault(progress.job.nodes, deque()).append(progress)

    def decide(self, now: float) -> Decision:
        starts = []
        while (line := self._first_fitting()) is not None:
            progress = line.popleft()
            if not line:
                del self._lines[progress.job.nodes]
            self.free -= progress.job.nodes
            starts.append(Started(progress))
        return Decision(starts)

    def _first_fitting(self) -> deque[Progress] | None:
        fitting = (line for width, line in self._lines.items() if width <= self.free)
        return min(fitting, key=lambda line: line[0].job.number, default=None)
