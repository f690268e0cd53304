"""Moments as the platform tells them, in UTC."""

from datetime import UTC, datetime
from typing import Literal

Precision = Literal["auto", "seconds", "milliseconds", "microseconds"]


def rfc3339(at: float, precision: Precision = "microseconds") -> str:
    """Unix seconds as RFC 3339 with a Z; what is finer than the precision is cut off."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec=precision)
    return text.replace("+00:00", "Z")


def time_of_day(at: float) -> str:
    """For people: 2026-01-31 14:05:09 UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
