"""Which waiting claims stand in their line, and what keeps the others out of it.

Held tasks, tasks that wait for others, tasks that failed and are tried again later, and members of
an array beyond its limit stand in no line: the planner does not meet them.
"""

from collections.abc import Callable

from hai.core.group import GroupState
from hai.core.plan import Claim
from hai.core.queue.arrays import ArrayLimits, is_limited
from hai.core.types import GroupName, IneligibleCode, TaskId, WaitCode


class Eligibility:
    """`ineligible`: what keeps a waiting claim out of its line."""

    def __init__(
        self,
        group: Callable[[GroupName], GroupState],
        remind: Callable[[float, Claim], None],
    ) -> None:
        self.ineligible: dict[TaskId, IneligibleCode] = {}
        self.spot: dict[TaskId, Claim] = {}  # ineligible, for nodes that nobody else waits for
        self._group = group
        self._remind = remind
        self._arrays = ArrayLimits()

    def join(self, claim: Claim, now: float) -> None:
        """A claim waits from now on."""
        cause = _cause(claim, now)
        if cause is not None:
            self.ineligible[claim.task_id] = cause
            if cause is WaitCode.BACKOFF and claim.not_before is not None:
                self._remind(claim.not_before, claim)
        elif claim.spot:
            self.ineligible[claim.task_id] = WaitCode.SPOT
            self.spot[claim.task_id] = claim
        elif is_limited(claim):
            self.ineligible[claim.task_id] = WaitCode.ARRAY_LIMIT
            self._arrays.join(claim)
            self._sort(claim)
        else:
            self._stand(claim)

    def leave(self, claim: Claim) -> None:
        """It does not wait any more, or is about to wait as something else."""
        cause = self.ineligible.pop(claim.task_id, None)
        self.spot.pop(claim.task_id, None)
        queue = self._group(claim.group).queue
        if claim.task_id in queue:
            queue.remove(claim)
        if is_limited(claim) and cause in (None, WaitCode.ARRAY_LIMIT):
            self._arrays.leave(claim)
            self._sort(claim)

    def activate(self, claim: Claim) -> None:
        """It holds nodes from now on."""
        if is_limited(claim):
            self._arrays.activate(claim)
            self._sort(claim)

    def deactivate(self, claim: Claim) -> None:
        if is_limited(claim):
            self._arrays.deactivate(claim)
            self._sort(claim)

    def renew(self, claim: Claim, now: float) -> None:
        """Time has passed: its backoff may be over."""
        if self.ineligible.get(claim.task_id) is WaitCode.BACKOFF and _cause(claim, now) is None:
            self.leave(claim)
            self.join(claim, now)
            self._group(claim.group).queue.refresh(claim.user)

    def _stand(self, claim: Claim) -> None:
        self._group(claim.group).queue.add(claim)

    def _sort(self, claim: Claim) -> None:
        go, wait = self._arrays.sort(claim)
        for member in wait:
            self._group(member.group).queue.remove(member)
            self.ineligible[member.task_id] = WaitCode.ARRAY_LIMIT
        for member in go:
            self.ineligible.pop(member.task_id, None)
            self._stand(member)
        for member in (*go, *wait):
            self._group(member.group).queue.refresh(member.user)


def _cause(claim: Claim, now: float) -> IneligibleCode | None:
    if claim.held:
        return WaitCode.HELD
    if claim.waits_for:
        return WaitCode.DEPENDENCY
    if claim.not_before is not None and claim.not_before > now:
        return WaitCode.BACKOFF
    return None
