"""HAI's own columns, and which jobs of a trace are chosen."""

import pytest

from hai.core.simulation.jobs import TOO_WIDE, Choice, chosen
from hai.core.simulation.trace_rows import COLUMNS, read_trace
from hai.core.types import Priority
from hai.errors import InvalidInput

HEAD = ",".join(COLUMNS)


def trace_of(*rows: str, head: str = HEAD) -> list[str]:
    return [f"{line}\n" for line in (head, *rows)]


def test_all_fields() -> None:
    trace = read_trace(trace_of("7,5.5,60,2,16,ada,vc1,high,COMPLETED"))
    (job,) = trace.jobs
    assert (job.id, job.submit_s, job.duration_s, job.nodes, job.gpus) == ("7", 5.5, 60, 2, 16)
    assert (job.user, job.vc, job.status) == ("ada", "vc1", "COMPLETED")
    assert job.priority is Priority.HIGH


def test_fields_may_be_empty_and_columns_missing_or_in_another_order() -> None:
    (job,) = read_trace(trace_of("60,8,3", head="duration_s,gpus,submit_time_s")).jobs
    assert (job.submit_s, job.duration_s, job.gpus, job.nodes) == (3, 60, 8, 0)
    assert (job.id, job.user, job.vc, job.priority) == ("line 2", "", "", None)
    (job,) = read_trace(trace_of("1,0,0,1,,,,,")).jobs
    assert job.duration_s == 0
    assert job.gpus == 0


def test_jobs_are_in_the_order_of_submission_and_of_the_trace_within_a_second() -> None:
    rows = ("c,9,1,1,,,,,", "a,3,1,1,,,,,", "b,3,1,1,,,,,", "", "d,0,1,1,,,,,")
    jobs = read_trace(trace_of(*rows)).jobs
    assert [job.id for job in jobs] == ["d", "a", "b", "c"]
    assert [job.number for job in jobs] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        pytest.param([], "the trace is empty", id="nothing"),
        pytest.param(["a,b\n"], "line 1: no column submit_time_s", id="other columns"),
        pytest.param(["submit_time,duration_s,nodes\n"], "'submit_time' meant", id="near miss"),
        pytest.param(["submit_time_s,duration_s\n"], "no column nodes", id="no width"),
        pytest.param(trace_of("1,x,60,1,,,,,"), "line 2: submit_time_s is 'x'", id="no number"),
        pytest.param(trace_of("1,0,nan,1,,,,,"), "duration_s is 'nan'", id="not finite"),
        pytest.param(trace_of("1,0,1e300,1,,,,,"), "0 to 10,000,000,000", id="without end"),
        pytest.param(trace_of("1,0,-1,1,,,,,"), "duration_s is '-1'", id="negative"),
        pytest.param(trace_of("1,0,,1,,,,,"), "duration_s is empty", id="no duration"),
        pytest.param(trace_of("1,0,5,1.5,,,,,"), "nodes is '1.5'", id="half a node"),
        pytest.param(trace_of("1,0,5,0,0,,,,"), "neither nodes nor gpus", id="no nodes"),
        pytest.param(trace_of("1,0,5,1,,,,urgent,"), "priority is 'urgent'", id="level"),
        pytest.param(trace_of("1,0,5,1"), "line 2: 4 fields under 9 columns", id="short row"),
        pytest.param(
            trace_of("1,0,5,1,,,,,", "1,0,5,?,,,,,"), "line 3: nodes is '?'", id="which line"
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(lines: list[str], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_trace(lines)
    told = f"{caught.value.message} {caught.value.hint}"
    assert words in told
    assert "\n" not in told
    assert caught.value.hint


TRACE = read_trace(
    trace_of(
        "a,0,5,,4,,x,,", "b,10,5,,9,,x,,", "c,20,5,3,,,y,,", "d,30,5,,16,,y,,", "e,40,5,1,,,,,"
    )
)


@pytest.mark.parametrize(
    ("choice", "ids"),
    [
        pytest.param(Choice(nodes=3), "abcde", id="all"),
        pytest.param(Choice(nodes=3, vc="y"), "cd", id="vc"),
        pytest.param(Choice(nodes=3, begin_s=10, end_s=30), "bc", id="window"),
        pytest.param(Choice(nodes=3, min_gpus=9), "bcd", id="min_gpus"),
        pytest.param(Choice(nodes=2, skip_too_wide=True), "abde", id="too wide"),
    ],
)
def test_chosen_jobs(choice: Choice, ids: str) -> None:
    found = chosen(TRACE, choice)
    assert "".join(job.id for job in found.jobs) == ids
    assert [job.number for job in found.jobs] == list(range(len(ids)))
    assert found.left_out.get(TOO_WIDE, 0) == ("c" not in ids and choice.skip_too_wide)


def test_width_is_the_traces_own_or_gpus_rounded_up() -> None:
    widths = {job.id: job.nodes for job in chosen(TRACE, Choice(nodes=9, gpus_per_node=4)).jobs}
    assert widths == {"a": 1, "b": 3, "c": 3, "d": 4, "e": 1}


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice(nodes=2), "job c needs 3 nodes and the pool has 2"),
        (Choice(nodes=3, vc="z"), "no job of the trace is left"),
        (Choice(nodes=3, begin_s=99), "no job of the trace is left"),
    ],
)
def test_what_can_not_be_simulated(choice: Choice, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        chosen(TRACE, choice)
    assert "--skip-too-wide" in caught.value.hint or "x, y" in caught.value.hint


def test_a_pool_has_nodes_and_gpus() -> None:
    with pytest.raises(InvalidInput, match="--nodes"):
        Choice(nodes=0)
    with pytest.raises(InvalidInput, match="--gpus"):
        Choice(nodes=1, gpus_per_node=0)
