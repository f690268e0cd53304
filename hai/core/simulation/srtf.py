"""Shortest remaining time first."""

from hai.core.simulation.ranked import Rank, Ranked
from hai.core.simulation.scheduler import Progress


class Srtf(Ranked):
    """Preemptive and free of cost, by the true remaining time; of equals the earlier submitted one.
    A bound that no scheduler reaches which does not know the future."""

    def rank(self, progress: Progress, now: float) -> Rank:
        return (progress.remaining(now), progress.job.number)
