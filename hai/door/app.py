"""The door as an ASGI application: HTTP into services. WebSockets: upgrade.py."""

import asyncio
from urllib.parse import parse_qs

import httptools
import structlog
from starlette.types import Message, Receive, Scope, Send

from hai.door.desk import ENTER, LEAVE, Desk, Guest
from hai.door.heads import HEAD_BYTES, Asked, Headers, answer_headers, ending, request_head
from hai.door.pages import Said
from hai.door.tunnels import DoorStream
from hai.errors import HaiError

log = structlog.get_logger("hai.door")

_BODILESS = ("HEAD",)


class Door:
    """What uvicorn serves at the door's ports."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        asked = asked_of(scope)
        try:
            await self._serve(asked, scope, receive, send)
        except Said as said:
            await _say(said, asked, send)
        except HaiError as error:
            is_temporary = error.code == "unavailable"
            title = "The platform cannot answer now" if is_temporary else "This cannot be done"
            told = Said(503, title, error.message, error.hint, is_temporary=is_temporary)
            await _say(told, asked, send)

    async def _serve(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        entrance = await self.desk.entrance(int((scope.get("server") or ("", 0))[1] or 0), asked)
        if scope["path"] == ENTER and asked.method == "GET":
            query = parse_qs(scope["query_string"].decode("latin-1"))
            code, after = (query.get(name, [""])[0] for name in ("code", "next"))
            headers = await self.desk.enter(entrance, code, after)
            await send({"type": "http.response.start", "status": 303, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        guest = await self.desk.admit(asked, entrance)
        if scope["path"] == LEAVE and asked.method == "POST":
            left = Said(200, "You have left", "This browser needs another link to enter again.")
            await _say(left, asked, send, await self.desk.leave(asked, entrance))
            return
        with self.desk.counted(guest.user.name):
            await _Passage(self.desk, guest, asked).go(receive, send)


class _Passage:
    """One request and its answer, on a connection of their own."""

    def __init__(self, desk: Desk, guest: Guest, asked: Asked) -> None:
        self._desk = desk
        self._guest = guest
        self._asked = asked
        self._has_begun = False  # to answer

    async def go(self, receive: Receive, send: Send) -> None:
        guest, asked = self._guest, self._asked
        stream, more = await self._desk.connected(guest)
        try:
            head = request_head(asked, guest.entrance, guest.task, guest.service, more)
            own: Headers = [(b"connection", b"close")]
            if asked.one(b"transfer-encoding"):
                own.append((b"transfer-encoding", b"chunked"))
            await stream.write(head + ending(own))
            works = (
                self._answer(stream, send),
                self._upload(stream, receive),
                self._desk.until_over(guest),
            )
            jobs = [asyncio.ensure_future(work) for work in works]
            try:
                await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for job in jobs:
                    job.cancel()
                ended = await asyncio.gather(*jobs, return_exceptions=True)
            if isinstance(ended[0], Said):
                raise ended[0]
        finally:
            stream.close()

    async def _upload(self, stream: DoorStream, receive: Receive) -> None:
        """The request's body; returns when the visitor is gone."""
        is_chunked = bool(self._asked.one(b"transfer-encoding"))
        has_more = True
        while True:
            message: Message = await receive()
            if message["type"] == "http.disconnect":
                return
            if not has_more:
                continue
            data, has_more = message.get("body", b""), bool(message.get("more_body"))
            if is_chunked:
                data = b"%x\r\n%s\r\n" % (len(data), data) if data else b""
                data += b"" if has_more else b"0\r\n\r\n"
            if data:
                await stream.write(data)  # what nobody takes any more is read and dropped

    async def _answer(self, stream: DoorStream, send: Send) -> None:
        reply = _Reply(self._asked.method)
        while not reply.is_done:
            data = await stream.read()
            if not data:
                break
            try:
                reply.feed(data)
            except (httptools.HttpParserError, httptools.HttpParserUpgrade):
                raise self._no_answer("it does not answer in HTTP") from None
            await self._pass_on(reply, send)
            stream.consumed(data)
        if not self._has_begun:
            raise self._no_answer(stream.error or "it closed the connection")
        if reply.is_done or reply.ends_with_connection:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pass_on(self, reply: "_Reply", send: Send) -> None:
        if reply.has_head and not self._has_begun:
            self._has_begun = True
            headers = answer_headers(reply.headers)
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        for piece in reply.take():
            await send({"type": "http.response.body", "body": piece, "more_body": True})

    def _no_answer(self, why: str) -> Said:
        if self._has_begun:
            log.info("answer_broken", task=self._guest.task.id, why=why)
        name, task = self._guest.service.name, self._guest.task.id
        title = f"{name} does not answer"
        return Said(502, title, f"{name} of task {task}: {why}.", is_temporary=True)


class _Reply:
    """Reads an answer; the callbacks are httptools'."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._size = 0
        self.headers: Headers = []
        self.status = 0
        self.has_head = False
        self.is_done = False

    @property
    def ends_with_connection(self) -> bool:
        names = {name.lower() for name, _ in self.headers}
        return not names & {b"content-length", b"transfer-encoding"}

    def feed(self, data: bytes) -> None:
        if not self.has_head:
            self._size += len(data)
            if self._size > HEAD_BYTES + len(data):
                raise httptools.HttpParserError("its head is too large")
        self._parser.feed_data(data)

    def take(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.has_head:  # behind the body come trailers, which nobody asked for
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self.has_head = True
            self.is_done = self._method in _BODILESS

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self.has_head:
            self.is_done = True
        else:  # 100 Continue and the like: the answer comes next
            self.headers = []


def asked_of(scope: Scope) -> Asked:
    target = scope.get("raw_path") or scope["path"].encode()
    if scope["query_string"]:
        target += b"?" + scope["query_string"]
    return Asked(scope["method"], target, list(scope["headers"]))


async def _say(said: Said, asked: Asked, send: Send, more: Headers | None = None) -> None:
    headers, body = said.answer(asked)
    start = {"type": "http.response.start", "status": said.status}
    await send({**start, "headers": [*headers, *(more or [])]})
    await send({"type": "http.response.body", "body": b"" if asked.method == "HEAD" else body})
