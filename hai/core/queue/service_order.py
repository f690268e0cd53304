"""The order in which waiting claims would be served if nodes came free one after the other.

The planner does not need it, it only ever asks for the next one; people want to see it whole.
"""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

from hai.core.group import GroupState
from hai.core.queue.job_classes import OwnKey, line_since_of, task_of
from hai.core.quota import LEVELS
from hai.core.state import SchedulerState
from hai.core.types import GroupName, Priority, TaskId, UserName


def service_order(state: SchedulerState, name: GroupName) -> list[TaskId]:
    """Every claim that stands in the group's line, the next one first. O(claims log users).

    It holds as long as nobody arrives or leaves and every start is served a slice.
    """
    group = state.group(name)
    used: dict[UserName, int] = {}
    return [task_id for level in LEVELS for task_id in _Line(state, group, level, used).order()]


class _Turn(NamedTuple):
    """Whose turn comes first among equals: the smallest."""

    share: float
    line_since: float
    user: UserName


class _Line:
    def __init__(
        self,
        state: SchedulerState,
        group: GroupState,
        level: Priority,
        used: dict[UserName, int],
    ) -> None:
        self._state = state
        self._group = group
        self._level = level
        self._lines = group.queue.lines_at(level)
        self._used = used  # given in this order, at this level and higher ones
        self._served: set[TaskId] = set()

    def order(self) -> Iterator[TaskId]:
        if not self._lines:
            return
        for task_id in sorted(self._state.promised):
            if self._group.queue.is_at(task_id, self._level):
                yield self._serve(task_id)
        since = self._state.now - self._state.policy.patience_seconds
        served = set(self._used)  # whoever has just started something has not waited long
        for user in self._group.queue.overdue(self._level, since):
            key = self._next_of(user)
            if key is not None and user not in served:
                yield self._serve(task_of(key))
        yield from self._in_turn()

    def _in_turn(self) -> Iterator[TaskId]:
        turns = [self._turn(user) for user in self._lines if self._next_of(user) is not None]
        heapq.heapify(turns)
        while turns:
            user = turns[0].user
            key = self._next_of(user)
            if key is None:
                heapq.heappop(turns)
            else:
                yield self._serve(task_of(key))
                heapq.heapreplace(turns, self._turn(user))

    def _turn(self, user: UserName) -> _Turn:
        share = self._group.fair_share.key_after(user, self._used.get(user, 0))
        key = self._next_of(user)
        return _Turn(share, line_since_of(key) if key else 0.0, user)

    def _next_of(self, user: UserName) -> OwnKey | None:
        line = self._lines[user]
        while line and task_of(line[0]) in self._served:
            line.pop(0)
        return line[0] if line else None

    def _serve(self, task_id: TaskId) -> TaskId:
        claim = self._group.queue.claim(task_id)
        seconds = self._state.policy.slice_of(self._level)
        use = self._group.fair_share.use_of(claim.nodes, seconds, self._state.now)
        self._used[claim.user] = self._used.get(claim.user, 0) + use
        self._served.add(task_id)
        return task_id
