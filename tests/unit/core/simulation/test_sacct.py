"""What `sacct --parsable2` prints, in its many shapes."""

import pytest

from hai.core.simulation.sacct import NEVER_RAN, NOT_OVER, REPEATED, STEPS
from hai.core.simulation.trace_rows import read_trace
from hai.core.types import Priority
from hai.errors import InvalidInput

FULL = "JobID|User|Partition|Submit|Start|End|Elapsed|AllocNodes|AllocTRES|State|QOS"
NIGHT = """\
101|ada|gpu|2026-03-01T08:00:00|2026-03-01T08:00:10|2026-03-01T09:00:10|01:00:00|2|\
billing=64,cpu=64,gres/gpu=16,mem=1T,node=2|COMPLETED|normal
101.batch|||2026-03-01T08:00:10|2026-03-01T08:00:10|2026-03-01T09:00:10|01:00:00|1|\
cpu=32,mem=512G,node=1|COMPLETED|
101.0|||2026-03-01T08:00:11|2026-03-01T08:00:11|2026-03-01T09:00:10|00:59:59|2||COMPLETED|
102_7|bob|gpu|2026-03-01T08:00:05|2026-03-01T08:30:00|2026-03-02T10:30:00|1-02:00:00|1|\
cpu=8,gres/gpu:a100=4,gres/gpu:h100=2,node=1|TIMEOUT|high
102_[8-9]|bob|gpu|2026-03-01T08:00:05|Unknown|Unknown|00:00:00|1||PENDING|high
103|eve|cpu|2026-03-01T07:59:00|None|2026-03-01T08:10:00|00:00:00|0||CANCELLED by 1002|
104|eve|cpu|2026-03-01T08:20:00|2026-03-01T08:20:00|Unknown|05:00:00|1|cpu=4,node=1|RUNNING|
105|eve|cpu|2026-03-01T08:21:00|2026-03-01T08:21:00|2026-03-01T08:21:42|00:42.500|1|\
cpu=4,node=1|CANCELLED by 1002|gold
"""


def test_jobs_of_a_night() -> None:
    trace = read_trace([FULL + "\n", *NIGHT.splitlines(keepends=True)])
    shown = [(j.id, j.user, j.vc, j.submit_s, j.duration_s, j.nodes, j.gpus) for j in trace.jobs]
    assert shown == [
        ("101", "ada", "gpu", 0, 3600, 2, 16),
        ("102_7", "bob", "gpu", 5, 26 * 3600, 1, 6),
        ("105", "eve", "cpu", 1260, 42, 1, 0),
    ]
    assert [job.status for job in trace.jobs] == ["COMPLETED", "TIMEOUT", "CANCELLED"]
    assert [job.priority for job in trace.jobs] == [Priority.NORMAL, Priority.HIGH, None]
    assert trace.left_out == {STEPS: 2, NOT_OVER: 2, NEVER_RAN: 1}


@pytest.mark.parametrize(
    ("head", "row", "expected"),
    [
        pytest.param(
            "JobID|Submit|ElapsedRaw|NNodes", "1|1700000000|90|3", (90, 3, 0), id="raw, Unix time"
        ),
        pytest.param(
            "NNodes|Elapsed|Submit|JobID", "2|02:30|2026-01-01T00:00:00|1", (150, 2, 0), id="order"
        ),
        pytest.param(
            "JobID|Submit|Start|End|AllocTRES",
            "1|2026-01-01T00:00:00|2026-01-01T00:01:00|2026-01-01T00:02:30|gres/gpu=8,node=4",
            (90, 4, 8),
            id="no Elapsed, nodes from TRES",
        ),
    ],
)
def test_columns_may_be_missing(head: str, row: str, expected: tuple[int, int, int]) -> None:
    (job,) = read_trace([head + "\n", row + "\n"]).jobs
    assert [job.duration_s, job.nodes, job.gpus, job.submit_s] == [*expected, 0]


@pytest.mark.parametrize(
    ("head", "row", "words"),
    [
        ("JobID|User", "1|ada", "line 1: no column Submit"),
        ("JobID|Submit|NNodes", "1|5|1", "line 1: no column ElapsedRaw"),
        ("JobID|Submit|Elapsed", "1|5|1:00", "line 1: no column AllocNodes"),
        ("JobID|Submit|Elapsed|NNodes", "1|yesterday|1:00|1", "line 2: Submit is 'yesterday'"),
        ("JobID|Submit|Elapsed|NNodes", "1|5|soon|1", "line 2: Elapsed is 'soon'"),
        ("JobID|Submit|Elapsed|NNodes", "1|5", "line 2: 2 fields under 4 columns"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(head: str, row: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_trace([head + "\n", row + "\n"])
    assert words in caught.value.message
    assert "sacct" in caught.value.hint


SHORT = "JobID|Submit|Start|End|ElapsedRaw|NNodes|State"


def test_offsets_of_times_count() -> None:
    """The clocks change on this day: an hour by the wall is not an hour."""
    rows = (
        "1|2026-03-29T01:30:00+0100|2026-03-29T01:30:00+0100|2026-03-29T03:30:00+0200||1|COMPLETED",
        "2|2026-03-29T03:00:00+02:00|2026-03-29T03:00:00+0200|2026-03-29T02:30:00Z||1|COMPLETED",
        "3|2026-03-28 21:30:00 -0330|2026-03-28T21:30:00 -0330|2026-03-29T01:00:01Z|1|1|COMPLETED",
    )
    jobs = read_trace([SHORT + "\n", *(row + "\n" for row in rows)]).jobs
    found = {job.id: (job.submit_s, job.duration_s) for job in jobs}
    assert found == {"1": (0, 3600), "2": (1800, 5400), "3": (1800, 1)}


def test_a_job_in_two_dumps_counts_once() -> None:
    running = "7|2026-01-31T23:00:00|2026-01-31T23:00:00|Unknown|3600|2|RUNNING\n"
    over = "7|2026-01-31T23:00:00|2026-01-31T23:00:00|2026-02-01T01:00:00|7200|2|COMPLETED\n"
    reused = "7|2026-02-20T00:00:00|2026-02-20T00:00:00|2026-02-20T00:00:09|9|1|COMPLETED\n"
    head = SHORT + "\n"
    for lines in ([head, running, head, over, reused], [head, over, reused, head, running, over]):
        trace = read_trace(lines)
        assert [(job.duration_s, job.nodes) for job in trace.jobs] == [(7200, 2), (9, 1)]
        assert trace.left_out == {REPEATED: len(lines) - lines.count(head) - 2}


def test_a_requeued_run_that_has_ended_is_over() -> None:
    first = "8|2026-01-01T00:00:00|2026-01-01T00:00:00|2026-01-01T00:01:00|60|1|REQUEUED\n"
    second = "8|2026-01-01T00:01:00|2026-01-01T00:05:00|2026-01-01T00:06:40|100|1|COMPLETED\n"
    waits = "9|2026-01-01T00:01:00|Unknown|Unknown|0|1|REQUEUED\n"
    trace = read_trace([SHORT + "\n", first, second, waits])
    assert [(job.submit_s, job.duration_s) for job in trace.jobs] == [(0, 60), (60, 100)]
    assert trace.left_out == {NOT_OVER: 1}


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("JobID|Submit|Elapsed|NNodes|Comment", "1|5|1:00|1|caf\udce9"),
        ("job_id,submit_time_s,duration_s,nodes,note", "1,5,60,1,caf\udce9"),
    ],
)
def test_an_odd_byte_matters_only_where_it_is_read(head: str, row: str) -> None:
    (job,) = read_trace([head + "\n", row + "\n"]).jobs
    assert job.duration_s == 60
    if "|" in head:
        head, row = f"{head}|User", f"{row}|m\udcfcller"
    else:
        head, row = f"{head},user", f"{row},m\udcfcller"
    with pytest.raises(InvalidInput, match=r"line 2: (?i:user) is .*UTF-8"):
        read_trace([head + "\n", row + "\n"])
