"""The present state of tasks that somebody watches: each is read once for all who do.

Hints say which tasks have changed. Beside, the versions of all are looked at now and then: a hint
may be lost.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from hai.core.task import Task
from hai.core.types import TaskId
from hai.errors import NotFound, Unavailable
from hai.ports import Bus, Message, Tasks, Watch
from hai.service.naps import nap
from hai.service.signals import TASKS

log = structlog.get_logger("hai.watch")

_LOOK_SECONDS = 1.0  # between two looks at all versions
PULSE_SECONDS = 5.0  # between two times that everybody is woken: they may have something to say
_AT_ONCE = 200  # tasks that are read in one query: their documents may be large


@dataclass(slots=True)
class Watched:
    """A task as it was last read. `present` raises NotFound when it is gone."""

    task: Task
    is_gone: bool = False
    readers: set[asyncio.Event] = field(default_factory=set)

    def present(self) -> Task:
        if self.is_gone:
            raise NotFound(f"task {self.task.id} is gone")
        return self.task

    def wake(self) -> None:
        for reader in self.readers:
            reader.set()


class WatchStore(Tasks, Watch, Protocol):
    """What is needed of the store here."""


class TaskWatch:
    """All tasks that are watched in this process, and the one job that keeps them up to date."""

    def __init__(self, store: WatchStore, bus: Bus, closing: asyncio.Event) -> None:
        self._store = store
        self._bus = bus
        self._closing = closing
        self._watched: dict[TaskId, Watched] = {}
        self._job: asyncio.Task[None] | None = None
        self._is_listening = asyncio.Event()

    @asynccontextmanager
    async def watching(self, task: Task, reader: asyncio.Event) -> AsyncIterator[Watched]:
        """The task, read anew; `reader` is set whenever it has changed, when the server closes, and
        every PULSE_SECONDS."""
        watched = self._watched.setdefault(task.id, Watched(task))
        watched.readers.add(reader)
        if self._job is None or self._job.done():
            self._is_listening.clear()
            self._job = asyncio.create_task(self._run(), name="task-watch")
        try:
            await self._is_listening.wait()
            await self._renew([task.id])  # what changed before anybody listened
            yield watched
        finally:
            watched.readers.discard(reader)
            if not watched.readers and self._watched.get(task.id) is watched:
                del self._watched[task.id]

    async def _run(self) -> None:
        """Ends when nobody watches, or when the server closes."""
        try:
            while self._watched and not self._closing.is_set():  # somebody may come as it ends
                try:
                    async with self._bus.subscribe(TASKS) as messages:
                        self._is_listening.set()
                        await self._keep_up(messages)
                except Exception:  # the boundary: those who watch have no other way to hear
                    log.exception("watch_failed")
                    self._is_listening.set()
                    await nap(self._closing, _LOOK_SECONDS)
        finally:
            self._is_listening.set()
            self._wake_all()

    def _wake_all(self) -> None:
        for watched in self._watched.values():
            watched.wake()

    async def _keep_up(self, messages: AsyncIterator[Message]) -> None:
        clock = asyncio.get_running_loop().time
        hints: asyncio.Task[set[TaskId]] | None = None
        looked_at = woken_at = clock()
        try:
            while self._watched and not self._closing.is_set():
                hints = hints or asyncio.create_task(_hinted(messages))
                left = max(0.0, looked_at + _LOOK_SECONDS - clock())
                closing = asyncio.create_task(self._closing.wait())
                await asyncio.wait(
                    {hints, closing}, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                closing.cancel()
                changed: set[TaskId] = set()
                if hints.done():
                    changed, hints = hints.result(), None
                if clock() - looked_at >= _LOOK_SECONDS:
                    changed |= await self._stale()
                    looked_at = clock()
                await self._renew_quietly(changed & self._watched.keys())
                if clock() - woken_at >= PULSE_SECONDS:
                    self._wake_all()
                    woken_at = clock()
        finally:
            if hints is not None:
                hints.cancel()

    async def _stale(self) -> set[TaskId]:
        try:
            versions = await self._store.task_versions(list(self._watched))
        except Unavailable:  # the next look may fare better
            return set()
        return {
            task_id
            for task_id, watched in self._watched.items()
            if versions.get(task_id) != watched.task.version
        }

    async def _renew_quietly(self, ids: Iterable[TaskId]) -> None:
        try:
            await self._renew(ids)
        except Unavailable as error:
            log.warning("tasks_unread", error=error.message)
        except Exception:  # the boundary: those who watch have no other way to hear
            log.exception("tasks_unread")

    async def _renew(self, ids: Iterable[TaskId]) -> None:
        wanted = list(ids)
        for first in range(0, len(wanted), _AT_ONCE):
            some = wanted[first : first + _AT_ONCE]
            found = {task.id: task for task in await self._store.tasks(some)}
            for task_id in some:
                watched = self._watched.get(task_id)
                if watched is not None:
                    _take(watched, found.get(task_id))


def _take(watched: Watched, task: Task | None) -> None:
    if task is None:
        watched.is_gone = True
    elif task.version > watched.task.version:
        watched.task = task
    elif not watched.is_gone:
        return
    watched.wake()


async def _hinted(messages: AsyncIterator[Message]) -> set[TaskId]:
    """The tasks of the next message. A closed bus stays silent."""
    message = await anext(messages, None)
    if message is None:
        await asyncio.Event().wait()
        return set()
    ids = message.data.get("ids")
    return {TaskId(one) for one in ids if isinstance(one, int)} if isinstance(ids, list) else set()
