"""Everything that waits for the network. Workers run in threads that end with the program, post
messages, and never touch a widget.

Not Textual's own thread workers: those are waited for at exit, and a read that blocks for the next
keep-alive would keep a person from leaving.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from textual.message import Message

from hai.client.events import Resume, ServerEvent
from hai.client.http import HaiClient
from hai.errors import HaiError, Unavailable, Unreachable

T = TypeVar("T")
Post = Callable[[Message], object]

_BATCHES_AHEAD = 4  # of log lines that were posted and not yet shown


class MessageRelay:
    """Keeps what is posted until somebody listens: reading begins before the screen is there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[Message] = []
        self._target: Post | None = None

    def __call__(self, message: Message) -> None:
        with self._lock:
            if self._target is None:
                self._kept.append(message)
            else:
                self._target(message)

    def connect(self, target: Post) -> None:
        with self._lock:
            self._target = target
            for message in self._kept:
                target(message)
            self._kept.clear()


class Stopped(Exception):
    """The reader is not wanted any more."""


class Reader:
    """A thread that reads one stream until it is told to stop."""

    @dataclass
    class Refused(Message):
        """The server does not want us: the token is unknown, expired or revoked, or it is no
        server."""

        error: HaiError

    def __init__(self, client: HaiClient, post: Post) -> None:
        self._client = client
        self._post = post
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name=type(self).__name__, daemon=True).start()

    def stop(self) -> None:
        """It ends at its next word from the server; nothing is posted from now on."""
        self._stopped.set()

    def say(self, message: Message) -> None:
        if self._stopped.is_set():
            raise Stopped
        self._post(message)

    def rest(self, seconds: float) -> None:
        """Between two tries to connect."""
        if self._stopped.wait(seconds):
            raise Stopped

    def _run(self) -> None:
        try:
            self.read()
        except Stopped:
            pass
        except HaiError as error:
            if not self._stopped.is_set():
                self._post(self.Refused(error))

    def read(self) -> None:
        raise NotImplementedError


class FeedReader(Reader):
    """The dashboard's stream, resumed for ever."""

    @dataclass
    class Arrived(Message):
        """A piece of the feed, as it came."""

        piece: Mapping[str, Any]

    @dataclass
    class ConnectionChanged(Message):
        """The feed was lost or is back. `why` is empty when it is back."""

        why: str = ""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, FeedReader.ConnectionChanged)

    def read(self) -> None:
        while True:
            try:
                self._connected()
            except (Unreachable, Unavailable) as error:
                self.say(self.ConnectionChanged(error.message))
                self.rest(1.0)

    def _connected(self) -> None:
        resume = Resume(
            wait=self.rest,
            lost=lambda: self.say(self.ConnectionChanged("connection lost, retrying")),
            back=lambda: self.say(self.ConnectionChanged()),
        )
        for event in self._client.events("dashboard_stream", resume):
            if event.name == "dashboard":
                self.say(self.Arrived(event.data))


class LogReader(Reader):
    """One log; `query` is that of the logs route. A reader of an older generation is not heard."""

    @dataclass
    class LinesArrived(Message):
        """Lines of a log, in order, each {attempt, rank, at, text}; `taken` frees the reader to go
        on: it must be called once they are shown."""

        generation: int
        lines: Sequence[Mapping[str, Any]]

    @dataclass
    class Noted(Message):
        """Something about the log itself: a gap, the end, a lost connection."""

        generation: int
        text: str
        is_end: bool = False

    def __init__(
        self,
        client: HaiClient,
        post: Post,
        *,
        task_id: int,
        query: Mapping[str, Any],
        generation: int,
    ) -> None:
        super().__init__(client, post)
        self._task_id = task_id
        self._query = query
        self._generation = generation
        self._ahead = threading.Semaphore(_BATCHES_AHEAD)

    def taken(self) -> None:
        """A batch was shown: the next may come."""
        self._ahead.release()

    def read(self) -> None:
        resume = Resume(
            wait=self.rest,
            lost=lambda: self._note("connection lost, retrying"),
            back=lambda: self._note("connected again"),
        )
        try:
            for event in self._client.events("logs", resume, params=self._query, ref=self._task_id):
                self._tell(event)
        except HaiError as error:
            self._note(f"{error.message}", is_end=True)

    def _tell(self, event: ServerEvent) -> None:
        if event.name == "lines":
            while not self._ahead.acquire(timeout=0.2):
                self.rest(0)
            self.say(self.LinesArrived(self._generation, event.data["lines"]))
        elif event.name == "gap":
            gap = event.data
            self._note(f"{gap['bytes']:,} bytes of rank {gap['rank']} were rotated away")
        elif event.name == "end":
            state = event.data.get("state", "")
            self._note(f"end: the task is {state}", is_end=True)

    def _note(self, text: str, *, is_end: bool = False) -> None:
        self.say(self.Noted(self._generation, text, is_end))


async def in_thread(function: Callable[[], T]) -> T:
    """The result of a blocking call, which does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 (it is raised where it is awaited)
            failure = error
        with suppress(RuntimeError):  # the program has ended meanwhile
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="request", daemon=True).start()
    return await future
