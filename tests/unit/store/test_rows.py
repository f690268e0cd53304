"""Values on their way into and out of the database."""

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.store.rows import json_of, seconds_of, storable_json_of, timestamp


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000))
def test_times_make_the_round_trip_to_the_microsecond(microseconds: int) -> None:
    seconds = microseconds / 1e6
    text = timestamp(seconds)
    assert text is not None
    assert seconds_of(datetime.fromisoformat(text)) == seconds


def test_no_time_stays_none() -> None:
    assert timestamp(None) is None
    assert seconds_of(None) is None


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        pytest.param({"a": [1, 2.5, "ü", None, True]}, {"a": [1, 2.5, "ü", None, True]}, id="fine"),
        pytest.param({"a\0": "b\0c"}, {"a\ufffd": "b\ufffdc"}, id="nul"),
        pytest.param(["x\ud800y", "\U0001f600"], ["x\ufffdy", "\U0001f600"], id="surrogate"),
        pytest.param({"a": (float("nan"), 1.0)}, {"a": [None, 1.0]}, id="nan"),
        pytest.param(r"\u0000 \ud800", r"\u0000 \ud800", id="only looks like it"),
    ],
)
def test_what_programs_report_becomes_storable(value: object, stored: object) -> None:
    assert json.loads(storable_json_of(value)) == stored


def test_what_users_submit_is_not_bent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_of({"x": float("inf")})
