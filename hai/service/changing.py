"""The one place that changes a task as it is now, and again if somebody else was quicker."""

from collections.abc import Awaitable, Callable

from hai.core.task import Task, TaskChange
from hai.errors import Conflict
from hai.ports import Bus, Tasks
from hai.service.signals import announce

TRIES = 8

Verb = Callable[[Task], TaskChange | None]


async def change_task(
    store: Tasks,
    bus: Bus,
    read: Callable[[], Awaitable[Task]],
    verb: Verb,
    *,
    tries: int = TRIES,
) -> Task:
    """The task as `verb` makes it; as it is if that is nothing. `read` is asked before each try.
    Conflict when others change it too fast."""
    for _ in range(tries):
        task = await read()
        change = verb(task)
        if change is None:
            return task
        saved = await store.save([change])
        if saved:
            await announce(bus, saved)
            return saved[0]
    raise Conflict(f"task {task.id} changes too fast", hint="nothing was changed; try again")
