"""Sums over finished jobs: averages, percentiles, shares. Pure arithmetic, no policy."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any

from hai.core.simulation.scheduler import Progress
from hai.core.simulation.timeline import Timeline

GANG_SIZES = ((1, 1), (2, 3), (4, 7), (8, None))
"""Least and most nodes of the gangs that are reported together."""


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of values in ascending order, interpolated linearly between neighbours."""
    place = (len(ordered) - 1) * share
    low = floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@dataclass(frozen=True, slots=True)
class Spread:
    """Average, median, 99th percentile and greatest of some seconds."""

    avg: float
    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Of at least one value."""
        ordered = sorted(values)
        return cls(
            sum(ordered) / len(ordered),
            percentile(ordered, 0.5),
            percentile(ordered, 0.99),
            ordered[-1],
        )

    def fields(self, name: str) -> dict[str, float]:
        """As JSON: avg_<name>_s and so on."""
        return {
            f"avg_{name}_s": _rounded(self.avg),
            f"p50_{name}_s": _rounded(self.p50),
            f"p99_{name}_s": _rounded(self.p99),
            f"max_{name}_s": _rounded(self.most),
        }


def completion_s(progress: Progress) -> float:
    """From submission to the end (JCT)."""
    return _end(progress) - progress.job.submit_s


def wait_s(progress: Progress) -> float:
    """All time in which a job was submitted and did no useful work: queueing, saving, and work that
    had to be done again."""
    return max(0.0, completion_s(progress) - progress.job.duration_s)


def first_wait_s(progress: Progress) -> float:
    """From submission to the first start."""
    return (progress.first_s or 0.0) - progress.job.submit_s


def summary(members: Sequence[Progress]) -> dict[str, Any]:
    """The figures of some jobs together, as JSON."""
    return {
        "tasks": len(members),
        **Spread.of(map(completion_s, members)).fields("jct"),
        **Spread.of(map(wait_s, members)).fields("wait"),
        **Spread.of(map(first_wait_s, members)).fields("first_wait"),
        "queued": sum(first_wait_s(one) > 0 for one in members),
        "suspensions": sum(len(one.suspended_s) for one in members),
        "suspended_tasks": sum(bool(one.suspended_s) for one in members),
        "most_suspensions": max(len(one.suspended_s) for one in members),
        "lost_node_s": _rounded(sum(one.lost_node_s for one in members)),
    }


def by_gang(progress: Sequence[Progress]) -> dict[str, dict[str, Any]]:
    """Summaries by the size of the gang; sizes that do not occur are left out."""
    found = {}
    for least, most in GANG_SIZES:
        members = [p for p in progress if least <= p.job.nodes and p.job.nodes <= (most or 1 << 60)]
        label = f"{least}+" if most is None else f"{least}-{most}" if most > least else f"{least}"
        if members:
            found[label] = summary(members)
    return found


def by_user(progress: Sequence[Progress]) -> dict[str, dict[str, Any]]:
    """Summaries by user, those who used most node time first. Jobs without a user are left out:
    each of them is a user of its own."""
    members: dict[str, list[Progress]] = {}
    for one in progress:
        if one.job.user:
            members.setdefault(one.job.user, []).append(one)
    ordered = sorted(members.items(), key=lambda item: (-_node_s(item[1]), item[0]))
    return {user: {"node_s": _rounded(_node_s(own)), **summary(own)} for user, own in ordered}


def use_of_pool(
    progress: Sequence[Progress], timeline: Timeline, nodes: int
) -> dict[str, float | None]:
    """Occupancy, the same while there was demand for the whole pool, and goodput."""
    begin = min(one.job.submit_s for one in progress)
    end = max(_end(one) for one in progress)
    held = crowded_held = crowded = 0.0
    for stretch in timeline.stretches(begin, end):
        length = stretch.end_s - stretch.begin_s
        held += length * stretch.held
        if stretch.demand >= nodes:
            crowded += length
            crowded_held += length * stretch.held
    whole = (end - begin) * nodes
    return {
        "begin_s": begin,
        "end_s": end,
        "span_s": end - begin,
        "occupancy": _share(held, whole),
        "occupancy_in_demand": _share(crowded_held, crowded * nodes),
        "demand_share": _share(crowded, end - begin),
        "goodput": _share(_node_s(progress), whole),
    }


def most_suspensions_within(progress: Iterable[Progress], seconds: float) -> int:
    """The most suspensions of one job in any stretch of time shorter than `seconds`."""
    most = 0
    for one in progress:
        times = one.suspended_s
        for index, began in enumerate(times):
            most = max(most, bisect_left(times, began + seconds) - index)
    return most


def _end(progress: Progress) -> float:
    return progress.ended_s or 0.0


def _node_s(members: Iterable[Progress]) -> float:
    return sum(one.job.nodes * one.job.duration_s for one in members)


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole > 0 else None


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
