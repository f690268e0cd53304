"""Tasks and their attempts, as a store keeps them; part of hai.ports.Store."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hai.core.past_runs import PastRuns
from hai.core.plan import Claim
from hai.core.task import Attempt, Task, TaskChange, TaskDraft
from hai.core.types import GroupName, TaskId, TaskState, UserName
from hai.errors import HaiError


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """Filters of a task listing; newest first; `page` counts from 1. Empty sets mean: any.

    `indices` are those of an array's members. With `before` the page is that of the tasks with
    smaller ids, and nothing is counted: who reads all pages so gets each task once, whatever is
    submitted meanwhile.
    """

    user: UserName | None = None
    states: frozenset[TaskState] = frozenset()
    group: str | None = None
    name_contains: str = ""
    task_type: str | None = None
    array: TaskId | None = None
    indices: frozenset[int] = frozenset()
    before: TaskId | None = None
    page: int = 1
    page_size: int = 12


@dataclass(frozen=True, slots=True)
class TaskPage:
    """`total` is the number of all that match; None when nothing was counted."""

    tasks: tuple[Task, ...]
    total: int | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a user's ended attempts in a group have used: node-seconds, each moment of them halved
    for every half-life since. `last_start` is that of the latest attempt that was no backfill."""

    user: UserName
    group: GroupName
    node_seconds: float
    last_start: float | None = None


class Tasks(Protocol):
    """Every change is guarded by the version that was read; see `save`."""

    async def add_tasks(self, drafts: Sequence[TaskDraft], now: float) -> list[Task | HaiError]:
        """One result per draft, in order: the new task; the task of the same (user, request_id);
        or NameInUse when the user has an unfinished task of that name. Drafts with the same
        `array` are added all or none, and know the first one's id as `array_id`. Appends
        "task.submitted" (actor = user, data = {"name", "nodes", "group", "priority"}) for each
        new one."""

    async def task(self, task_id: TaskId) -> Task | None:
        """With its latest attempt and workers, as every method that returns tasks."""

    async def task_named(self, user: UserName, name: str) -> Task | None:
        """The user's newest task of that name."""

    async def tasks(self, ids: Collection[TaskId]) -> list[Task]: ...

    async def active_tasks(self) -> list[Task]:
        """All that hold nodes, by id."""

    async def claims(self, ids: Collection[TaskId] | None = None) -> list[Claim]:
        """All unfinished tasks, or those of them with these ids, as the planner sees them, by id.
        An active one tells of its attempt, a waiting one of the attempt before."""

    async def usage(self, now: float, half_life_seconds: float) -> list[Usage]:
        """By user and group, in that order; attempts that ended more than 20 half-lives ago do not
        count. An attempt holds its nodes from its creation to its end."""

    async def durations(self, group: GroupName, since: float) -> list[PastRuns]:
        """Running times of the group's tasks that succeeded since then, the latest of them if
        there are many: of everybody first, then by user and name. Empty without any."""

    async def released(self) -> list[Task]:
        """Waiting tasks with a dependency that has ended, by id; some of them if there are many."""

    async def list_tasks(self, query: TaskQuery) -> TaskPage: ...

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        """All attempts with workers, oldest first."""

    async def save(self, changes: Sequence[TaskChange]) -> list[Task]:
        """Write each change whose version is current: task row, its `attempt` with workers
        (upsert by number and rank), its events. Returns the saved tasks with their new version;
        a change that is missing from the result was stale and left no trace."""

    async def count_tasks(self) -> Mapping[TaskState, int]: ...
