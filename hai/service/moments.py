"""Moments as the API tells them."""

from datetime import UTC, datetime


def rfc3339(at: float) -> str:
    """UTC with microseconds and a Z."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def time_of_day(at: float) -> str:
    """For people: 2026-01-31 14:05:09 UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
