"""What is said on the bus, and by whom it is heard. Hints only: every listener also looks anew
now and then."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from hai.core.task import Task
from hai.core.types import TaskId, UserName
from hai.ports import Bus, Message

SCHEDULE = "schedule"  # the queue or the free nodes changed -> schedule loop
RECONCILE = "reconcile"  # an active task changed -> reconcile loop
EVENTS = "events"  # the event log grew -> event streams
CLOCK = "clock"  # stored times were moved -> the time of every process follows
TASKS = "tasks"  # {"ids": [...]} were saved -> launchers whose workers live in this process


def task_topic(task_id: TaskId) -> str:
    """Heard by the agents' long polls and by whoever watches the task."""
    return f"task.{task_id}"


def channel_topic(key: object) -> str:
    """{"id": ...}: a client waits for a channel into this worker -> its agent's long poll."""
    return f"channel.{key}"


def worker_key(key: object) -> str:
    """Key of a worker's live figures."""
    return f"worker.{key}"


def services_key(key: object) -> str:
    """Key of what the services beside a worker's program do."""
    return f"services.{key}"


def ration_key(user: UserName) -> str:
    """Key of what each rank of this user may keep of its log, while there is too much of it."""
    return f"logs.{user}"


async def announce(bus: Bus, tasks: Iterable[Task]) -> None:
    """Say that these tasks were saved."""
    ids: list[object] = []
    for task in tasks:
        ids.append(int(task.id))
        await bus.publish(task_topic(task.id), {"state": task.state.value})
    if ids:
        await bus.publish(TASKS, {"ids": ids})
        for topic in (SCHEDULE, RECONCILE, EVENTS):
            await bus.publish(topic)


async def heard(messages: AsyncIterator[Message], seconds: float) -> bool:
    """Whether a message came within `seconds`. A closed bus stays silent."""
    return await next_message(messages, seconds) is not None


async def next_message(messages: AsyncIterator[Message], seconds: float) -> Message | None:
    """The message that came within `seconds`. A closed bus stays silent."""
    if seconds <= 0:
        return None
    try:
        async with asyncio.timeout(seconds):
            message = await anext(messages, None)
            if message is not None:
                return message
            await asyncio.sleep(seconds)
    except TimeoutError:
        pass
    return None
