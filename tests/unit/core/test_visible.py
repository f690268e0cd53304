"""Text of other people: nothing of it drives a terminal or a spreadsheet, or passes unseen."""

import pytest

from hai.cli.formats import cell_of
from hai.cli.terminal import printable as cli_printable
from hai.cli.terminal import text_width
from hai.schema.submission import Submission
from hai.tui.text import printable as tui_printable

UNSEEN = ["\u200b", "\u200d", "\u202e", "\u2066", "\ufeff", "\U000e0041", "\u00ad"]


@pytest.mark.parametrize("char", [*UNSEEN, "\x1b", "\x9b", "\x07"])
def test_what_is_not_seen_is_made_visible(char: str) -> None:
    for printable in (cli_printable, tui_printable, cell_of):
        told = printable(f"a{char}b")
        assert char not in told
        assert told.startswith("a\\")


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
    "name", [" ", "\u3000", "\u200b", "a\u200bb", "12_[*]", "12_[0-9]", "all", "me", "a\u202eb"]
)
def test_names_that_mean_or_show_something_else_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Submission.model_validate(
            {"version": 2, "name": name, "spec": {"entrypoint": "a.py"}, "resource": {}}
        )
