"""One tail per log, shared by all who follow it: the disk is looked at once for all of them.

A tail keeps what it has read last for a moment. A reader that stands where the tail does takes what
comes from there; one that stands elsewhere, or was too slow for what is kept, reads from the files
at its own position up to the tail's (`logstream`). Positions are absolute and exact, so a line
comes once, whoever read it.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import structlog

from hai.service.logreading import Batch, Offsets, Reading
from hai.service.naps import nap

log = structlog.get_logger("hai.logs")

T = TypeVar("T")

FEW_SECONDS = 0.05  # between two looks while few follow: half of it is a line's mean delay
MANY_SECONDS = 0.1  # while many do: lines are merged for so long
_FEW_READERS = 50
_THREADS = 4  # that wait for disks; what else uses threads has its own
_KEPT_BATCHES = 16  # of one log
_KEPT_BYTES = 64 * 2**20  # of all logs; the last batch of each is kept anyhow
_BATCHES_AT_ONCE = 4  # of one log, before the next one is read


class Key(NamedTuple):
    """One log: of the attempt with that directory and number; `ranks`: None for all."""

    directory: Path
    attempt: int
    ranks: frozenset[int] | None


class Tail:
    """What is new in one log. Readers are woken by their events."""

    def __init__(self, key: Key, position: Offsets) -> None:
        directory, number, ranks = key
        self.position: Mapping[int, int] = dict(position)  # behind the last batch
        self.next = 0  # number of the batch that will come next
        self.readers: set[asyncio.Event] = set()
        self.is_broken = False
        self._kept: deque[Batch] = deque()
        self._kept_bytes = 0
        self._directory = directory
        self._text = str(directory)
        self._ranks = ranks
        self._reading = Reading(directory, number, ranks, position)
        self._seen: object = None

    def stands_at(self, position: Offsets) -> bool:
        """Whether a reader there has had exactly what the tail has read."""
        ranks = self.position.keys() | {r for r in position if self.covers(r)}
        return all(self.position.get(rank, 0) == position.get(rank, 0) for rank in ranks)

    def is_behind(self, position: Offsets) -> bool:
        """Whether a reader there has nothing to catch up with."""
        return all(position.get(rank, 0) >= offset for rank, offset in self.position.items())

    def covers(self, rank: int) -> bool:
        return self._ranks is None or rank in self._ranks

    def get(self, number: int) -> Batch | None:
        """The batch of this number; None when it is not there yet, or not any more."""
        at = number - (self.next - len(self._kept))
        return self._kept[at] if 0 <= at < len(self._kept) else None

    def has_dropped(self, number: int) -> bool:
        return number < self.next - len(self._kept)

    def look(self) -> list[Batch]:
        """In a thread: what is new."""
        size = self._measure()
        if size == self._seen:
            return []
        found: list[Batch] = []
        while len(found) < _BATCHES_AT_ONCE:
            batch = self._reading.batch(final=False)
            if batch.is_empty:
                self._seen = size  # of before: what came since is seen next time
                break
            found.append(batch)
        return found

    def _measure(self) -> object:
        """Changes whenever there may be something new. Files are opened for it: where the file
        system is shared, that alone makes sure that a size is not an old one."""
        try:
            with os.scandir(self._text) as entries:
                names = [entry.name for entry in entries]
        except FileNotFoundError:
            return {}
        newest: dict[str, str] = {}
        for name in names:
            rank = name.partition(".")[0]
            newest[rank] = max(name, newest.get(rank, ""))
        return {name: _size(f"{self._text}/{name}") for name in newest.values()}

    def add(self, batch: Batch, most_bytes: int) -> None:
        """Keep it for the readers, and of those before no more than `most_bytes`."""
        self._kept.append(batch)
        self._kept_bytes += batch.size
        self.next += 1
        self.position = batch.position
        while len(self._kept) > _KEPT_BATCHES or (
            len(self._kept) > 1 and self._kept_bytes > most_bytes
        ):
            self._kept_bytes -= self._kept.popleft().size

    def wake(self) -> None:
        for reader in self.readers:
            reader.set()


class Tails:
    """The tails of one process, and the one job that looks at all of their files."""

    def __init__(self, closing: asyncio.Event) -> None:
        self._closing = closing
        self._tails: dict[Key, Tail] = {}
        self._job: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="logs")

    async def in_thread(self, work: Callable[[], T]) -> T:
        """The result of what waits for a disk."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def find(self, key: Key) -> Tail | None:
        return self._tails.get(key)

    @asynccontextmanager
    async def reading(
        self, key: Key, position: Offsets, reader: asyncio.Event
    ) -> AsyncIterator[Tail]:
        """The tail of this log, which begins at `position` if there was none; `reader` is set
        whenever it has more."""
        tail = self._tails.get(key)
        if tail is None:
            tail = self._tails[key] = Tail(key, position)
        tail.readers.add(reader)
        if self._job is None or self._job.done():
            self._job = asyncio.create_task(self._run(), name="log-tails")
        try:
            yield tail
        finally:
            tail.readers.discard(reader)
            if not tail.readers and self._tails.get(key) is tail:
                del self._tails[key]

    async def _run(self) -> None:
        """Ends when nobody follows, or when the server closes."""
        while self._tails and not self._closing.is_set():
            await self._look()
            readers = sum(len(tail.readers) for tail in self._tails.values())
            await nap(self._closing, FEW_SECONDS if readers <= _FEW_READERS else MANY_SECONDS)
        for tail in self._tails.values():
            tail.wake()

    async def _look(self) -> None:
        tails = list(self._tails.items())
        found = await self.in_thread(lambda: [_looked(tail) for _, tail in tails])
        for (key, tail), news in zip(tails, found, strict=True):
            if news is None:
                tail.is_broken = True  # its readers find out themselves what is wrong
                if self._tails.get(key) is tail:
                    del self._tails[key]
            else:
                for batch in news:
                    tail.add(batch, _KEPT_BYTES // len(tails))
            if news is None or news:
                tail.wake()
                await asyncio.sleep(0)  # others are served between two crowds of readers


def _size(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # rotated away, or nothing that is read
        return -1
    try:
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _looked(tail: Tail) -> Sequence[Batch] | None:
    try:
        return tail.look()
    except FileNotFoundError:  # rotated away meanwhile
        return []
    except Exception:  # the boundary: one log's trouble is not the others'
        log.exception("log_unreadable")
        return None
