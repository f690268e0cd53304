"""The agent itself was told to end, by SIGTERM, and not by its server.

On a machine somebody took it away: there is no time. A cluster that drains a node says so to every
container, and waits: that is a notice, the server hears of it too and suspends the task, and
meanwhile the program may save.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

REPORT_SECONDS = 2.0  # of the time that the cluster gives: for the end of the log and the report


class Eviction:
    """`leave_seconds` is what the cluster gives between SIGTERM and SIGKILL; 0: there is none."""

    def __init__(self, leave_seconds: float, say: Callable[[str], None]) -> None:
        self._leave_seconds = leave_seconds
        self._say = say
        self._began_at: float | None = None

    def is_over(self, now: float, term_seconds: float) -> bool:
        """Whether no more time is left than a SIGTERM to the program takes. Ask only once the agent
        was told; the first question starts the clock."""
        if not self._leave_seconds:
            return True
        if self._began_at is None:
            self._began_at = now
            self._say("the cluster asks this container to leave")
        left = self._began_at + self._leave_seconds - now
        return left <= term_seconds + REPORT_SECONDS
