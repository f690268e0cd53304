"""What a submission becomes: a task, its first event, or a refusal."""

from collections.abc import Mapping

from hai.core.task import EventDraft, Task, TaskDraft
from hai.core.types import TaskId
from hai.errors import Conflict

HALF_LIVES = 20  # usage older than that is next to nothing
MOST_VISITS = 500  # codes and sessions of one user at the door


def new_task(draft: TaskDraft, task_id: TaskId, now: float, array_id: TaskId | None = None) -> Task:
    """The queued task as stored."""
    return Task(
        id=task_id,
        chain_id=draft.chain_id,
        user=draft.user,
        name=draft.name,
        group=draft.group,
        nodes=draft.nodes,
        priority=draft.priority,
        spec=draft.spec,
        submitted_at=now,
        whole_life_state=draft.whole_life_state,
        time_limit_seconds=draft.time_limit_seconds,
        waits_ok=draft.waits_ok,
        waits_any=draft.waits_any,
        array_id=array_id,
        array_index=draft.array_index,
        array_limit=draft.array_limit,
        asks=draft.asks,
        spot=draft.spot,
    )


_CHANGES = {"group": "group {}", "put": "nodes put: {}", "removed": "nodes removed: {}"}


def nodes_changed(now: float, data: Mapping[str, object]) -> EventDraft:
    """The event that tells readers to look at nodes and groups again."""
    told = ", ".join(_CHANGES[key].format(value) for key, value in data.items())
    return EventDraft(kind="nodes.changed", actor="platform", at=now, why=told, data=data)


def submitted(draft: TaskDraft, now: float, task_id: TaskId | None = None) -> EventDraft:
    """The event of a new task; PostgreSQL fills in the id that it picks."""
    return EventDraft(
        kind="task.submitted",
        actor=draft.user,
        at=now,
        task_id=task_id,
        user=draft.user,
        data={
            "name": draft.name,
            "nodes": draft.nodes,
            "group": draft.group,
            "priority": draft.priority.name,
        },
    )


def array_spoilt(draft: TaskDraft) -> Conflict:
    """The refusal of a member whose array cannot be added whole."""
    return Conflict(
        f"task '{draft.name}' was not submitted: another member of its array is in the way",
        hint="an array is submitted whole or not at all",
    )
