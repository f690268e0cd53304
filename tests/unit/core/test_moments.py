"""RFC 3339 as the API and the commands write and read it."""

from datetime import UTC, datetime

import pytest

from hai.core.moments import (
    Precision,
    file_time,
    log_time,
    require_year,
    rfc3339,
    time_of_day,
    unix_seconds,
)


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


def test_other_forms_are_in_utc_too() -> None:
    assert log_time(1_700_000_000.25) == "2023-11-14 22:13:20.250000"
    assert file_time(1_700_000_000.75) == "20231114-221320"


@pytest.mark.parametrize("at", [0.0, 1_700_000_000.0, 1_700_000_000.987654, -62135596800.0])
def test_what_is_written_is_read(at: float) -> None:
    assert unix_seconds(rfc3339(at)) == at
    assert unix_seconds(rfc3339(at, "auto")) == at


def test_who_reads_says_what_a_moment_without_a_zone_means() -> None:
    assert unix_seconds("2023-11-14 22:13:20") == 1_700_000_000.0
    assert unix_seconds("2023-11-14T22:13:20", zoneless=lambda moment: moment.hour) == 22
    assert unix_seconds("2023-11-15T03:13:20+05:00", zoneless=lambda _: 0) == 1_700_000_000.0


@pytest.mark.parametrize("text", ["", "now", "2023-13-01", "22:13:20"])
def test_what_is_no_moment_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month"):
        unix_seconds(text)


def test_the_calendar_ends() -> None:
    for year in (1, 9999):
        at = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
        assert unix_seconds(rfc3339(require_year(at))) == at
    for beyond in ("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"):
        with pytest.raises(OverflowError):
            require_year(unix_seconds(beyond))
