"""The client's end of channels, for many visitors at once: one channel per visitor and worker, one
stream for each of the browser's connections.

Each stream has a window in each direction (hai/agent/channel/mux.py): what a browser does not take
is not read from the container, and the other way round.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple

from hai.agent.channel.mux import Broken, Handler, Mux, Stream
from hai.core.identity import User
from hai.core.task import Task, WorkerKey
from hai.core.types import UserName
from hai.errors import HaiError, Unavailable
from hai.service.channels import Carrier, Channels

_FULL_BYTES = 256 * 1024  # of messages that wait to be sent
_REST_SECONDS = 60.0  # a channel without streams is kept


class DoorStream(Handler):
    """One connection to a service. `close` ends it on both sides, at any time."""

    def __init__(self, tunnel: "Tunnel") -> None:
        self._tunnel = tunnel
        self._stream: Stream
        self._inbox: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._is_over = False
        self.error = ""
        self.ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def begin(self, stream: Stream) -> None:
        self._stream = stream

    async def until_ready(self, seconds: float) -> dict[str, Any]:
        """What the worker's end said when it began. Unavailable when nobody listens there."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.wait({self.ready})
        if not self.ready.done() or (self._is_over and not self.ready.result()):
            raise Unavailable(self.error or "it does not answer (yet)")
        return self.ready.result()

    async def read(self) -> bytes:
        """What has come; b"" at the end. Call `consumed` when it is gone."""
        while not self._inbox:
            if self._is_over:
                return b""
            self._news.clear()
            await self._news.wait()
        return self._inbox.popleft()

    def consumed(self, data: bytes) -> None:
        self._stream.consumed(len(data))

    async def write(self, data: bytes) -> bool:
        """Returns when it is on its way; False when nobody takes it any more."""
        view = memoryview(data)
        while view:
            if self._is_over or self._stream.is_closed:
                return False
            size = min(len(view), self._stream.may_send)
            if size <= 0:
                await self._tunnel.moved()
                continue
            self._stream.send(bytes(view[:size]))
            view = view[size:]
        return True

    def close(self) -> None:
        self._end()
        self._stream.close()

    # from the loop of the tunnel

    def on_ready(self, info: dict[str, Any]) -> None:
        if not self.ready.done():
            self.ready.set_result(info)

    def on_data(self, data: bytes, is_errors: bool) -> None:
        if not self._is_over:
            self._inbox.append(data)
            self._news.set()

    def on_eof(self) -> None:
        self._end()

    def on_close(self, message: dict[str, Any]) -> None:
        self.error = str(message.get("error") or "")
        self._end()

    def _end(self) -> None:
        self._is_over = True
        self._news.set()
        if not self.ready.done():
            self.ready.set_result({})


class _Outbox:
    """What the multiplexer takes for its socket."""

    def __init__(self) -> None:
        self.messages: deque[bytes] = deque()
        self.size = 0
        self.news = asyncio.Event()

    @property
    def is_full(self) -> bool:
        return self.size >= _FULL_BYTES

    def send(self, message: bytes) -> None:
        self.messages.append(message)
        self.size += len(message)
        self.news.set()

    async def take(self) -> bytes:
        while not self.messages:
            self.news.clear()
            await self.news.wait()
        return self.messages.popleft()


class Tunnel:
    """An open channel. `secrets` is what a visitor of it has learned there: JupyterLab's token."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._outbox = _Outbox()
        self._mux = Mux(self._outbox)  # type: ignore[arg-type]  # it needs `send` and `is_full`
        self._waiters: list[asyncio.Future[None]] = []
        self.secrets: dict[str, str] = {}
        self.is_over = False

    def open(self, **target: Any) -> DoorStream:
        """Unavailable when there are too many streams, or the channel has ended."""
        if self.is_over:
            raise Unavailable("the channel into the task has ended")
        stream = DoorStream(self)
        try:
            stream.begin(self._mux.open(stream, **target))
        except Broken as error:
            raise Unavailable(str(error)) from None
        return stream

    async def moved(self) -> None:
        """Returns when a stream that had no room may have some."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    async def run(self, until: Callable[[], Awaitable[str]]) -> str:
        """Until one side has enough; why."""
        works = (self._read(), self._write(), self._rest(), until())
        jobs = [asyncio.ensure_future(work) for work in works]
        try:
            done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
            return next((why for job in done if (why := job.result())), "")
        finally:
            self.is_over = True
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            self._mux.lost()
            self._notify()

    async def _read(self) -> str:
        while (message := await self._carrier.receive()) is not None:
            try:
                self._mux.feed(message)
            except Broken as error:
                return f"the worker sent {error}"
            self._notify()
        return self._carrier.reason

    async def _write(self) -> str:
        while True:
            message = await self._outbox.take()
            await self._carrier.send(message)
            self._outbox.size -= len(message)
            self._notify()

    async def _rest(self) -> str:
        clock = asyncio.get_running_loop().time
        used_at = clock()
        while clock() - used_at < _REST_SECONDS:
            await asyncio.sleep(_REST_SECONDS / 4)
            if self._mux.streams:
                used_at = clock()
        return "nobody visits it"

    def _notify(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class _Line(NamedTuple):
    """Of one user into one worker."""

    user: UserName
    worker: WorkerKey


class Tunnels:
    """All open channels of visitors at this process."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._tunnels: dict[_Line, asyncio.Future[Tunnel]] = {}
        self._jobs: set[asyncio.Task[None]] = set()

    async def to(self, user: User, task: Task, rank: int) -> Tunnel:
        """A channel of this user into that worker. Conflict, Denied, Unavailable."""
        key = _Line(user.name, await self._channels.begun(task, rank))
        found = self._tunnels.get(key)
        if found is None or (found.done() and _has_ended(found)):
            found = self._tunnels[key] = asyncio.get_running_loop().create_future()
            job = asyncio.create_task(self._run(key, user, task, found), name=f"door {key.worker}")
            self._jobs.add(job)
            job.add_done_callback(self._jobs.discard)
        return await asyncio.shield(found)

    async def close(self) -> None:
        jobs = list(self._jobs)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    async def _run(
        self,
        key: _Line,
        user: User,
        task: Task,
        found: asyncio.Future[Tunnel],
    ) -> None:
        try:
            async with self._channels.opened(user, task, key.worker.rank) as channel:
                carrier = await self._channels.called(channel)
                tunnel = Tunnel(carrier)
                found.set_result(tunnel)
                why = await tunnel.run(lambda: self._channels.until_over(channel))
                await carrier.close(why)
        except HaiError as error:
            if not found.done():
                found.set_exception(error)
                found.exception()  # taken note of, also where nobody waits any more
        finally:
            if not found.done():
                found.cancel()
            if self._tunnels.get(key) is found:
                del self._tunnels[key]


def _has_ended(found: asyncio.Future[Tunnel]) -> bool:
    return found.cancelled() or found.exception() is not None or found.result().is_over
