"""Why something is refused, in words that say what to do."""

from hai.core.lifecycle.transitions import falls_at_once
from hai.core.task import Task, TaskDraft
from hai.core.types import Priority, TaskId
from hai.errors import Conflict, NameInUse
from hai.wording.phrases import span


def name_in_use(draft: TaskDraft, holder: TaskId) -> NameInUse:
    """The refusal of a draft whose name an unfinished task of the user has."""
    return NameInUse(
        f"task '{draft.name}' of {draft.user} is still running (id {holder})",
        hint=f"stop it with `hai-cli stop {holder}`, or pick another name with --name",
        details={"task_id": holder},
    )


def require_time_left(task: Task, priority: Priority, demote_after: float, now: float) -> None:
    """Conflict if the task would fall from that priority at once."""
    if falls_at_once(task, priority, demote_after, now):
        raise Conflict(
            f"task {task.id} has run for {span(task.ran(now))}: ABOVE_NORMAL is for a task's "
            f"first {span(demote_after)} of running",
            hint="give it another priority; hai-cli whoami shows those that you may use",
        )
