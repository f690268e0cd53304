"""A numbered copy of what dashboards show: each row remembers in which version it last changed.

Values only; hai/service/dashboard.py keeps it up to date. A reader that knows version N gets the
rows that changed after it, and the ids that went.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hai.core.task import Event, Task
from hai.core.types import Priority, TaskId, WaitCode
from hai.schema.dashboard import TaskRow
from hai.schema.views import TaskView
from hai.service.views import rfc3339

IN_LINE = frozenset({WaitCode.BEHIND.value, WaitCode.NOT_PLANNED.value})
FINISHED_KEPT = 100  # tasks that are over and still shown
GONE_KEPT = 20_000
EVENTS_KEPT = 500
ESTIMATES_AT_MOST = 200  # places of a line that are told when they may start
_ADDITIONS = ("level", "safe_until", "backfill")


@dataclass(slots=True)
class Kept:
    """A task without its document, its row, and the version in which the row last changed."""

    task: Task
    row: TaskRow
    position: int | None
    version: int


@dataclass(slots=True)
class DashboardCache:
    """`floor`: readers of an older version must begin anew."""

    version: int = 1
    floor: int = 0
    tasks: dict[TaskId, Kept] = field(default_factory=dict)
    gone: OrderedDict[TaskId, int] = field(default_factory=OrderedDict)
    finished: deque[TaskId] = field(default_factory=deque)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    order: dict[str, list[int]] = field(default_factory=dict)
    order_version: int = 0
    _unsorted: bool = True

    def put(self, task: Task, view: TaskView) -> None:
        """Take over a task as it is now."""
        row, position = row_of(task, view)
        known = self.tasks.get(task.id)
        if known is None or known.position != position or known.row != row:
            self._unsorted = True
        if known is None:
            known = self.tasks[task.id] = Kept(task, row, position, self.version)
            self.gone.pop(task.id, None)
        elif known.row != row:
            known.row, known.version = row, self.version
        was_final = known.task.state.is_final and task.id in self.finished
        known.task, known.position = replace(task, spec={}), position
        if task.state.is_final and not was_final:
            self._finish(task.id)

    def _finish(self, task_id: TaskId) -> None:
        self.finished.append(task_id)
        while len(self.finished) > FINISHED_KEPT:
            self.drop(self.finished.popleft())

    def drop(self, task_id: TaskId) -> None:
        if self.tasks.pop(task_id, None) is not None:
            self._unsorted = True
            self.gone[task_id] = self.version
        while len(self.gone) > GONE_KEPT:
            _, self.floor = self.gone.popitem(last=False)

    def arrange(self) -> None:
        """Make the order of service anew; a new version of it only if it differs."""
        if not self._unsorted:
            return
        self._unsorted = False
        order: dict[str, list[int]] = {}
        waiting = [k for k in self.tasks.values() if k.task.state.is_waiting and not k.task.held]
        for kept in sorted(waiting, key=_place):
            order.setdefault(kept.row["group"], []).append(kept.row["id"])
        if order != self.order:
            self.order, self.order_version = order, self.version

    def changed(self, after: int) -> list[TaskRow]:
        """Rows that changed after version `after`: active ones first, then the line."""
        rows = [kept for kept in self.tasks.values() if kept.version > after]
        rows.sort(key=lambda kept: (not kept.task.state.is_active, kept.task.state.is_final))
        return [kept.row for kept in rows]

    def gone_after(self, after: int) -> list[int]:
        return [int(task_id) for task_id, version in self.gone.items() if version > after]

    def knows(self, after: int) -> bool:
        return self.floor <= after <= self.version


def row_of(task: Task, view: TaskView) -> tuple[TaskRow, int | None]:
    """The row, and the place in the line that the scheduler gave it."""
    fields: Mapping[str, Any] = view
    reason = view["reason"]
    position = fields.get("position")
    row: TaskRow = {
        "id": view["id"],
        "name": view["name"],
        "user": view["user"],
        "group": view["group"],
        "nodes": view["nodes"],
        "priority": view["priority"],
        "state": view["state"],
        "held": view["held"],
        "attempts": view["attempts"],
        "suspend_count": view["suspend_count"],
        "exit_code": view["exit_code"],
        "why": _why(view),
        "code": reason["code"] if reason else "",
        "on": view["assigned_nodes"],
        "submitted_at": view["submitted_at"],
        "since": _since(task, view),
        "ended_at": view["ended_at"],
    }
    additions: dict[str, Any] = {key: fields[key] for key in _ADDITIONS if key in fields}
    if "estimate" in fields:
        near = isinstance(position, int) and position <= ESTIMATES_AT_MOST
        additions["estimate"] = fields["estimate"] if near else None
    if fields.get("asks"):
        additions["asks"] = fields["asks"]
    row.update(additions)  # type: ignore[typeddict-item]
    return row, position if isinstance(position, int) else None


def _why(view: TaskView) -> str:
    reason = view["reason"]
    if reason is None:
        return view["why"]
    return "" if reason["code"] in IN_LINE else reason["text"]


def _since(task: Task, view: TaskView) -> str | None:
    if task.attempt is None or not task.state.is_active:
        return None
    return rfc3339(task.attempt.started_at or task.attempt.created_at)


def _place(kept: Kept) -> tuple[bool, int, int, float, int]:
    """The scheduler's own place where it says one; else priority, then age."""
    task = kept.task
    level = Priority.NORMAL if task.priority is Priority.AUTO else task.priority
    position = kept.position
    return (position is None, position or 0, -level, task.submitted_at, task.id)


def ids_of(events: Iterable[Event]) -> set[TaskId]:
    """The tasks that these lines are about."""
    return {event.draft.task_id for event in events if event.draft.task_id is not None}
