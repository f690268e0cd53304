"""Durations and time limits as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.core.duration import (
    age_of,
    duration_text,
    human_time,
    parse_seconds,
    short_age,
    time_limit,
)


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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (3660, "1h01"), (86_400 * 3, "3d")],
)
def test_ages_of_the_dashboard_are_narrow(seconds: float, text: str) -> None:
    assert age_of(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0s"), (8, "8s"), (119, "119s"), (180, "3m"), (7500, "2h5m"), (7200, "2h"), (4e5, "4d")],
)
def test_ages_in_lists(seconds: float, text: str) -> None:
    assert short_age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (150, "2.5 min"),
        (7200, "2 h"),
        (92100, "26 h"),
        (3e6, "35 d"),
    ],
)
def test_times_of_charts(seconds: float, text: str) -> None:
    assert human_time(seconds) == text


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
