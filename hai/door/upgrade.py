"""WebSockets through the door: who may open one is asked as for any request; from the handshake on
bytes are passed on as they are, in both directions, so that subprotocols, compression and pings are
between the browser and the service.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httptools

from hai.door.desk import Desk, Guest
from hai.door.heads import (
    HEAD_BYTES,
    Asked,
    Headers,
    answer_head,
    answer_headers,
    ending,
    request_head,
)
from hai.door.pages import Said
from hai.door.tunnels import DoorStream
from hai.errors import HaiError

if TYPE_CHECKING:
    from hai.door.app import Door

_EARLY_BYTES = 64 * 1024  # that are kept of a browser before they are read
_IDLE_SECONDS = 4 * 3600.0  # without a byte in either direction
_WRITE_SECONDS = 60.0  # that a browser may take nothing


class DoorSocket(asyncio.Protocol):
    """What uvicorn hands a connection to when it asks for a WebSocket: first the request's head,
    then whatever comes."""

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: Any,
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        door: Door = config.app
        self._desk: Desk = door.desk
        self._state = server_state
        self._transport: asyncio.Transport
        self._job: asyncio.Task[None] | None = None
        self._inbox = bytearray()
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._is_gone = False
        self._used_at = 0.0

    # from the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._state.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._is_gone = True
        self._news.set()
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self._job is None:
            self._job = asyncio.get_running_loop().create_task(self._run(data))
            self._state.tasks.add(self._job)
            self._job.add_done_callback(self._state.tasks.discard)
            return
        self._inbox += data
        if len(self._inbox) >= _EARLY_BYTES:
            self._transport.pause_reading()
        self._news.set()

    def eof_received(self) -> None:
        return None

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def shutdown(self) -> None:
        """The server ends."""
        if self._job is not None:
            self._job.cancel()
        self._transport.close()

    # the way through

    async def _run(self, head: bytes) -> None:
        asked = _parsed(head)
        try:
            await self._pass(asked)
        except Said as said:
            self._say(said, asked)
        except HaiError as error:
            self._say(Said(503, "This cannot be done now", error.message), asked)
        finally:
            self._transport.close()

    async def _pass(self, asked: Asked) -> None:
        port = int((self._transport.get_extra_info("sockname") or ("", 0))[1])
        entrance = await self._desk.entrance(port, asked)
        if asked.method != "GET":
            raise Said(405, "This request was refused", "a WebSocket begins with GET")
        guest = await self._desk.admit(asked, entrance, is_socket=True)
        with self._desk.counted(guest.user.name):
            stream, more = await self._desk.connected(guest)
            try:
                head = request_head(asked, entrance, guest.task, guest.service, more)
                own: Headers = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
                await stream.write(head + ending(own))
                if await self._is_open(stream):
                    await self._both_ways(stream, guest)
            finally:
                stream.close()

    async def _is_open(self, stream: DoorStream) -> bool:
        """Passes on the service's answer to the handshake, with what came behind it. A refusal's
        words stay here: how long they are was said for another connection."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = await stream.read()
            stream.consumed(piece)
            data += piece
            if not piece or len(data) > HEAD_BYTES + len(piece):
                raise Said(502, "It does not answer", stream.error or "it closed the connection")
        head, rest = data.split(b"\r\n\r\n", 1)
        status, headers = _answer(head + b"\r\n\r\n")
        if status != 101:
            kept = [pair for pair in headers if pair[0] != b"content-length"]
            own: Headers = [(b"connection", b"close"), (b"content-length", b"0")]
            self._transport.write(answer_head(status, answer_headers(kept) + own))
            return False
        own = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
        self._transport.write(answer_head(status, answer_headers(headers) + own) + rest)
        return True

    async def _both_ways(self, stream: DoorStream, guest: Guest) -> None:
        self._used_at = asyncio.get_running_loop().time()
        works = (
            self._in(stream),
            self._out(stream),
            self._idle(),
            self._desk.until_over(guest),
        )
        jobs = [asyncio.ensure_future(work) for work in works]
        try:
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    async def _in(self, stream: DoorStream) -> None:
        """From the browser."""
        while True:
            while not self._inbox:
                if self._is_gone:
                    return
                self._news.clear()
                await self._news.wait()
            data = bytes(self._inbox)
            self._inbox.clear()
            self._used_at = asyncio.get_running_loop().time()
            if not await stream.write(data):
                return
            if not self._is_gone:
                self._transport.resume_reading()

    async def _out(self, stream: DoorStream) -> None:
        """To the browser."""
        while data := await stream.read():
            self._used_at = asyncio.get_running_loop().time()
            self._transport.write(data)
            with suppress(TimeoutError):
                async with asyncio.timeout(_WRITE_SECONDS):
                    await self._writable.wait()
            if self._is_gone or not self._writable.is_set():
                self._transport.abort()
                return
            stream.consumed(data)

    async def _idle(self) -> None:
        clock = asyncio.get_running_loop().time
        while (left := self._used_at + _IDLE_SECONDS - clock()) > 0:  # noqa: ASYNC110 - what moves
            await asyncio.sleep(left)

    def _say(self, said: Said, asked: Asked) -> None:
        if not self._is_gone:
            headers, body = said.answer(asked)
            headers.append((b"connection", b"close"))
            self._transport.write(answer_head(said.status, headers) + body)


class _Head:
    """Callbacks of httptools."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: Headers = []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


def _parsed(head: bytes) -> Asked:
    """The head that uvicorn has read and written down again."""
    found = _Head()
    parser = httptools.HttpRequestParser(found)
    with suppress(httptools.HttpParserUpgrade):
        parser.feed_data(head)
    return Asked(parser.get_method().decode("latin-1"), found.target, found.headers)


def _answer(head: bytes) -> tuple[int, Headers]:
    found = _Head()
    parser = httptools.HttpResponseParser(found)
    try:
        with suppress(httptools.HttpParserUpgrade):
            parser.feed_data(head)
    except httptools.HttpParserError:
        raise Said(502, "It does not answer", "it does not answer in HTTP") from None
    return parser.get_status_code(), found.headers
