"""What the last tick said about every waiting task; kept in memory and made anew by each tick."""

from collections.abc import Mapping

from hai.core.plan import Reason
from hai.core.types import TaskId, WaitCode


class Board:
    """Reasons by task, written by the schedule loop and read by the views."""

    def __init__(self) -> None:
        self._reasons: Mapping[TaskId, Reason] = {}
        self.tick_seconds: float = 0.0
        self.ticks: int = 0
        self.planned_at: float | None = None
        self.paused = False  # no further starts until the server starts anew

    def post(self, reasons: Mapping[TaskId, Reason], *, now: float, seconds: float) -> None:
        """Take over the reasons of a finished tick that took `seconds`."""
        self._reasons = reasons
        self.planned_at = now
        self.tick_seconds = seconds
        self.ticks += 1

    def reason(self, task_id: TaskId, *, held: bool) -> Reason:
        """Why this waiting task waits."""
        if held:
            return Reason(WaitCode.HELD)
        reason = self._reasons.get(task_id)
        if reason is None or reason.code is WaitCode.HELD:  # resumed since the last tick
            return Reason(WaitCode.NOT_PLANNED)
        return reason
