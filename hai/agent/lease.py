"""Until when the program may run without a word of the server.

The server counts a worker as lost some time after the last call that reached it. A lease counts
from when a call was sent, which is earlier, and is shorter: it is over before anybody may start the
next attempt.
"""

from __future__ import annotations

import time

CONFIRM_SECONDS = 2.0  # between the two calls that end a pause, of a lease that is not short
_PRESSING = 0.6  # of the lease: then the next call waits for nothing


def clock() -> float:
    """Seconds that also run while the machine sleeps."""
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError):
        return time.monotonic()


class Lease:
    """Times are seconds of `clock`, handed in; a lease of 0 seconds never ends. Not thread-safe."""

    def __init__(self, seconds: float, now: float) -> None:
        self.seconds = seconds
        self.confirm_seconds = min(CONFIRM_SECONDS, seconds / 4)
        self._until = now + seconds
        self._back_at: float | None = None  # the first answer after the lease was over

    def is_valid(self, now: float) -> bool:
        return self.seconds <= 0 or now < self._until

    def is_pressing(self, now: float) -> bool:
        """The server should be asked at once."""
        return self.seconds > 0 and now > self._until - (1 - _PRESSING) * self.seconds

    def answered(self, sent_at: float, now: float) -> None:
        """The server says that this attempt is the current one, in answer to a call of then.

        A call that was sent too late may have crossed the decision that the worker is lost. So one
        answer does not end a pause: a second call, sent a moment later and not much later, does.
        """
        if self.is_valid(sent_at):
            self._renew(sent_at)
            return
        back_at, self._back_at = self._back_at, now
        if back_at is None or sent_at - back_at >= self.seconds:
            return
        if sent_at - back_at >= self.confirm_seconds:
            self._renew(sent_at)
        else:
            self._back_at = back_at

    def hold(self, sent_at: float) -> None:
        """Nobody could have decided anything then: a pause goes on, and none begins."""
        if self.is_valid(sent_at):
            self._renew(sent_at)

    def _renew(self, sent_at: float) -> None:
        self._until = max(self._until, sent_at + self.seconds)
        self._back_at = None
