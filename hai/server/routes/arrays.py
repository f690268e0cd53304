"""/arrays: what is done to all members of an array at once."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path

from hai.core.types import TaskId
from hai.schema.views import SCHEMA_VERSION, ArrayChanged
from hai.server.deps import Caller, Served
from hai.server.routes.tasks import Why

router = APIRouter(prefix="/arrays", tags=["tasks"])


@router.post("/{array_id}/{action}")
async def change(
    array_id: Annotated[int, Path(ge=1, lt=2**63)],
    action: Literal["stop", "suspend", "resume"],
    user: Caller,
    served: Served,
    body: Why | None = None,
) -> ArrayChanged:
    """Stop, suspend or resume every member that has not ended; the members that this changed."""
    why = body.why if body else ""
    changed = await served.tasks.change_array(user, TaskId(array_id), action, why)
    total = len(await served.tasks.array(TaskId(array_id)))
    return {
        "schema_version": SCHEMA_VERSION,
        "tasks": [served.views.task(task) for task in sorted(changed, key=lambda task: task.id)],
        "total": total,
    }
