"""Follows the logs of a task through its attempts, with the changes of its state between them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic

from hai.core.logdirs import attempt_dir, common_dir
from hai.core.task import Task
from hai.errors import NotFound
from hai.ports import Bus
from hai.service.logfiles import end_position, segments, tail_position
from hai.service.logitems import End, Item, LogLines, LogQuery, Position, Quiet, StateNow
from hai.service.logreading import Batch, Reading
from hai.service.logsizes import LogRoom, log_room
from hai.service.logtails import Key, Tail, Tails
from hai.service.naps import nap
from hai.service.taskwatch import TaskWatch, Watched, WatchStore

QUIET_SECONDS = 15.0  # of silence, before that is said
_REST_SECONDS = 1.0  # between two looks at the story of a task that waits
_STUCK_SECONDS = 0.5  # before a reader looks again for what the tail has seen and it has not


class LogStreams:
    """Streams of one task's logs."""

    def __init__(
        self,
        store: WatchStore,
        bus: Bus,
        log_dir: Path,
        closing: asyncio.Event,
        reserve_bytes: int = 0,
    ) -> None:
        self._log_dir = log_dir
        self._reserve_bytes = reserve_bytes
        self._tails = Tails(closing)
        self._tasks = TaskWatch(store, bus, closing)
        self.closing = closing

    async def room(self) -> LogRoom | None:
        """Of the disk of the logs; None when it does not answer."""
        with suppress(OSError):
            folder = common_dir(self._log_dir)
            return await self._tails.in_thread(partial(log_room, folder, self._reserve_bytes))
        return None

    async def stream(self, task: Task, query: LogQuery) -> AsyncIterator[Item]:
        """What is asked for, in order of time within each attempt. Ends when the server closes:
        the client comes back with its cursor. A followed one says something every QUIET_SECONDS."""
        reader = asyncio.Event()
        async with self._tasks.watching(task, reader) as watched:
            task = watched.present()
            numbers, start = await self._plan(task, query)
            if query.follow:
                yield StateNow(task)
            for number in numbers:
                follower = self._follower(watched, reader, query, number)
                if number == start.attempt:
                    follower.position = dict(start.offsets)
                async for item in follower.items():
                    yield item
            if query.follow and query.attempt is None and not query.previous:
                last = numbers[-1] if numbers else 0
                async for item in self._onward(watched, reader, query, last):
                    yield item
            if not self.closing.is_set():
                yield End(watched.present())

    def _follower(
        self, watched: Watched, reader: asyncio.Event, query: LogQuery, number: int
    ) -> "_Follower":
        return _Follower(
            tails=self._tails,
            watched=watched,
            reader=reader,
            query=query,
            key=Key(self._directory(watched.task, number), number, query.ranks),
            closing=self.closing,
        )

    async def _plan(self, task: Task, query: LogQuery) -> tuple[list[int], Position]:
        """The attempts to read that exist now, and where to begin."""
        start = Position.parse(query.cursor) if query.cursor else Position()
        _check_ranks(task, query)
        numbers = _numbers(task, query, start)
        if query.cursor:
            start = await self._tails.in_thread(partial(self._existing, task, start))
        elif query.tail is not None:
            start = await self._tails.in_thread(partial(self._tail, task, numbers, query))
            numbers = [number for number in numbers if number >= start.attempt]
        return numbers, start

    def _existing(self, task: Task, start: Position) -> Position:
        """The same, but within what there is: a cursor comes from outside."""
        found = segments(self._directory(task, start.attempt))
        return Position(
            start.attempt,
            {
                rank: max(0, min(offset, end_position(found.get(rank, []))))
                for rank, offset in start.offsets.items()
            },
        )

    async def _onward(
        self, watched: Watched, reader: asyncio.Event, query: LogQuery, last: int
    ) -> AsyncIterator[Item]:
        """Attempts after the `last` one, as they come, until the task ends."""
        while True:
            async for state in self._until(watched, last + 1, reader):
                yield state
            if self.closing.is_set() or watched.present().attempts <= last:
                return
            last += 1
            async for item in self._follower(watched, reader, query, last).items():
                yield item

    def _tail(self, task: Task, numbers: Sequence[int], query: LogQuery) -> Position:
        """Walk back over the attempts until each rank has its lines."""
        missing = query.tail or 0
        position = Position(numbers[-1] if numbers else 0)
        for number in reversed(numbers):
            directory = self._directory(task, number)
            offsets, least = {}, missing
            for rank in segments(directory):
                if query.ranks is None or rank in query.ranks:
                    offsets[rank], found = tail_position(directory, rank, missing)
                    least = min(least, missing - found)
            position = Position(number, offsets)
            missing = least
            if missing <= 0:
                break
        return position

    def _directory(self, task: Task, number: int) -> Path:
        return attempt_dir(self._log_dir, task.user, task.id, number)

    async def _until(
        self, watched: Watched, number: int, reader: asyncio.Event
    ) -> AsyncIterator[Item]:
        """State changes until attempt `number` begins or the task ends."""
        heard_at = monotonic()
        while not self.closing.is_set():
            reader.clear()
            if monotonic() - heard_at >= QUIET_SECONDS:  # the same state may be no news
                heard_at = monotonic()
                yield Quiet()
            task = watched.present()
            yield StateNow(task)
            if task.attempts >= number or task.state.is_final:
                return
            await nap(reader, _REST_SECONDS)

    async def watch(self, task: Task) -> AsyncIterator[Item]:
        """The task's state now and after every change, until it ends."""
        reader = asyncio.Event()
        async with self._tasks.watching(task, reader) as watched:
            while not self.closing.is_set():
                reader.clear()
                task = watched.present()
                yield StateNow(task)
                if task.state.is_final:
                    yield End(task)
                    return
                await nap(reader, _REST_SECONDS)


@dataclass(slots=True, kw_only=True)
class _Follower:
    """One reader of one attempt's logs. `position` is where it stands, by rank."""

    tails: Tails
    watched: Watched
    reader: asyncio.Event
    query: LogQuery
    key: Key
    closing: asyncio.Event
    position: Mapping[int, int] = field(default_factory=dict)
    heard_at: float = field(default_factory=monotonic)
    next: int | None = None  # number of the tail's next batch for us; None: we stand elsewhere

    async def items(self) -> AsyncIterator[Item]:
        """The lines; when following, until the attempt is over, with the changes of the task."""
        while not self.closing.is_set():
            is_last = not self.query.follow or self._is_over()
            if is_last or self.tails.find(self.key) is None:
                async for item in self._own(final=is_last):
                    yield item
            if is_last:
                return
            # a new tail begins exactly here
            async with self.tails.reading(self.key, self.position, self.reader) as tail:
                async for item in self._with(tail):
                    yield item

    async def _with(self, tail: Tail) -> AsyncIterator[Item]:
        """Until the attempt is over, the tail cannot read on, or the server closes."""
        self.next, version = None, self.watched.task.version
        while not (self.closing.is_set() or tail.is_broken):
            self.reader.clear()
            if version != self.watched.task.version:
                version = self.watched.task.version
                yield StateNow(self.watched.present())
            if self._is_over():
                return
            if self._number_in(tail) is None:
                async for item in self._own(final=False, tail=tail):
                    yield item
            number = self._number_in(tail)
            batch = None if number is None else tail.get(number)
            if batch is not None:
                self.next = (number or 0) + 1
                for item in self._taken(batch):
                    yield item
            elif monotonic() - self.heard_at >= QUIET_SECONDS:
                self.heard_at = monotonic()
                yield Quiet()
            else:
                await self._rest(tail)

    def _number_in(self, tail: Tail) -> int | None:
        """Of the tail's next batch, if its batches go on exactly where we stand."""
        if self.next is None or tail.has_dropped(self.next):
            self.next = tail.next if tail.stands_at(self.position) else None
        return self.next

    async def _rest(self, tail: Tail) -> None:
        """Until there may be more. The watch over the task wakes everybody now and then, which
        costs less than ten thousand timers in a second."""
        if self._number_in(tail) is not None or tail.is_behind(self.position):
            await self.reader.wait()
        else:
            await nap(self.reader, _STUCK_SECONDS)

    async def _own(self, *, final: bool, tail: Tail | None = None) -> AsyncIterator[Item]:
        """From the files: to their end, or to where the tail stands."""
        directory, number, ranks = self.key
        limits = None if tail is None else tail.position
        reading = Reading(directory, number, ranks, self.position, limits)
        read: Callable[[], Batch] = partial(reading.batch, final=final)
        while not self.closing.is_set():
            batch = await self.tails.in_thread(read)
            if batch.is_empty:
                return
            for item in self._taken(batch):
                yield item

    def _taken(self, batch: Batch) -> list[Item]:
        self.position = {**self.position, **batch.position}
        self.heard_at = monotonic()
        lines, since = batch.lines, self.query.since
        if since is not None and batch.oldest < since:
            kept = tuple(line for line in lines.lines if line.at >= since)
            lines = LogLines(lines.attempt, kept, lines.cursor)
        return [*batch.gaps, lines]

    def _is_over(self) -> bool:
        attempt, number = self.watched.present().attempt, self.key.attempt
        return attempt is None or attempt.number > number or attempt.outcome is not None


def _numbers(task: Task, query: LogQuery, start: Position) -> list[int]:
    if query.attempt is not None or query.previous:
        number = query.attempt if query.attempt is not None else task.attempts - 1
        if not 1 <= number <= task.attempts:
            which = "earlier attempt" if query.previous else f"attempt {number}"
            raise NotFound(
                f"task {task.id} has no {which}: there were {task.attempts}",
                hint=f"hai-cli describe {task.id} lists them",
            )
        return [number]
    return list(range(max(1, start.attempt), task.attempts + 1))


def _check_ranks(task: Task, query: LogQuery) -> None:
    beyond = min((rank for rank in query.ranks or () if rank >= task.nodes), default=None)
    if beyond is not None:
        ranks = f"its ranks are 0 to {task.nodes - 1}" if task.nodes > 1 else "its only rank is 0"
        raise NotFound(f"task {task.id} has no rank {beyond}", hint=ranks)
