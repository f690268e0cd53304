"""The virtual clock: what it does with decisions, and what holds under every policy."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hai.core.simulation.engine import Course, Engine, Terms
from hai.core.simulation.fifo import Fifo
from hai.core.simulation.run import POLICIES, REFERENCES, TIMESHARE, Setup, simulate
from hai.core.simulation.scheduler import Decision, Progress, Started
from hai.errors import InvalidInput, PlatformError
from tests.unit.core.simulation.courses import (
    FREE,
    Script,
    Watched,
    course_of,
    ends,
    jobs_of,
    starts,
)


def test_a_job_that_ends_makes_room_in_the_same_second() -> None:
    course = course_of(Fifo(2), 2, (0, 10, 2), (10, 5, 2))
    assert starts(course) == {"0": 0, "1": 10}


def test_a_job_may_take_no_time() -> None:
    course = course_of(Fifo(1), 1, (0, 0, 1), (0, 0, 1), (0, 3, 1))
    assert ends(course) == {"0": 0, "1": 0, "2": 3}


def test_a_suspended_job_keeps_its_nodes_for_the_cost_without_progress() -> None:
    script = Script({0: (["0"], []), 4: ([], ["0"]), 34: (["1"], []), 44: (["0"], [])})
    course = course_of(script, 2, (0, 10, 2), (4, 10, 1), terms=Terms(suspend_cost_s=30))
    assert ("freed", "0", 34) in script.heard
    assert starts(course) == {"0": 0, "1": 34}
    assert ends(course) == {"0": 50, "1": 44}
    victim = course.progress[0]
    assert victim.suspended_s == [4]
    assert victim.lost_node_s == 2 * 30
    assert victim.attempts == 2


def test_work_since_the_last_checkpoint_is_lost() -> None:
    script = Script({0: (["0"], []), 25: ([], ["0"]), 30: (["0"], [])})
    terms = Terms(suspend_cost_s=5, checkpoint_every_s=10)
    course = course_of(script, 3, (0, 40, 3), terms=terms)
    assert [word for word in script.heard if word[0] == "saved"] == [
        ("saved", "0", 10),
        ("saved", "0", 20),
        ("saved", "0", 40),
    ]
    assert ends(course) == {"0": 50}  # 20 of 40 s were saved
    assert course.progress[0].lost_node_s == 3 * (5 + 5)


def test_decisions_may_be_kept_to_rounds() -> None:
    course = course_of(Fifo(1), 1, (0, 61, 1), (1, 5, 1), terms=Terms(tick_s=60))
    assert starts(course) == {"0": 0, "1": 120}
    course = course_of(Fifo(1), 1, (1, 60, 1), (60, 5, 1), terms=Terms(tick_s=60))
    assert starts(course) == {"0": 60, "1": 120}


class _Rash(Fifo):
    """Starts everything at once, on the nodes that it is told to name."""

    def __init__(self, nodes: tuple[int, ...] | None) -> None:
        super().__init__(9)
        self._nodes = nodes

    def decide(self, now: float) -> Decision:
        line, self._line = list(self._line), type(self._line)()
        return Decision([Started(progress, self._nodes) for progress in line])


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        pytest.param(None, "cannot start job 1", id="not enough"),
        pytest.param((0,), "nodes that are not free", id="twice"),
        pytest.param((7,), "nodes that are not free", id="no such node"),
    ],
)
def test_impossible_decisions_are_refused(nodes: tuple[int, ...] | None, words: str) -> None:
    pool = 1 if nodes is None else 2
    with pytest.raises(PlatformError, match=words):
        course_of(_Rash(nodes), pool, (0, 5, 1), (0, 5, 1))


def test_a_policy_that_forgets_a_job_is_found_out() -> None:
    with pytest.raises(PlatformError, match="1 jobs waiting for ever"):
        course_of(Script({}), 1, (0, 5, 1))
    with pytest.raises(PlatformError, match="cannot suspend job 0"):
        course_of(Script({0: ([], ["0"])}), 1, (0, 5, 1))


@pytest.mark.parametrize(
    "knobs",
    [
        {"suspend_cost_s": -1.0},
        {"tick_s": float("inf")},
        {"checkpoint_every_s": 0.0},
    ],
)
def test_terms_make_sense(knobs: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(knobs))):
        Terms(**knobs)


def test_a_watcher_hears_of_a_long_run() -> None:
    heard: list[float] = []
    shapes = [(float(number), 1.0, 1) for number in range(1500)]
    Engine(jobs_of(*shapes), 1, Fifo(1), FREE).run(heard.append)
    assert heard
    assert all(0 < share <= 1 for share in heard)


POOL = 5
SHAPES = st.lists(
    st.tuples(
        st.integers(0, 300).map(float),
        st.one_of(st.integers(0, 400), st.floats(0.1, 400)).map(float),
        st.integers(1, POOL),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=400, deadline=None)
@given(
    shapes=SHAPES,
    policy=st.sampled_from(POLICIES),
    cost=st.sampled_from([0.0, 7.0, 30.0]),
    tick=st.sampled_from([None, 0.0, 10.0]),
    every=st.sampled_from([None, 45.0]),
)
def test_what_holds_under_every_policy(
    shapes: list[tuple[float, float, int]],
    policy: str,
    cost: float,
    tick: float | None,
    every: float | None,
) -> None:
    setup = Setup(
        nodes=POOL,
        reference=policy if policy in REFERENCES else None,
        suspend_cost_s=cost,
        tick_s=tick,
        checkpoint_every_s=every,
    )
    jobs = jobs_of(*shapes)
    watched = Watched(setup.scheduler(), POOL)
    course = Engine(jobs, POOL, watched, setup.terms).run()
    assert [one.job for one in course.progress] == list(jobs)
    for one in course.progress:
        _check_course(one)
    _check_conservation(course)
    grid = setup.terms.tick_s
    assert not grid or all(now % grid == 0 for now, _ in watched.decisions)
    if policy != TIMESHARE:
        assert all(not one.lost_node_s for one in course.progress)


def _check_course(one: Progress) -> None:
    assert one.ended_s is not None
    assert one.first_s is not None
    assert one.job.submit_s <= one.first_s <= one.ended_s
    assert one.ended_s - one.job.submit_s >= one.job.duration_s - 1e-6
    assert one.attempts == len(one.suspended_s) + 1
    assert one.suspended_s == sorted(one.suspended_s)
    assert not one.held


def _check_conservation(course: Course) -> None:
    """Nodes are held for the work that was asked for and for what was lost, nothing else."""
    held = sum((s.end_s - s.begin_s) * s.held for s in course.timeline.stretches(0.0, 1e9))
    work = sum(one.job.nodes * one.job.duration_s + one.lost_node_s for one in course.progress)
    assert held == pytest.approx(work, abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(shapes=SHAPES, policy=st.sampled_from(POLICIES))
def test_the_same_trace_gives_the_same_course(
    shapes: list[tuple[float, float, int]], policy: str
) -> None:
    setup = Setup(nodes=POOL, reference=policy if policy in REFERENCES else None)
    first, second = (simulate(jobs_of(*shapes), setup) for _ in range(2))
    assert ends(first) == ends(second)
    assert first.timeline == second.timeline
