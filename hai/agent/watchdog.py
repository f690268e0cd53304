"""Decides when silence has lasted too long. Any output counts as a sign of life."""

from __future__ import annotations


class Watchdog:
    """Times are monotonic seconds, handed in; a limit of 0 or less never expires."""

    def __init__(self, limit_seconds: float, now: float) -> None:
        self.limit_seconds = limit_seconds
        self._last_sign = now

    def reset(self, now: float) -> None:
        self._last_sign = now

    def is_expired(self, now: float) -> bool:
        return 0 < self.limit_seconds <= now - self._last_sign
