"""The policies to compare with: their rules on small cases, their published figures on a real one.

The figures are those of an independent simulator on the same virtual cluster (20 nodes, whole-node
placement, decisions at 1 s resolution), as handed on with the traces.
"""

import gzip
from collections.abc import Sequence

import pytest

from hai.core.simulation.fifo import Fifo, FifoSkip
from hai.core.simulation.jobs import Choice, Job, chosen
from hai.core.simulation.run import Setup, result, simulate
from hai.core.simulation.sjf import Sjf
from hai.core.simulation.srtf import Srtf
from hai.core.simulation.trace_rows import read_trace
from tests.traces import VCVGL, large_trace
from tests.unit.core.simulation.courses import course_of, ends, starts

NODES = 20


def test_fifo_blocks_behind_its_head_and_fifo_skip_does_not() -> None:
    shapes = ((0.0, 10.0, 1), (1.0, 10.0, 2), (2.0, 10.0, 1))
    assert starts(course_of(Fifo(2), 2, *shapes)) == {"0": 0, "1": 10, "2": 20}
    assert starts(course_of(FifoSkip(2), 2, *shapes)) == {"0": 0, "1": 12, "2": 2}


def test_sjf_serves_the_shortest_and_of_equals_the_first() -> None:
    shapes = ((0.0, 10.0, 1), (1.0, 9.0, 1), (2.0, 3.0, 1), (3.0, 3.0, 1))
    assert starts(course_of(Sjf(1), 1, *shapes)) == {"0": 0, "1": 16, "2": 10, "3": 13}
    blocked = ((0.0, 10.0, 1), (1.0, 2.0, 2), (2.0, 5.0, 1))
    assert starts(course_of(Sjf(2), 2, *blocked)) == {"0": 0, "1": 10, "2": 12}


def test_srtf_suspends_for_whoever_has_less_left() -> None:
    course = course_of(Srtf(1), 1, (0, 10, 1), (4, 6, 1), (5, 2, 1))
    assert ends(course) == {"0": 12, "1": 18, "2": 7}  # at 4 s both have 6 s left: the first stays
    assert [one.suspended_s for one in course.progress] == [[5], [], []]


def test_tiresias_lets_new_jobs_by_after_a_node_hour() -> None:
    setup = Setup(nodes=2, reference="tiresias")
    jobs = [
        Job(number=number, id=str(number), submit_s=at, duration_s=duration, nodes=2)
        for number, (at, duration) in enumerate(((0.0, 4000.0), (70.0, 100.0)))
    ]
    course = simulate(jobs, setup)
    # two nodes have an hour of service together after 1800 s: then the second job is first
    assert starts(course) == {"0": 0, "1": 1800}
    assert ends(course) == {"0": 4000 + 120, "1": 1900}
    assert course.progress[0].suspended_s == [1800]
    assert setup.terms.tick_s == 60


@pytest.fixture(scope="module")
def vcvgl() -> Sequence[Job]:
    with gzip.open(VCVGL, "rt") as lines:
        return chosen(read_trace(lines), Choice(nodes=NODES)).jobs


def test_the_shipped_trace_is_whole(vcvgl: Sequence[Job]) -> None:
    assert len(vcvgl) == 1452
    with gzip.open(large_trace("helios_venus_2vc_sept2020.csv.gz"), "rt") as lines:
        assert chosen(read_trace(lines), Choice(nodes=NODES, vc="vcvGl")).jobs == vcvgl


@pytest.mark.parametrize(
    ("policy", "avg_jct_s", "avg_wait_s", "queued"),
    [
        pytest.param("fifo", 18547.3, 13941.4, 933, id="fifo"),
        pytest.param("sjf", 5358.5, 752.6, 618, id="sjf"),
        pytest.param("fifo-skip", 4826.4, 220.5, None, id="fifo-skip"),
    ],
)
def test_published_figures_to_the_printed_digit(
    vcvgl: Sequence[Job], policy: str, avg_jct_s: float, avg_wait_s: float, queued: int | None
) -> None:
    setup = Setup(nodes=NODES, reference=policy)
    found = result(simulate(vcvgl, setup), setup)
    assert found["avg_jct_s"] == pytest.approx(avg_jct_s, abs=0.05)
    assert found["avg_wait_s"] == pytest.approx(avg_wait_s, abs=0.05)
    assert queued is None or found["queued"] == queued
    assert found["suspensions"] == 0


@pytest.mark.parametrize(
    ("policy", "avg_jct_s", "within"),
    [
        pytest.param("srtf", 5061.1, 0.05, id="srtf"),
        pytest.param("tiresias", 11404.0, 0.10, id="tiresias"),
    ],
)
def test_published_figures_nearly(
    vcvgl: Sequence[Job], policy: str, avg_jct_s: float, within: float
) -> None:
    """Their rules of scanning and rounding are not published to the last detail."""
    setup = Setup(nodes=NODES, reference=policy)
    found = result(simulate(vcvgl, setup), setup)
    assert found["avg_jct_s"] == pytest.approx(avg_jct_s, rel=within)
    assert found["lost_node_s"] == 0


def test_rounds_cost_much_on_this_trace(vcvgl: Sequence[Job]) -> None:
    setup = Setup(nodes=NODES, reference="fifo", tick_s=60)
    found = result(simulate(vcvgl, setup), setup)
    assert found["avg_jct_s"] == pytest.approx(33945, rel=0.02)


@pytest.mark.parametrize("policy", ["fifo", "fifo-skip", "sjf", "srtf", "tiresias", "timeshare"])
def test_a_toy_trace_of_four_gpus_per_node(policy: str) -> None:
    with gzip.open(large_trace("tiresias_60job.csv.gz"), "rt") as lines:
        jobs = chosen(read_trace(lines), Choice(nodes=32, gpus_per_node=4)).jobs
    setup = Setup(nodes=32, gpus_per_node=4, reference=None if policy == "timeshare" else policy)
    found = result(simulate(jobs, setup), setup)
    assert found["tasks"] == 60
    assert found["avg_jct_s"] == pytest.approx(
        sum(job.duration_s for job in jobs) / 60 + found["avg_wait_s"], abs=0.01
    )
