"""The course of a simulation as two curves over time, for charts."""

from bisect import bisect_right
from dataclasses import dataclass

from hai.core.simulation.engine import Course
from hai.core.simulation.measures import wait_s


@dataclass(frozen=True, slots=True)
class Series:
    """Equal bins between `edges_s`. `occupancy` is the share of the pool that was held in each,
    `wait_s` the average wait of the jobs that were submitted in it (None: nobody was)."""

    edges_s: tuple[float, ...]
    occupancy: tuple[float, ...]
    wait_s: tuple[float | None, ...]


def series(course: Course, nodes: int, bins: int) -> Series:
    """`bins` points of each curve, from the first submission to the last end."""
    begin = course.progress[0].job.submit_s
    end = max(one.ended_s or 0.0 for one in course.progress)
    width = (end - begin) / bins or 1.0
    edges = [begin + number * width for number in range(bins + 1)]
    waits: list[list[float]] = [[] for _ in range(bins)]
    for one in course.progress:
        number = min(bisect_right(edges, one.job.submit_s) - 1, bins - 1)
        waits[number].append(wait_s(one))
    return Series(
        tuple(edges),
        tuple(held / nodes for held in course.timeline.held_in(edges)),
        tuple(sum(found) / len(found) if found else None for found in waits),
    )
