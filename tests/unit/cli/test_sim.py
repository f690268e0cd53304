"""`sim run` and `sim compare`, end to end in this process: no server is there."""

import gzip
import io
import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree as xml

import pytest

from hai.cli.sim_chart import ASCII, BLOCKS, can_show_blocks, chart_text, chart_width
from hai.cli.sim_inputs import SERVER_ONLY
from hai.cli.sim_svg import chart_svg
from hai.console.errors import Stderr
from hai.core.policy import Policy
from hai.core.simulation.series import Series
from hai.settings import SchedulerSection
from tests.traces import VCVGL
from tests.unit.cli.conftest import Cli

ROOT = Path(__file__).parents[3]
HEAD = "job_id,submit_time_s,duration_s,nodes,gpus,user,vc,priority,status\n"
ROWS = "a,0,100,2,16,ada,x,,\nb,10,50,1,8,bob,x,,\nc,20,50,1,8,,y,,\n"


@pytest.fixture
def trace(tmp_path: Path) -> str:
    path = tmp_path / "trace.csv"
    path.write_text(HEAD + ROWS)
    return str(path)


def test_people_get_tables_and_a_chart(cli: Cli, trace: str) -> None:
    result = cli("sim", "run", trace, "--nodes", "2", "--policy", "fifo")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0] == "fifo on trace.csv: 3 tasks, 2 nodes of 8 GPUs"
    words = [line.split() for line in lines]
    assert ["wait", "56.7", "80.0", "89.8", "90.0"] in words
    assert any(row[:3] == ["2-3", "1", "100.0"] for row in words)
    assert any(row[:2] == ["ada", "1"] for row in words)
    assert "occupancy    100.0 %" in result.out
    assert "█" in result.out or "#" in result.out
    assert not result.err


def test_programs_get_json(cli: Cli, trace: str) -> None:
    found = json.loads(
        cli("sim", "run", trace, "-n", "2", "--suspend-cost", "0s", "-o", "json").out
    )
    assert found["schema_version"] == 1
    assert found["policy"] == "timeshare"
    assert found["policy_version"]
    assert set(found["by_user"]) == {"ada", "bob"}
    assert set(found["by_gang"]) == {"1", "2-3"}
    for key in ("avg_jct_s", "avg_wait_s", "p99_wait_s", "occupancy", "suspensions", "lost_node_s"):
        assert isinstance(found[key], int | float)
    csv = cli("sim", "run", trace, "-n", "2", "--fields", "policy,tasks", "-o", "csv").out
    assert csv == "policy,tasks\ntimeshare,3\n"
    assert "by_gang" in cli("sim", "run", trace, "-n", "2", "--fields", "help").out


def test_the_readme_command_on_the_shipped_trace(cli: Cli) -> None:
    found = json.loads(
        cli("sim", "run", str(VCVGL), "--nodes", "20", "--policy", "sjf", "-o", "json").out
    )
    assert round(found["avg_jct_s"], 1) == 5358.5


def test_options_choose_jobs(cli: Cli, trace: str) -> None:
    def tasks(*options: str) -> int:
        out = cli("sim", "run", trace, "-n", "2", "--policy", "fifo", "-o", "json", *options).out
        return int(json.loads(out)["tasks"])

    assert tasks("--vc", "x") == 2
    assert tasks("--begin", "10", "--end", "20s") == 1
    assert tasks("--min-gpus", "9") == 1
    result = cli("sim", "run", trace, "-n", "1", "--policy", "fifo", "--skip-too-wide")
    assert result.code == 0
    assert "left out: 1 (wider than the pool)" in result.err


def test_gzip_and_sacct_are_told_from_the_content(cli: Cli, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress((HEAD + ROWS).encode()))
    assert cli("sim", "run", str(packed), "-n", "2").code == 0
    slurm = tmp_path / "jobs.txt"
    slurm.write_text("JobID|Submit|ElapsedRaw|NNodes|State\n1|5|60|2|COMPLETED\n1.0|5|60|2|\n")
    result = cli("sim", "run", str(slurm), "-n", "2")
    assert result.code == 0
    assert "left out: 1 (job steps)" in result.err


def test_knobs_from_a_file(cli: Cli, trace: str, tmp_path: Path) -> None:
    file = tmp_path / "knobs.toml"
    file.write_text(
        "[scheduler]\ntick_seconds = 5\nslice_seconds = 60\nbackfill = false\n"
        "[scheduler.slices]\nHIGH = 30\n[scheduler.weights]\nada = 2\n[server]\nport = 1\n"
    )
    run = ("sim", "run", trace, "-n", "2", "-o", "json", "--policy")
    found = json.loads(cli(*run, str(file)).out)
    assert found["policy"] == "knobs.toml"
    assert found["policy_version"] != json.loads(cli(*run, "timeshare").out)["policy_version"]


def test_every_key_of_the_servers_scheduler_section_is_known() -> None:
    keys = set(SchedulerSection.model_fields)
    of_containers = {"shared_prefix"}  # [jupyter]'s
    assert keys == {knob.name for knob in fields(Policy)} - of_containers | SERVER_ONLY


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("slice_second = 60\n", "did you mean slice_seconds?"),
        ("slice_seconds = '60'\n", "must be a number"),
        ("slice_seconds = true\n", "must be a number"),
        ("slice_seconds = -1\n", "slice_seconds is -1"),
        ("backfill = 1\n", "true or false"),
        ("slices = 3\n", "must be a table"),
        ("[slices]\nNORMALL = 3\n", "did you mean NORMAL?"),
        ("scheduler = 3\n", "scheduler must be a table"),
        ("slice_seconds = \n", "line 1"),
    ],
)
def test_wrong_knobs(cli: Cli, trace: str, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "k.toml").write_text(text)
    result = cli("sim", "run", trace, "-n", "2", "--policy", str(tmp_path / "k.toml"))
    assert result.code == 2
    assert words in result.err
    assert "k.toml" in result.err


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("run TRACE", 2, "the pool has no size"),
        ("run TRACE -n 0", 2, "--nodes must be 1"),
        ("run TRACE -n 1", 2, "job a needs 2 nodes and the pool has 1"),
        ("run TRACE -n 2 --policy tiresia", 2, "did you mean tiresias?"),
        ("run TRACE -n 2 --policy no.toml", 3, "no file"),
        ("run nowhere.csv -n 2", 3, "no file 'nowhere.csv'"),
        ("run TRACE -n 2 --vc z", 2, "x, y"),
        ("run TRACE -n 2 --suspend-cost 5x", 2, "no duration"),
        ("run TRACE -n 2 --checkpoint-every 0", 2, "more than 0"),
        ("run TRACE -n 2 --gpus 0", 2, "--gpus must be 1"),
        ("run TRACE -n 2 --plot x.png", 2, "ending .svg"),
        ("run TRACE -n 2 --plot no/such/x.svg", 2, "no folder"),
        ("compare fifo --trace TRACE -n 2", 2, "name two policies or more"),
        ("compare fifo sjf -n 2", 2, "add --trace"),
        ("compare fifo sjf --trace TRACE", 2, "add --nodes"),
        ("compare TRACE fifo --trace TRACE -n 2", 2, "is no policy"),
        ("rum TRACE", 2, "did you mean run?"),
    ],
)
def test_errors_say_what_to_do(cli: Cli, trace: str, line: str, code: int, words: str) -> None:
    result = cli("sim", *(trace if word == "TRACE" else word for word in line.split()))
    assert result.code == code, result.err
    assert words in result.err
    assert "  hint: " in result.err
    assert not result.out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x1f\x8bnothing", "damaged gzip"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
        ((HEAD + "a,0,1,x,,,,,\n").encode(), "line 2: nodes is 'x'"),
        ((HEAD + "a,0,1,1,,,,,\n").encode().replace(b"a,", b"\0,"), ""),
    ],
)
def test_broken_traces(cli: Cli, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    result = cli("sim", "run", str(tmp_path / "t.csv"), "-n", "2")
    assert words in result.err
    assert "defect" not in result.err
    assert result.code == (2 if words else 0)


def test_policies_are_compared_in_one_table(cli: Cli, trace: str) -> None:
    words = ("sim", "compare", "fifo", "srtf", "timeshare", "--trace", trace, "-n", "2")
    rows = cli(*words).out.splitlines()
    assert [row.split()[0] for row in rows] == ["POLICY", "fifo", "srtf", "timeshare"]
    assert rows[1].split()[2] == "1.00"
    items = json.loads(cli(*words, "-o", "json").out)
    assert [item["policy"] for item in items] == ["fifo", "srtf", "timeshare"]
    assert items[1]["jct_ratio"] == pytest.approx(
        items[1]["avg_jct_s"] / items[0]["avg_jct_s"], abs=1e-4
    )
    assert items[1]["wide_p99_ratio"] is None


def test_results_are_compared(cli: Cli, trace: str, tmp_path: Path) -> None:
    files = []
    for policy in ("fifo", "sjf"):
        path = tmp_path / f"{policy}.json"
        path.write_text(cli("sim", "run", trace, "-n", "2", "--policy", policy, "-o", "json").out)
        files.append(str(path))
    result = cli("sim", "compare", *files)
    assert [row.split()[0] for row in result.out.splitlines()] == ["POLICY", "fifo", "sjf"]
    assert not result.err
    mixed = cli("sim", "compare", files[0], "srtf", "--trace", trace, "-n", "3")
    assert mixed.code == 0
    assert "warning: not of one experiment: their nodes differ" in mixed.err
    (tmp_path / "other.json").write_text("[1]")
    wrong = cli("sim", "compare", files[0], str(tmp_path / "other.json"))
    assert wrong.code == 2
    assert "no result of a simulation" in wrong.err


def test_an_svg_is_drawn(cli: Cli, trace: str, tmp_path: Path) -> None:
    file = tmp_path / "out.svg"
    result = cli("sim", "run", trace, "-n", "2", "--plot", str(file), "-o", "json")
    assert json.loads(result.out)["tasks"] == 3
    assert f"drawn in {file}" in result.err
    root = xml.parse(file).getroot()  # noqa: S314 (we wrote it)
    assert root.tag.endswith("svg")
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "100 %" in texts
    assert "time since the first submission" in texts


@pytest.mark.parametrize(
    ("span", "texts"),
    [
        pytest.param(45.0, ["0 s", "15 s", "30 s", "45 s"], id="seconds"),
        pytest.param(3.5 * 3600, ["0 s", "60 min", "2 h", "3 h"], id="hours"),
        pytest.param(30.1 * 86400, ["0 s", *(f"{n} d" for n in range(5, 31, 5))], id="a month"),
        pytest.param(
            9000 * 86400.0, ["0 s", *(f"{n} d" for n in range(500, 9001, 500))], id="years"
        ),
    ],
)
def test_times_below_an_svg_are_round(span: float, texts: list[str]) -> None:
    root = xml.fromstring(chart_svg(Series((0, span), (1.0,), (None,)), ""))  # noqa: S314
    below = [
        text for text in root.iter("{http://www.w3.org/2000/svg}text") if text.get("y") == "386"
    ]
    assert [text.text for text in below] == texts


def test_names_are_escaped_in_an_svg() -> None:
    curves = Series((0, 1, 2), (0.5, 1.0), (None, 3.0))
    root = xml.fromstring(chart_svg(curves, "<a> & b"))  # noqa: S314 (we made it)
    assert root[0].text == "<a> & b"
    still = chart_svg(Series((0, 1), (0.0,), (None,)), "nothing")
    assert xml.fromstring(still) is not None  # noqa: S314


def test_charts_in_both_alphabets() -> None:
    hours = tuple(3600.0 * number for number in range(9))
    curves = Series(hours, (0.0, 0.5, *[1.0] * 6), (None, 30.0, *[60.0] * 6))
    assert chart_text(curves, BLOCKS).splitlines() == [
        "share of the nodes that are held (a column is 60 min)",
        "  100 % |  ██████",
        "        |  ██████",
        "        | ▄██████",
        "        | ███████",
        "      0 | ███████",
        "average wait, by time of submission",
        "   60 s |  ██████",
        "        |  ██████",
        "        | ▄██████",
        "        | ███████",
        "      0 | ███████",
        "         0    8 h",
    ]
    assert chart_text(curves, ASCII).isascii()
    assert can_show_blocks("utf-8")
    assert not any(can_show_blocks(name) for name in ("ascii", "latin-1", None, "no-such"))
    assert [chart_width(width) for width in (None, 10, 80, 300)] == [71, 20, 71, 111]


def test_in_a_terminal_without_utf_8(trace: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hai.cli.main", "sim", "run", trace, "-n", "2"],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert b"#" in done.stdout


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_for_terminals() -> None:
    stream = _Terminal()
    stderr = Stderr(stream)
    stderr.progress("fifo: 10 %")
    stderr.progress("")
    assert stream.getvalue() == "\r\rfifo: 10 %\r          \r"
    plain = io.StringIO()
    Stderr(plain).progress("fifo: 10 %")
    assert plain.getvalue() == ""
