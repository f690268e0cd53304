"""Discretised two-dimensional least attained service (Gu et al., Tiresias, NSDI '19)."""

from collections.abc import Iterator

from hai.core.simulation.ranked import Rank, Ranked
from hai.core.simulation.scheduler import Progress

ROUND_S = 60.0
THRESHOLDS_NODE_S = (3600.0,)


class Tiresias(Ranked):
    """Knows no durations: a job falls to the next queue when its attained service, nodes times
    seconds of running, has reached that queue's threshold.

    Two queues, the threshold at one node-hour (whole nodes are given out, so service is counted in
    nodes). Scan rule: the first queue before the second, within a queue by submission; the scan
    stops at the first job that does not fit, and whoever runs behind it is suspended, free of
    cost. Decisions are made in rounds of 60 s.
    """

    def rank(self, progress: Progress, now: float) -> Rank:
        attained = progress.done(now) * progress.job.nodes
        queue = sum(attained >= threshold for threshold in THRESHOLDS_NODE_S)
        return (float(queue), progress.job.number)

    def next_due(self) -> float | None:
        """The next fall to another queue, if anybody waits who could gain by it."""
        return min(self._falls(), default=None) if self.waiting else None

    def _falls(self) -> Iterator[float]:
        for progress in self.running:
            began = progress.began_s or 0.0
            attained = progress.done(began) * progress.job.nodes
            for threshold in THRESHOLDS_NODE_S:
                if attained < threshold:
                    yield began + (threshold - attained) / progress.job.nodes
