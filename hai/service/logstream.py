"""Follows the logs of a task through its attempts, with the changes of its state between them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hai.core.logdirs import attempt_dir
from hai.core.task import Task
from hai.errors import InvalidInput, NotFound
from hai.ports import Bus, Message, Store
from hai.service.logfiles import Line, RankTail, merge, segments, tail_position
from hai.service.signals import heard, task_topic

_POLL_SECONDS = 0.05  # while an attempt runs: half of it is the mean delay of a followed line
_REST_SECONDS = 1.0  # while nothing can be written
_BATCH_LINES = 500
_BATCH_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """`ranks` None: all. `attempt` None: all of them, unless `previous` (the one before the last).

    `tail` keeps the last N lines per rank of what exists, `since` drops lines before that time.
    """

    ranks: frozenset[int] | None = frozenset({0})
    attempt: int | None = None
    previous: bool = False
    since: float | None = None
    tail: int | None = None
    follow: bool = False
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class LogLines:
    attempt: int
    lines: tuple[Line, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class LogGap:
    """Rotation removed these bytes before they were read."""

    attempt: int
    rank: int
    bytes: int


@dataclass(frozen=True, slots=True)
class StateNow:
    """The task as it is now; the first item of a followed stream, and again after each change."""

    task: Task


@dataclass(frozen=True, slots=True)
class End:
    """Nothing more will come."""

    task: Task


Item = LogLines | LogGap | StateNow | End


@dataclass(slots=True)
class _Position:
    """Where a stream stands: an attempt and an offset per rank."""

    attempt: int = 0
    offsets: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "_Position":
        attempt, _, rest = text.partition(";")
        pairs = (pair.split(":") for pair in rest.split(",") if pair)
        try:
            return cls(int(attempt), {int(rank): int(offset) for rank, offset in pairs})
        except ValueError:
            raise InvalidInput(f"{text!r} is no log cursor") from None


class LogReader:
    """Streams of one task's logs."""

    def __init__(self, store: Store, bus: Bus, log_dir: Path, closing: asyncio.Event) -> None:
        self._store = store
        self._bus = bus
        self._log_dir = log_dir
        self.closing = closing

    async def stream(self, task: Task, query: LogQuery) -> AsyncIterator[Item]:
        """What is asked for, in order of time within each attempt. Ends when the server closes:
        the client comes back with its cursor."""
        async with self._bus.subscribe(task_topic(task.id)) as messages:
            numbers, start = await self._plan(task, query)
            if query.follow:
                yield StateNow(task)
            for number in numbers:
                offsets = start.offsets if number == start.attempt else {}
                async for item in self._attempt(task, number, offsets, query, messages):
                    yield item
            if query.follow and query.attempt is None and not query.previous:
                last = numbers[-1] if numbers else 0
                async for item in self._onward(task, last, query, messages):
                    yield item
            if not self.closing.is_set():
                yield End(await self._reload(task))

    async def _plan(self, task: Task, query: LogQuery) -> tuple[list[int], _Position]:
        """The attempts to read that exist now, and where to begin."""
        start = _Position.parse(query.cursor) if query.cursor else _Position()
        _check_ranks(task, query)
        numbers = self._numbers(task, query, start)
        if query.tail is not None and not query.cursor:
            start = await asyncio.to_thread(self._tail, task, numbers, query)
            numbers = [number for number in numbers if number >= start.attempt]
        return numbers, start

    async def _onward(
        self, task: Task, last: int, query: LogQuery, messages: AsyncIterator[Message]
    ) -> AsyncIterator[Item]:
        """Attempts after the `last` one, as they come, until the task ends."""
        while True:
            async for state in self._until(task, last + 1, messages):
                task = state.task
                yield state
            if self.closing.is_set() or task.attempts <= last:
                return
            last += 1
            async for item in self._attempt(task, last, {}, query, messages):
                yield item

    def _numbers(self, task: Task, query: LogQuery, start: _Position) -> list[int]:
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

    def _tail(self, task: Task, numbers: Sequence[int], query: LogQuery) -> _Position:
        """Walk back over the attempts until each rank has its lines."""
        missing = query.tail or 0
        position = _Position(numbers[-1] if numbers else 0)
        for number in reversed(numbers):
            directory = self._directory(task, number)
            offsets, least = {}, missing
            for rank in segments(directory):
                if query.ranks is None or rank in query.ranks:
                    offsets[rank], found = tail_position(directory, rank, missing)
                    least = min(least, missing - found)
            position = _Position(number, offsets)
            missing = least
            if missing <= 0:
                break
        return position

    def _directory(self, task: Task, number: int) -> Path:
        return attempt_dir(self._log_dir, task.user, task.id, number)

    async def _attempt(
        self,
        task: Task,
        number: int,
        offsets: Mapping[int, int],
        query: LogQuery,
        messages: AsyncIterator[Message],
    ) -> AsyncIterator[Item]:
        """The lines of one attempt; when following, until it is over."""
        reading = _Attempt(self._directory(task, number), number, offsets, query)
        while not self.closing.is_set():
            over = _is_over(task, number)
            async for item in reading.read(final=over or not query.follow):
                yield item
            if over or not query.follow:
                return
            if await heard(messages, _POLL_SECONDS):
                task = await self._reload(task)
                yield StateNow(task)

    async def _until(
        self, task: Task, number: int, messages: AsyncIterator[Message]
    ) -> AsyncIterator[StateNow]:
        """State changes until attempt `number` begins or the task ends."""
        while not self.closing.is_set():
            task = await self._reload(task)
            yield StateNow(task)
            if task.attempts >= number or task.state.is_final:
                return
            await heard(messages, _REST_SECONDS)

    async def _reload(self, task: Task) -> Task:
        now = await self._store.task(task.id)
        if now is None:
            raise NotFound(f"task {task.id} is gone")
        return now

    async def watch(self, task: Task) -> AsyncIterator[StateNow | End]:
        """The task's state now and after every change, until it ends."""
        async with self._bus.subscribe(task_topic(task.id)) as messages:
            while not self.closing.is_set():
                task = await self._reload(task)
                yield StateNow(task)
                if task.state.is_final:
                    yield End(task)
                    return
                await heard(messages, _REST_SECONDS)


class _Attempt:
    """The rank logs of one attempt, merged."""

    def __init__(
        self, directory: Path, number: int, offsets: Mapping[int, int], query: LogQuery
    ) -> None:
        self._directory = directory
        self._number = number
        self._offsets = offsets
        self._query = query
        self._tails: dict[int, RankTail] = {}

    async def read(self, *, final: bool) -> AsyncIterator[Item]:
        """What is on disk now and was not read yet."""
        while True:
            batch = await asyncio.to_thread(self._batch, final)
            for tail in self._tails.values():
                if tail.lost_bytes:
                    yield LogGap(self._number, tail.rank, tail.lost_bytes)
                    tail.lost_bytes = 0
            if not batch:
                return
            since = self._query.since
            lines = tuple(line for line in batch if since is None or line.at >= since)
            yield LogLines(self._number, lines, self._cursor())

    def _batch(self, final: bool) -> list[Line]:
        for rank in segments(self._directory):
            wanted = self._query.ranks is None or rank in self._query.ranks
            if wanted and rank not in self._tails:
                self._tails[rank] = RankTail(self._directory, rank, self._offsets.get(rank, 0))
        lines: list[Line] = []
        size = 0
        for line in merge(list(self._tails.values()), final=final):
            lines.append(line)
            size += len(line.data)
            if len(lines) >= _BATCH_LINES or size >= _BATCH_BYTES:
                break
        return lines

    def _cursor(self) -> str:
        offsets = {**self._offsets, **{r: tail.position for r, tail in self._tails.items()}}
        pairs = ",".join(f"{rank}:{offset}" for rank, offset in sorted(offsets.items()))
        return f"{self._number};{pairs}"


def _check_ranks(task: Task, query: LogQuery) -> None:
    beyond = min((rank for rank in query.ranks or () if rank >= task.nodes), default=None)
    if beyond is not None:
        ranks = f"its ranks are 0 to {task.nodes - 1}" if task.nodes > 1 else "its only rank is 0"
        raise NotFound(f"task {task.id} has no rank {beyond}", hint=ranks)


def _is_over(task: Task, number: int) -> bool:
    attempt = task.attempt
    return attempt is None or attempt.number > number or attempt.outcome is not None
