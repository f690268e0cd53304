"""RFC 3339 as the API and the commands write it."""

import pytest

from hai.core.moments import Precision, rfc3339, time_of_day


@pytest.mark.parametrize(
    ("precision", "text"),
    [
        ("microseconds", "2023-11-14T22:13:20.987654Z"),
        ("milliseconds", "2023-11-14T22:13:20.987Z"),
        ("seconds", "2023-11-14T22:13:20Z"),
    ],
)
def test_what_is_finer_is_cut_off(precision: Precision, text: str) -> None:
    assert rfc3339(1_700_000_000.987654, precision) == text


def test_moments_are_told_with_microseconds_in_utc() -> None:
    assert rfc3339(1_700_000_000.0) == "2023-11-14T22:13:20.000000Z"
    assert time_of_day(1_700_000_000.0) == "2023-11-14 22:13:20 UTC"
