"""Text of other people: nothing of it drives a terminal or a spreadsheet, or passes unseen."""

import io

import pytest
import yaml
from rich.cells import cell_len

from hai.console.formats import cell_of, yaml_of
from hai.console.output import Column, ListLayout, Output
from hai.console.terminal import printable as cli_printable
from hai.console.terminal import text_width
from hai.schema.submission import Submission
from hai.tui.text import printable as tui_printable

UNSEEN = [
    *("\u200b", "\u200d", "\u202e", "\u2066", "\ufeff", "\U000e0041", "\u00ad", "\u3164"),
    *("\u034f", "\u115f", "\u1160", "\u17b4", "\u180b", "\uffa0", "\ufff0", "\U0001bca0"),
]


@pytest.mark.parametrize("char", [*UNSEEN, "\x1b", "\x9b", "\x07"])
def test_what_is_not_seen_is_made_visible(char: str) -> None:
    for printable in (cli_printable, tui_printable, cell_of):
        told = printable(f"a{char}b")
        assert char not in told
        assert told.startswith("a\\")
    assert len({printable(f"a{char}b") for printable in (cli_printable, tui_printable)}) == 1


def test_other_languages_stay_as_they_are() -> None:
    for text in ("héllo", "日本語", "Привет", "e\u0301"):
        assert cli_printable(text) == tui_printable(text) == cell_of(text) == text
    assert text_width("e\u0301") == 1
    assert text_width("a\u200bb") == 2


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx=1"])
def test_csv_has_no_live_formulas(text: str) -> None:
    assert cell_of(text) == f"'{text}"


def test_csv_keeps_numbers() -> None:
    assert [cell_of(value) for value in (-1, -0.5, "-", None, "a=b")] == [
        "-1",
        "-0.5",
        "-",
        "",
        "a=b",
    ]


@pytest.mark.parametrize(
    "name",
    [
        *(" ", "\u3000", "\u200b", "a\u200bb", "12_[*]", "12_[0-9]", "all", "me", "a\u202eb"),
        *("\u3164", "\u2800", "\u00a0\u2800", "\u0301", "\ufe0f", "\u115f"),
    ],
)
def test_names_that_mean_or_show_something_else_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Submission.model_validate(
            {"version": 2, "name": name, "spec": {"entrypoint": "a.py"}, "resource": {}}
        )


def test_names_of_all_languages_are_taken() -> None:
    for name in ("héllo", "日本語", "e\u0301", "❤\ufe0f", "⠋", "🙂", "-"):
        document = {"version": 2, "name": name, "spec": {"entrypoint": "a.py"}, "resource": {}}
        assert Submission.model_validate(document).name == name


def test_no_text_moves_the_columns_behind_it() -> None:
    """Every line of a table puts its second column at the same place."""
    hostile = [
        "plain",
        "a\tb",
        "a\nb",
        "e\u0301",
        "❤\ufe0f",
        "👍\U0001f3fd",
        "日本",
        "\u1112\u1161\u11ab",
    ]
    hostile += [f"a{char}b" for char in UNSEEN]
    told = io.StringIO()
    layout = ListLayout((Column("name", "NAME"), Column("end", "END")), "name", ("name", "end"))
    output = Output(stream=told, headers=False)
    output.rows([{"name": text, "end": "|"} for text in hostile], layout)
    lines = told.getvalue().splitlines()
    assert len(lines) == len(hostile)
    assert len({cell_len(line) for line in lines}) == 1, lines


@pytest.mark.parametrize("char", UNSEEN)
def test_yaml_shows_what_is_not_seen_and_means_the_same(char: str) -> None:
    text = yaml_of({"why": f"a{char}b"})
    assert char not in text
    assert yaml.safe_load(text) == {"why": f"a{char}b"}
    assert "日本" in yaml_of({"why": "日本"})
