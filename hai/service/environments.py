"""The environments of haienv that a user's tasks recorded: all that the server knows of them, since
they lie on the users' file system and have no index but that."""

from hai.core.recorded import recorded_name
from hai.core.types import UserName
from hai.ports import TaskQuery, Tasks
from hai.schema.views import EnvironmentView

TASKS_LOOKED_AT = 500  # the newest of a user
MOST = 100  # environments


async def recorded_environments(store: Tasks, user: UserName) -> list[EnvironmentView]:
    """Each once, the one that was used last first."""
    query = TaskQuery(user=user, page_size=TASKS_LOOKED_AT)
    found: dict[str, EnvironmentView] = {}
    for task in (await store.list_tasks(query)).tasks:
        options = task.options
        label = recorded_name(options)
        if not label or label in found:
            continue
        found[label] = {
            "label": label,
            "task_id": task.id,
            "options": {key: options.get(key) for key in ("py_venv", "environment")},
        }
        if len(found) == MOST:
            break
    return list(found.values())
