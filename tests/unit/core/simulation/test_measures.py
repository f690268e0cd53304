"""Figures by hand."""

from collections.abc import Sequence

import pytest

from hai.core.simulation.engine import Course, Terms
from hai.core.simulation.fifo import Fifo
from hai.core.simulation.jobs import Job
from hai.core.simulation.measures import (
    Spread,
    by_gang,
    by_user,
    most_suspensions_within,
    percentile,
    use_of_pool,
)
from hai.core.simulation.run import Setup, result
from hai.core.simulation.scheduler import Progress
from hai.core.simulation.series import series
from hai.core.simulation.timeline import Timeline
from tests.unit.core.simulation.courses import Script, course_of


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5.0], 0.99, 5.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.5),
        ([0.0, 100.0], 0.99, 99.0),
        ([float(n) for n in range(101)], 0.99, 99.0),
    ],
)
def test_percentiles(values: Sequence[float], share: float, expected: float) -> None:
    assert percentile(values, share) == pytest.approx(expected)


def test_a_spread_sorts_for_itself() -> None:
    found = Spread.of([3, 1, 2])
    assert (found.avg, found.p50, found.most) == (2, 2, 3)
    assert found.p99 == pytest.approx(2.98)


def test_the_pool_is_used_as_it_was() -> None:
    """Two nodes: one job for 10 s, then two that want all of it one after the other."""
    course = course_of(Fifo(2), 2, (0, 10, 1), (5, 5, 2), (5, 5, 2))
    found = use_of_pool(course.progress, course.timeline, 2)
    assert found == {
        "begin_s": 0,
        "end_s": 20,
        "span_s": 20,
        "occupancy": round(30 / 40, 6),
        "occupancy_in_demand": round(25 / 30, 6),  # from 5 s on, one node idle until 10 s
        "demand_share": 0.75,
        "goodput": round(30 / 40, 6),
    }


def test_waits_are_all_time_without_useful_work() -> None:
    script = Script({0: (["0"], []), 4: ([], ["0"]), 34: (["1"], []), 44: (["0"], [])})
    course = course_of(script, 2, (0, 10, 2), (4, 10, 1), terms=Terms(suspend_cost_s=30))
    found = result(course, Setup(nodes=2, suspend_cost_s=30))
    assert found["avg_jct_s"] == (50 + 40) / 2
    assert found["avg_wait_s"] == (40 + 30) / 2
    assert found["max_first_wait_s"] == 30
    assert found["queued"] == 1
    assert (found["suspensions"], found["suspended_tasks"], found["most_suspensions"]) == (1, 1, 1)
    assert found["lost_node_s"] == 60
    assert found["goodput"] == round((20 + 10) / (50 * 2), 6)
    assert found["by_gang"]["2-3"]["lost_node_s"] == 60
    assert found["by_gang"]["1"]["avg_wait_s"] == 30


def finished(
    number: int, nodes: int, user: str, wait: float, suspended: Sequence[float]
) -> Progress:
    job = Job(number=number, id=str(number), submit_s=0, duration_s=10, nodes=nodes, user=user)
    return Progress(
        job, 0.0, first_s=wait, ended_s=10 + wait, suspended_s=list(suspended), attempts=1
    )


PROGRESS = [
    finished(0, 1, "ada", 0, []),
    finished(1, 3, "bob", 5, [1, 2, 9]),
    finished(2, 8, "", 7, []),
    finished(3, 100, "ada", 9, [3]),
]


def test_by_gang_and_by_user() -> None:
    gangs = by_gang(PROGRESS)
    assert {label: part["tasks"] for label, part in gangs.items()} == {"1": 1, "2-3": 1, "8+": 2}
    assert gangs["8+"]["avg_wait_s"] == 8
    users = by_user(PROGRESS)
    assert list(users) == ["ada", "bob"]
    assert users["ada"]["node_s"] == 1010
    assert users["bob"]["suspensions"] == 3


@pytest.mark.parametrize(("seconds", "most"), [(1, 1), (1.5, 2), (8, 2), (8.5, 3), (0.5, 1)])
def test_suspensions_within_a_time(seconds: float, most: int) -> None:
    assert most_suspensions_within(PROGRESS, seconds) == most


def test_nothing_is_suspended() -> None:
    assert most_suspensions_within(PROGRESS[:1], 100) == 0


def test_a_timeline_keeps_the_last_word_of_a_time() -> None:
    line = Timeline()
    for at, held, demand in [(0, 1, 1), (0, 2, 3), (5, 2, 3), (10, 0, 0)]:
        line.note(at, held, demand)
    assert list(line.stretches(0, 20)) == [(0, 10, 2, 3), (10, 20, 0, 0)]
    assert list(line.stretches(4, 6)) == [(4, 6, 2, 3)]
    assert list(line.stretches(12, 12)) == []
    assert line.held_in([0, 5, 15, 25]) == [2, 1, 0]


def test_series_are_averages_of_bins() -> None:
    course = course_of(Fifo(2), 2, (0, 10, 2), (5, 10, 1))
    curves = series(course, 2, 4)
    assert list(curves.edges_s) == [0, 5, 10, 15, 20]
    assert list(curves.occupancy) == [1, 1, 0.5, 0.5]
    assert list(curves.wait_s) == [0, 5, None, None]


def test_series_of_a_course_that_takes_no_time() -> None:
    course: Course = course_of(Fifo(1), 1, (3, 0, 1))
    assert list(series(course, 1, 3).wait_s) == [0, None, None]
    assert use_of_pool(course.progress, course.timeline, 1)["occupancy"] is None
