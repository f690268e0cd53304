"""The pure parts: rows, columns, filters, bars, texts. Tables of what goes in and comes out."""

from typing import Any

import pytest
from rich.cells import cell_len

from hai.errors import HaiError, InvalidInput
from hai.tui.chart import bar, resampled, sparkline, stretches
from hai.tui.columns import TableColumn, header, laid_out, row_line
from hai.tui.commands import Command, completions, parse_command, parse_view
from hai.tui.consequences import (
    LevelChange,
    is_missing_route,
    level_beside,
    priority_question,
    stop_question,
    toggle_question,
)
from hai.tui.filters import matcher
from hai.tui.glyphs import ASCII, UNICODE, glyphs_for
from hai.tui.model import DashboardTask, in_order, task_of
from hai.tui.pages import document_page, losses, without_secrets
from hai.tui.present import TASK_COLUMNS, Context, next_of, state_of, why_of
from hai.tui.text import cut, fit, pieces, plain, printable, size_of, wrapped
from tests.tui.fake_server import NOW, at, running, task_row

CONTEXT = Context(now=NOW, user="alice")


def task(**values: Any) -> DashboardTask:
    row = running(7, "n1", **values) if values.get("state") == "running" else task_row(7, **values)
    return task_of(row)


def cells(row: DashboardTask) -> dict[str, str]:
    return {column.title: column.cell(row, CONTEXT)[0] for column in TASK_COLUMNS}


# text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0B"), (1023, "1023B"), (1536, "1.5K"), (2**40 * 3, "3.0T")]
)
def test_sizes_have_a_unit(count: float, text: str) -> None:
    assert size_of(count) == text


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [("train", 5, "train"), ("training", 5, "trai…"), ("训练任务", 5, "训练…"), ("x", 0, ""),
     ("训练", 4, "训练")],
)  # fmt: skip
def test_text_is_cut_to_columns(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


def test_fitted_text_has_exactly_its_width() -> None:
    assert fit("ab", 4) == "ab  "
    assert fit("ab", 4, right=True) == "  ab"
    assert fit("训练任务", 5) == "训练…"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("❤️ heart", id="emoji with a selector"),
        pytest.param("👍🏽 thumbs", id="emoji with a modifier"),
        pytest.param("🇩🇪 flag", id="flag"),
        pytest.param("ที่ไทย", id="vowels above"),
        pytest.param("e" + "\u0301" * 9 + "!", id="accents"),
        pytest.param("한글 训练", id="wide"),
        pytest.param("a\u2028b\ufeffc\xadd\U000e0041e\ud800f", id="what has no width"),
    ],
)
def test_columns_are_counted_as_the_library_that_draws_counts_them(text: str) -> None:
    shown = printable(text)
    for width in range(2, 12):
        assert cell_len(fit(shown, width)) == width
        assert all(cell_len(piece) <= width for piece in pieces(shown, width))
    shown.encode()  # no half of a character is left


def test_nothing_drives_the_terminal() -> None:
    assert printable("a\x1b[31mred\x1b[0m b\x07\x1b]0;title\x07") == "ared b\\x07"
    assert printable("evil\u202etxt") == "evil\\u202etxt"
    assert printable("tab\there") == "tab    here"
    assert printable("\U0001f44d\U0001f3fd \u2764\ufe0f") == "\U0001f44d \u2764"


def test_long_text_is_wrapped_with_its_indent() -> None:
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("  key: aaa bbb", 8) == ["  key:", "  aaa", "  bbb"]
    assert wrapped("abcdefgh", 3) == ["abc", "def", "gh"]
    assert pieces("训练ab", 3) == ["训", "练a", "b"]
    assert plain([[("a ", ""), ("b  ", "x")], []]) == "a b\n\n"


# bars


def test_bars_and_sparklines_say_how_much() -> None:
    assert bar(0, 10, 4, UNICODE) == ("", "░░░░")
    assert bar(1, 100, 4, UNICODE) == ("█", "░░░")  # something is not nothing
    assert bar(10, 10, 4, ASCII) == ("####", "")
    assert bar(1, 10, 0, ASCII) == ("", "")
    assert sparkline([0, 4, 8], 4, UNICODE) == ["  ▄█"]
    assert sparkline([0, 4, 8], 3, UNICODE, height=2) == ["  █", " ██"]
    assert sparkline([], 3, UNICODE) == ["   "]
    assert resampled([1, 3, 5, 7], 2) == [2, 6]


def test_a_timeline_shows_even_what_was_short() -> None:
    assert stretches([(0, 10, "run")], 0, 20, 4) == ["run", "run", "", ""]
    assert stretches([(0, 20, "wait"), (5, 5.001, "run")], 0, 20, 4) == [
        "wait", "run", "wait", "wait",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("environ", "glyphs"),
    [
        ({"LANG": "en_US.UTF-8"}, UNICODE),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, ASCII),
        ({}, ASCII),
        ({"LANG": "C.utf8", "TERM": "linux"}, ASCII),
    ],
)
def test_the_locale_chooses_the_characters(environ: dict[str, str], glyphs: object) -> None:
    assert glyphs_for(environ) is glyphs
    assert glyphs_for({"LANG": "C.UTF-8"}, ascii_only=True) is ASCII


# columns

COLUMNS = (
    TableColumn("ID", 4, lambda row, _: (str(row), ""), right=True, letter="I"),
    TableColumn("WIDE", 6, lambda row, _: ("w", ""), from_width=30),
    TableColumn("WHY", 5, lambda row, _: ("because it is so", "dim"), grows=True),
)


def test_a_column_gets_more_only_where_the_growing_one_has_enough() -> None:
    name = TableColumn("NAME", 6, lambda row, _: (str(row), ""), most=12)
    columns = (name, COLUMNS[2])
    for width, room in ((14, 6), (32, 6), (35, 9), (60, 12)):
        assert [w for _, w in laid_out(columns, width)] == [room, width - 1 - room]


@pytest.mark.parametrize("width", [36, 40, 49, 50, 59])
def test_a_narrow_table_cuts_names_and_no_numbers(width: int) -> None:
    layout = {column.title: (column.width, room) for column, room in laid_out(TASK_COLUMNS, width)}
    assert sum(room + 1 for _, room in layout.values()) - 1 == width
    assert all(least == room for title, (least, room) in layout.items() if title != "NAME")


def test_columns_use_the_whole_width() -> None:
    assert [(c.title, w) for c, w in laid_out(COLUMNS, 20)] == [("ID", 4), ("WHY", 15)]
    assert [c.title for c, _ in laid_out(COLUMNS, 40)] == ["ID", "WIDE", "WHY"]
    layout = laid_out(COLUMNS, 14)
    assert header(layout, "I", "^") == " ID^ WHY      "
    assert row_line(7, None, layout, "…") == [("   7", ""), (" ", ""), ("because …", "dim")]


# rows


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        pytest.param({}, {"STATE": "queued", "AGE": "10m", "NEXT": "", "WHY": ""}, id="queued"),
        pytest.param({"why": "waits for 8 nodes"}, {"WHY": "waits for 8 nodes"}, id="reason"),
        pytest.param({"state": "suspended", "held": True}, {"STATE": "held", "POS": ""}, id="held"),
        pytest.param({"state": "running"}, {"AGE": "5m", "NEXT": "", "TRY": "1"}, id="running"),
        pytest.param(
            {"state": "running", "safe_until": at(90)}, {"NEXT": "safe 1m"}, id="slice left"
        ),
        pytest.param(
            {"state": "running", "safe_until": at(-1)}, {"NEXT": "may yield"}, id="slice over"
        ),
        pytest.param({"state": "running", "backfill": True}, {"NEXT": "backfill"}, id="backfill"),
        pytest.param(
            {"state": "running", "level": "NORMAL", "priority": "ABOVE_NORMAL"},
            {"PRIO": "ABOVE/NORMAL"},
            id="charged lower",
        ),
        pytest.param(
            {"estimate": {"earliest": at(300), "latest": at(900), "basis": ""}},
            {"NEXT": "in 5m"},
            id="estimate",
        ),
        pytest.param(
            {"estimate": {"earliest": at(300), "latest": None, "basis": ""}},
            {"NEXT": "after 5m"},
            id="a lower bound",
        ),
        pytest.param(
            {"estimate": {"earliest": at(-1), "latest": None, "basis": "no basis"}},
            {"NEXT": ""},
            id="nobody can say",
        ),
        pytest.param(
            {"state": "running", "level": "EXTREME_HIGH", "priority": "AUTO"},
            {"PRIO": "AUTO"},
            id="the platform's choice",
        ),
        pytest.param(
            {"state": "failed", "exit_code": 9, "why": "killed", "ended_at": at(-30)},
            {"AGE": "30s", "WHY": "exit 9: killed", "STATE": "failed"},
            id="failed",
        ),
    ],
)
def test_cells_of_a_task(values: dict[str, Any], wanted: dict[str, str]) -> None:
    shown = cells(task(**values))
    assert {title: shown[title] for title in wanted} == wanted


def test_a_place_in_the_line_stands_for_the_reason() -> None:
    waiting = task()
    waiting.position = 3
    assert why_of(waiting)[0] == "number 3 in its line"
    assert cells(waiting)["POS"] == "3"


def test_old_servers_lack_keys_and_new_ones_have_more() -> None:
    bare = {k: v for k, v in task_row(1).items() if k not in ("on", "since", "ended_at", "code")}
    old = task_of(bare)
    assert (old.level, old.safe_until, old.backfill, old.estimate) == ("", None, False, None)
    assert next_of(old, NOW) == ("", "")
    assert task_of({**task_row(1), "tomorrow": 1, "state": "dreaming"}).state == "dreaming"
    assert state_of(task_of({**task_row(1), "state": "dreaming"})) == "dreaming"


def test_the_order_of_service() -> None:
    rows = [
        task_row(1, state="failed", ended_at=at(-5)),
        task_row(2, held=True, state="suspended"),
        task_row(3),
        task_row(4),
        running(5, "n1", priority="LOW"),
        running(6, "n2", priority="HIGH"),
        task_row(7, state="succeeded", ended_at=at(-1)),
    ]
    tasks = [task_of(row) for row in rows]
    tasks[2].position, tasks[3].position = 2, 1
    assert [t.id for t in in_order(tasks)] == [6, 5, 4, 3, 2, 7, 1]


# filters


@pytest.mark.parametrize(
    ("text", "is_match"),
    [
        ("", True), ("train", True), ("TRAIN", False), ("Train-7", True), ("tr.*7", True),
        ("!train", False), ("!xyz", True), ("-f tn7", True), ("-f 7nt", False),
        ("-l user=alice", True), ("-l user=alice,state=queued", False), ("!-l user=bob", True),
    ],
)  # fmt: skip
def test_filters(text: str, is_match: bool) -> None:
    labels = {"user": "alice", "state": "running"}
    assert matcher(text)("Train-7 alice running", labels) is is_match


@pytest.mark.parametrize("text", ["(", "!(", "-l user"])
def test_wrong_filters_are_named(text: str) -> None:
    with pytest.raises(InvalidInput):
        matcher(text)


# commands


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("queue", Command("queue")), (":jobs -l user=bob", Command("queue", "-l user=bob")),
        ("12", Command("task", "12")), ("logs 7", Command("logs", "7")), ("q", Command("quit")),
        ("nodes", Command("cluster")), ("ev", Command("events")), ("q!", Command("quit")),
    ],
)  # fmt: skip
def test_commands(text: str, command: Command) -> None:
    assert parse_command(text) == command


@pytest.mark.parametrize("text", ["theme nord", "help", "q", "nonsense"])
def test_only_screens_can_be_begun_with(text: str) -> None:
    assert parse_view("queue -l user=bob") == Command("queue", "-l user=bob")
    with pytest.raises(InvalidInput):
        parse_view(text)


@pytest.mark.parametrize(("text", "hint"), [("qeue", ":queue"), ("logs x", ":logs 12")])
def test_wrong_commands_are_helped(text: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_command(text)
    assert hint in caught.value.hint


def test_completions() -> None:
    assert completions("us") == ["users"]
    assert completions("logs 1", [1, 12, 3]) == ["logs 1", "logs 12"]
    assert completions("theme hai-l", (), ["hai-dark", "hai-light"]) == ["theme hai-light"]


# consequences


def test_what_a_verb_will_do_is_said() -> None:
    run, wait = task(state="running"), task(name="b")
    question = stop_question([run])
    assert question.command == "hai-cli stop 7"
    assert "SIGTERM now, SIGKILL in 5 s; 1 node freed" in question.lines[0]
    many = stop_question([wait] * 12, typed=True)
    assert many.title == "Stop 12 tasks?"
    assert many.typed == "12"
    assert many.lines[8] == "... and 4 more"
    assert toggle_question([run])[0] == "suspend"
    assert toggle_question([task(state="suspended", held=True)])[0] == "resume"


def test_levels_end_somewhere() -> None:
    assert level_beside("NORMAL", 1) == "ABOVE_NORMAL"
    assert level_beside("LOW", -1) is None
    assert level_beside("EXTREME_HIGH", 1) is None
    assert level_beside("AUTO", 1) == "ABOVE_NORMAL"


def test_a_prediction_names_the_victims() -> None:
    victim = {"task_id": 3, "name": "a", "user": "bob", "lost_seconds": 660}
    question = priority_question(
        [LevelChange(task(), "HIGH")], [{"text": "starts now", "suspends": [victim]}]
    )
    assert question.lines[1:] == (
        "starts now",
        "suspends task 3 a of bob, which loses 11m of work",
    )
    assert losses([]) == []
    unknown = priority_question([LevelChange(task(), "HIGH")], [HaiError("no answer")])
    assert "cannot be said: no answer" in unknown.lines[1]


def test_a_missing_route_is_told_from_a_missing_task() -> None:
    from hai.errors import NotFound

    assert is_missing_route(NotFound("GET /api/v1/tasks/1/why: Not Found"))
    assert is_missing_route(InvalidInput("POST /api/v1/nodes/a/drain: Method Not Allowed"))
    assert not is_missing_route(NotFound("there is no task '1'"))


# pages


def test_secrets_are_hidden_by_their_names() -> None:
    document = {"env": {"API_KEY": "a", "LR": "1", "list": [{"password": "p"}]}, "token": ""}
    assert without_secrets(document) == {
        "env": {"API_KEY": "(hidden)", "LR": "1", "list": [{"password": "(hidden)"}]},
        "token": "",
    }


def test_documents_keep_their_shape() -> None:
    page = document_page("a: 1\nb:\n  - c d\n", 20)
    assert plain(page) == "a: 1\nb:\n  - c d\n"
    assert page[0][0] == ("a:", "key")
