"""Why a submission is refused, in words that say what to do."""

from hai.core.task import TaskDraft
from hai.core.types import TaskId
from hai.errors import NameInUse


def name_in_use(draft: TaskDraft, holder: TaskId) -> NameInUse:
    """The refusal of a draft whose name an unfinished task of the user has."""
    return NameInUse(
        f"task '{draft.name}' of {draft.user} is still running (id {holder})",
        hint=f"stop it with `hai-cli stop {holder}`, or pick another name with --name",
        details={"task_id": holder},
    )
