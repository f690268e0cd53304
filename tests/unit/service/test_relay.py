"""What the bus does not bring, the event log tells."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import suppress

from hai.bus.local import LocalBus
from hai.core.task import Task
from hai.ports import Message
from hai.service.relay import ALONE_SECONDS, CONNECTED_SECONDS, Relay
from hai.service.signals import SCHEDULE, task_topic
from hai.store.memory import MemoryStore
from tests import factories as make
from tests.clocks import VirtualClock


class OneOfMany(LocalBus):
    """The bus of a process that may or may not hear the others."""

    since: float | None = None

    @property
    def connected_since(self) -> float | None:
        return self.since


async def heard(messages: AsyncIterator[Message]) -> list[str]:
    found = []
    with suppress(TimeoutError):
        while True:
            found.append((await asyncio.wait_for(anext(messages), 0.01)).topic)
    return found


async def test_hints_come_from_the_ledger_while_the_bus_is_down_and_once_afterwards() -> None:
    store, bus = MemoryStore(), OneOfMany(VirtualClock())
    (task,) = await store.add_tasks([make.task_draft()], make.NOW)
    assert isinstance(task, Task)
    relay = Relay(store, bus)
    async with bus.subscribe(task_topic(task.id), SCHEDULE) as messages:
        assert await relay.run_once() == CONNECTED_SECONDS  # what was before is nobody's news
        for since, seconds in ((None, ALONE_SECONDS), (5.0, CONNECTED_SECONDS)):
            bus.since = since
            await store.append([make.event(task_id=task.id)])
            assert await relay.run_once() == seconds
            assert await heard(messages) == [task_topic(task.id), SCHEDULE]
        await store.append([make.event(task_id=task.id)])
        assert await relay.run_once() == CONNECTED_SECONDS
        assert await heard(messages) == [], "the bus has brought it"
        bus.since = 6.0  # it was away between two runs
        await store.append([make.event(task_id=task.id)])
        await relay.run_once()
        assert await heard(messages) == [task_topic(task.id), SCHEDULE]


def test_a_bus_of_one_process_misses_nothing() -> None:
    assert LocalBus(VirtualClock()).connected_since == -math.inf
