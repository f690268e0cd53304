"""Durations and time limits as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.core.duration import duration_text, parse_seconds, time_limit


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (90, 90.0),
        (1.5, 1.5),
        ("90", 90.0),
        ("1.5s", 1.5),
        ("10m", 600.0),
        (" 1h30m ", 5400.0),
        ("2d", 172800.0),
        (0, 0.0),
    ],
)
def test_what_is_a_duration(value: object, seconds: float) -> None:
    assert parse_seconds(value) == seconds


@pytest.mark.parametrize(
    "value", [True, None, "", "h", "10 m", "-5", -1, "1x", [1], float("nan"), float("inf"), 10**400]
)
def test_what_is_none(value: object) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_seconds(value)


@given(st.integers(0, 10**9))
def test_the_text_of_whole_seconds_can_be_read_again(seconds: int) -> None:
    assert parse_seconds(duration_text(seconds)) == seconds


@given(st.text())
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    complaint, seconds = "is no duration", 0.0
    try:
        seconds = parse_seconds(text)
    except ValueError as error:
        complaint = str(error)
    assert seconds >= 0
    assert "is no duration" in complaint


def test_both_names_of_a_time_limit() -> None:
    assert time_limit({}) is None
    assert time_limit({"time_limit": None, "timeout": None}) is None
    assert time_limit({"time_limit": "2h"}) == 7200
    assert time_limit({"timeout": 60}) == 60


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"time_limit": 0}, "more than 0"),
        ({"timeout": "soon"}, "options.timeout: 'soon' is no duration"),
        ({"timeout": 5, "time_limit": 5}, "leave one out"),
    ],
)
def test_what_is_no_time_limit(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        time_limit(options)
