import io
import json

import pytest

from hai.cli.layouts import nodes_layout, quota_bar, tasks_layout, why_line
from hai.console.errors import Stderr
from hai.console.output import Format, Output
from hai.console.terminal import Palette, cut_to, printable, safe_stream, text_width, wants_colour
from hai.errors import InvalidInput
from tests.unit.cli.peer import task_view

NOW = 1893456000.0 + 300  # five minutes into 2030
TASKS = [
    task_view(id=12),
    task_view(
        id=7,
        name="a name with blanks",
        state="queued",
        assigned_nodes=[],
        reason={"code": "no_free_nodes", "text": "waits for 2 nodes", "evidence": {}},
    ),
]
TABLE = """\
ID  NAME                USER   GROUP     NODES  PRIORITY  STATE    AGE  WHY
12  train.py            alice  training      2  HIGH      running   5m
 7  a name with blanks  alice  training      2  HIGH      queued    5m  waits for 2 nodes
"""


def shown(form: Format, **settings: object) -> str:
    output = Output(format=form, stream=io.StringIO(), **settings)  # type: ignore[arg-type]
    return output.render(TASKS, tasks_layout(NOW))


def test_table_is_plain_aligned_text() -> None:
    assert shown(Format.TABLE) == TABLE


def test_without_headers() -> None:
    rows = [line.split() for line in shown(Format.TABLE, headers=False).splitlines()]
    assert rows == [line.split() for line in TABLE.splitlines()[1:]]


def test_wide_has_absolute_times_and_no_age() -> None:
    head, first, _ = shown(Format.WIDE).splitlines()
    assert "SUBMITTED_AT" in head
    assert "AGE" not in head.split()
    assert "2030-01-01T00:00:00Z" in first
    assert "n1,n2" in first


def test_json_is_the_servers_view() -> None:
    assert json.loads(shown(Format.JSON)) == TASKS


def test_jsonl_is_one_object_per_line() -> None:
    assert [json.loads(line) for line in shown(Format.JSONL).splitlines()] == TASKS


def test_a_nested_document_is_one_line_of_jsonl() -> None:
    output = Output(format=Format.JSONL, stream=(stream := io.StringIO()))
    output.document({"tasks": TASKS})
    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue()) == {"tasks": TASKS}


def test_yaml_reads_back() -> None:
    import yaml

    assert yaml.safe_load(shown(Format.YAML)) == TASKS


def test_name_is_the_bare_id() -> None:
    assert shown(Format.NAME) == "12\n7\n"


def test_csv_quotes_and_keeps_times() -> None:
    lines = shown(Format.CSV, fields=("id", "name", "assigned_nodes")).splitlines()
    assert lines == ["id,name,assigned_nodes", '12,train.py,"n1,n2"', "7,a name with blanks,"]


def test_fields_choose_in_every_format() -> None:
    assert shown(Format.TABLE, fields=("state", "id")).splitlines()[0].split() == ["STATE", "ID"]
    assert json.loads(shown(Format.JSON, fields=("id",))) == [{"id": 12}, {"id": 7}]


def test_an_unknown_field_names_the_known_ones() -> None:
    with pytest.raises(InvalidInput) as caught:
        shown(Format.TABLE, fields=("colour",))
    assert "chain_id" in caught.value.hint


def test_field_help_lists_them() -> None:
    stream = io.StringIO()
    Output(fields=("help",), stream=stream).rows(TASKS, tasks_layout(NOW))
    assert "whole_life_state" in stream.getvalue().splitlines()


@pytest.mark.parametrize(("sort", "ids"), [("id", [7, 12]), ("-id", [12, 7]), ("STATE", [7, 12])])
def test_sort(sort: str, ids: list[int]) -> None:
    stream = io.StringIO()
    Output(format=Format.JSON, sort=sort, stream=stream).rows(TASKS, tasks_layout(NOW))
    assert [task["id"] for task in json.loads(stream.getvalue())] == ids


def test_an_empty_list_is_an_empty_array() -> None:
    output = Output(format=Format.JSON, stream=io.StringIO())
    assert output.render([], tasks_layout(NOW)) == "[]\n"


def test_narrow_terminals_shorten_long_cells_only() -> None:
    text = shown(Format.TABLE, width=78)
    assert max(map(text_width, text.splitlines())) <= 78
    assert "…" in text
    assert "…" not in shown(Format.TABLE, width=78, truncate=False)


def test_colour_does_not_change_the_alignment() -> None:
    plain, painted = shown(Format.TABLE), shown(Format.TABLE, palette=Palette(enabled=True))
    assert "\x1b[32mrunning\x1b[0m" in painted
    import re

    assert re.sub(r"\x1b\[\d*m", "", painted) == plain


def test_control_characters_in_names_do_not_reach_the_terminal() -> None:
    output = Output(stream=io.StringIO())
    text = output.render([task_view(name="\x1b]0;x\x07")], tasks_layout(NOW))
    assert "\x1b" not in text
    assert "\\x1b]0;x\\x07" in text


def test_wide_characters_count_twice() -> None:
    assert text_width("训练") == 4
    assert cut_to("训练训练", 5) == "训练…"
    assert printable("a\tb") == "a\tb"


def test_ascii_terminals_get_stand_ins_and_raw_bytes_come_back() -> None:
    raw = io.BytesIO()
    stream = safe_stream(io.TextIOWrapper(raw, encoding="ascii"))
    stream.write("caf\u00e9 \u2026 " + b"\xff".decode("utf-8", "surrogateescape"))
    stream.flush()
    assert raw.getvalue() == b"caf? ~ \xff"


@pytest.mark.parametrize(
    ("choice", "environ", "terminal", "expected"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"CLICOLOR": "0"}, True, False),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"CLICOLOR_FORCE": "1"}, True, False),
    ],
)
def test_colour_rules(choice: str, environ: dict[str, str], terminal: bool, expected: bool) -> None:
    assert wants_colour(choice, environ, is_terminal=terminal) is expected


def test_quota_bars() -> None:
    assert quota_bar({"used": 1, "nodes": 4}) == "[#####...............]"
    assert quota_bar({"used": 9, "nodes": 4}) == f"[{'#' * 20}]"
    assert quota_bar({"used": 0, "nodes": 0}) == f"[{'.' * 20}]"
    assert quota_bar({"nodes": 4}) == ""


def test_why_is_the_reason_while_it_waits_else_how_it_ended() -> None:
    assert why_line(TASKS[1]) == "waits for 2 nodes"
    assert why_line(task_view(why="exit code 3")) == "exit code 3"


def test_nodes_have_no_stray_columns() -> None:
    keys = {column.key for column in nodes_layout().columns}
    assert keys <= set(nodes_layout().fields)


def test_quiet_keeps_warnings() -> None:
    stream = io.StringIO()
    stderr = Stderr(stream, quiet=True)
    stderr.say("hello")
    stderr.warn("careful")
    assert stream.getvalue() == "hai-cli: warning: careful\n"
