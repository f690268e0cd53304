"""The production planner in the simulator: the adapter, and what time sharing promises on a real
trace, with its defaults, without knowing durations, 30 s lost at every suspend."""

import gzip
from typing import Any

import pytest

from hai.core.policy import Policy
from hai.core.simulation.engine import Terms
from hai.core.simulation.jobs import Choice, Job, chosen, in_order
from hai.core.simulation.run import Setup, result, simulate
from hai.core.simulation.timeshare import TimeShare
from hai.core.simulation.trace_rows import read_trace
from hai.core.types import Priority
from tests.traces import VCVGL
from tests.unit.core.simulation.courses import ends, starts

SLICE = 100.0


def job(name: str, at: float, duration: float, nodes: int = 1, **fields: Any) -> Job:
    return Job(number=0, id=name, submit_s=at, duration_s=duration, nodes=nodes, **fields)


def setup(nodes: int, cost: float = 10.0) -> Setup:
    return Setup(nodes=nodes, knobs=Policy(slice_seconds=SLICE), suspend_cost_s=cost)


def test_users_take_turns_after_their_slices() -> None:
    course = simulate(
        in_order([job("a", 0, 150, user="ada"), job("b", 20, 50, user="bob")]), setup(1)
    )
    # ada's slice ends at 100 s; she keeps the node until 110 s, and has it again when bob is done
    assert starts(course) == {"a": 0, "b": 110}
    assert ends(course) == {"a": 160 + 50, "b": 160}
    assert course.progress[0].suspended_s == [100]
    assert course.progress[0].lost_node_s == 10


def test_jobs_of_one_user_wait_for_each_other() -> None:
    jobs = in_order([job("a", 0, 500, user="ada"), job("b", 20, 50, user="ada")])
    assert starts(simulate(jobs, setup(1))) == {"a": 0, "b": 500}


def test_a_job_without_a_user_is_a_user_of_its_own() -> None:
    jobs = in_order([job("a", 0, 500), job("b", 20, 50)])
    assert starts(simulate(jobs, setup(1)))["b"] == 110


def test_priorities_of_the_trace_count() -> None:
    jobs = in_order([job("a", 0, 500), job("b", 20, 50, priority=Priority.HIGH)])
    assert starts(simulate(jobs, setup(1, cost=0)))["b"] == 20


@pytest.mark.parametrize(("every", "victim"), [(None, "b"), (120, "a")])
def test_the_planner_hears_of_checkpoints(every: float | None, victim: str) -> None:
    """At 250 s `a` saved 10 s ago and `b` 80 s ago; without checkpoints `b` has less to lose."""
    jobs = in_order(
        [job("a", 0, 900), job("b", 50, 900), job("c", 250, 50, priority=Priority.HIGH)]
    )
    terms = Setup(nodes=2, suspend_cost_s=0, checkpoint_every_s=every)
    course = simulate(jobs, terms)
    assert [one.job.id for one in course.progress if one.suspended_s] == [victim]
    assert course.progress[0].lost_node_s == (10 if victim == "a" else 0)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    with gzip.open(VCVGL, "rt") as lines:
        jobs = chosen(read_trace(lines), Choice(nodes=20)).jobs
    ours = Setup(nodes=20)
    assert ours.terms == Terms(suspend_cost_s=30.0)
    assert isinstance(ours.scheduler(), TimeShare)
    fifo = Setup(nodes=20, reference="fifo")
    return {
        "timeshare": result(simulate(jobs, ours), ours),
        "fifo": result(simulate(jobs, fifo), fifo),
    }


def test_completion_is_no_later_than_with_known_durations(found: dict[str, Any]) -> None:
    assert found["timeshare"]["avg_jct_s"] <= 5358.5


def test_wide_gangs_wait_half_as_long_as_in_a_strict_line(found: dict[str, Any]) -> None:
    ours, fifo = (found[name]["by_gang"]["8+"]["p99_wait_s"] for name in ("timeshare", "fifo"))
    assert ours <= fifo / 2


def test_the_pool_is_full_while_there_is_demand(found: dict[str, Any]) -> None:
    assert found["timeshare"]["occupancy_in_demand"] >= 0.95


def test_nobody_is_suspended_twice_within_a_slice(found: dict[str, Any]) -> None:
    assert found["timeshare"]["most_suspensions_in_slice"] == 1
    assert found["timeshare"]["lost_node_s"] > 0
