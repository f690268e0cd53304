"""Tasks that waited for others: let go, or ended, as soon as those have ended."""

from hai.core.lifecycle.dependency import release
from hai.ports import Bus, Clock, Tasks
from hai.service.signals import announce

_ROUNDS = 100  # a chain of failures that is longer goes on with the next run


async def release_waiting(store: Tasks, bus: Bus, clock: Clock) -> None:
    """Draw the conclusions of every dependency that has ended; the end of one task may decide about
    the next."""
    for _ in range(_ROUNDS):
        waiting = await store.released()
        if not waiting:
            return
        wanted = {other for task in waiting for other in task.waits_for}
        others = {task.id: task for task in await store.tasks(wanted)}
        now = clock.now()
        changes = [change for task in waiting if (change := release(task, others, now))]
        saved = await store.save(changes)
        await announce(bus, saved)
        if not saved:  # all of them were changed meanwhile
            return
