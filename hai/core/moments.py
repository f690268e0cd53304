"""Moments as the platform tells and reads them: the one place, but for the agent, which imports
nothing of ours. Times of day in a reader's own zone are made where they are shown."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

Precision = Literal["auto", "seconds", "milliseconds", "microseconds"]


def rfc3339(at: float, precision: Precision = "microseconds") -> str:
    """Unix seconds as RFC 3339 with a Z; what is finer than the precision is cut off. "auto": with
    microseconds unless there are none."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec=precision)
    return text.replace("+00:00", "Z")


def time_of_day(at: float) -> str:
    """For people: 2026-01-31 14:05:09 UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def log_time(at: float) -> str:
    """As it stands before each line of a log: 2026-01-31 14:05:09.000000, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def file_time(at: float) -> str:
    """To stand in the name of a file: 20260131-140509, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%d-%H%M%S")


def in_utc(moment: datetime) -> float:
    """Unix seconds of a moment that names no zone and means UTC."""
    return moment.replace(tzinfo=UTC).timestamp()


def unix_seconds(text: str, *, zoneless: Callable[[datetime], float] = in_utc) -> float:
    """Unix seconds of RFC 3339, or of ISO 8601 as people write it; ValueError for anything else.

    `zoneless` says what a moment without a zone means, or refuses it. See `require_year` for
    moments at the ends of the calendar.
    """
    moment = datetime.fromisoformat(text)
    return zoneless(moment) if moment.tzinfo is None else moment.timestamp()


def require_year(at: float) -> float:
    """`at` again; OverflowError for Unix seconds that `rfc3339` cannot tell: outside of the years
    1 to 9999 in UTC."""
    if not _FIRST <= at < _LAST:
        raise OverflowError("years are 1 to 9999")
    return at


_FIRST = datetime.min.replace(tzinfo=UTC).timestamp()
_LAST = datetime.max.replace(tzinfo=UTC).timestamp()
