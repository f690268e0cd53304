"""The bus inside one process: what a single server needs, with nothing to install."""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from hai.ports import Clock, Message

QUEUE_MESSAGES = 1000  # kept for one slow reader; older ones are dropped
_SWEEP_WRITES = 1000  # at least, from one removal of expired live values to the next


class Inbox:
    """What one subscriber has not read yet; bounded, the oldest goes first. Iterating waits for the
    next message and ends when the inbox is closed and read empty."""

    def __init__(self, size: int = QUEUE_MESSAGES) -> None:
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._size = size

    def put(self, message: Message) -> None:
        while self._queue.qsize() >= self._size:
            self._queue.get_nowait()
        self._queue.put_nowait(message)

    def close(self) -> None:
        self._queue.put_nowait(None)

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        message = await self._queue.get()
        if message is None:
            self._queue.put_nowait(None)  # it stays closed
            raise StopAsyncIteration
        return message


class LocalBus:
    """hai.ports.Bus by asyncio queues and a dictionary."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._inboxes: defaultdict[str, set[Inbox]] = defaultdict(set)
        self._live: dict[str, tuple[float, Mapping[str, object]]] = {}
        self._until_sweep = _SWEEP_WRITES

    async def open(self) -> None: ...

    @property
    def connected_since(self) -> float | None:
        return -math.inf  # there are no others

    async def close(self) -> None:
        """Ends every subscription and forgets the live values."""
        for inbox in {inbox for inboxes in self._inboxes.values() for inbox in inboxes}:
            inbox.close()
        self._inboxes.clear()
        self._live.clear()

    async def publish(self, topic: str, data: Mapping[str, object] | None = None) -> None:
        inboxes = self._inboxes.get(topic)
        if inboxes:
            message = Message(topic, dict(data or {}))
            for inbox in inboxes:
                inbox.put(message)

    hint = publish

    @asynccontextmanager
    async def subscribe(self, *topics: str) -> AsyncIterator[AsyncIterator[Message]]:
        inbox = Inbox()
        for topic in topics:
            self._inboxes[topic].add(inbox)
        try:
            yield inbox
        finally:
            for topic in topics:
                inboxes = self._inboxes.get(topic, set())
                inboxes.discard(inbox)
                if not inboxes:
                    self._inboxes.pop(topic, None)

    async def put_live(self, key: str, value: Mapping[str, object], ttl_seconds: float) -> None:
        now = self._clock.steady()
        self._live[key] = (now + ttl_seconds, dict(value))
        self._until_sweep -= 1
        if self._until_sweep <= 0:
            self._live = {key: kept for key, kept in self._live.items() if kept[0] > now}
            self._until_sweep = max(_SWEEP_WRITES, len(self._live))

    async def get_live(self, keys: Sequence[str]) -> dict[str, Mapping[str, object]]:
        now = self._clock.steady()
        found = ((key, self._live.get(key)) for key in keys)
        return {key: kept[1] for key, kept in found if kept is not None and kept[0] > now}
