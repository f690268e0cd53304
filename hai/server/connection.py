"""One connection of the API, bounded before anybody is known: the size of a request's head, the
time that its head and body may take, the number of connections that have not finished a head."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEAD_BYTES = 32 * 1024
WIRE_BYTES = 8 * 2**20  # of one request: a body in tiny chunks is several times its own size
_TEXTS = {
    408: "the request did not come whole in time",
    431: f"the head of the request is larger than {HEAD_BYTES // 1024} KiB",
    413: "the request is larger than 1 MiB",
    503: "too many connections are open",
}
_REASONS = {
    408: "Request Timeout",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


@dataclass(slots=True)
class HttpConnectionLimits:
    """`waiting`: connections whose first head is not whole yet; one more costs the oldest of the
    address that has the most of them its place, if it is older than `patience_seconds` or there are
    `rush` of them: a thousand clients may come at once. `connections`: all together. Times in
    seconds."""

    head_seconds: float = 10.0
    body_seconds: float = 60.0
    write_seconds: float = 60.0  # that a reader may take nothing of what it asked for
    patience_seconds: float = 2.0
    waiting: int = 512
    rush: int = 4096
    connections: int = 60_000
    wire_bytes: int = WIRE_BYTES
    is_streaming: bool = False  # `body_seconds` count from the last byte of a body on


@dataclass(slots=True)
class WaitingConnections:
    """Who has not said what it wants, by address, oldest first."""

    limits: HttpConnectionLimits
    by_address: dict[str, dict["BoundedProtocol", None]] = field(default_factory=dict)
    count: int = 0

    def add(self, connection: "BoundedProtocol", address: str) -> None:
        if self.count >= self.limits.waiting:
            crowd = max(self.by_address.values(), key=lambda one: len(one))
            oldest = next(iter(crowd))
            age = oldest.loop.time() - oldest.opened_at
            if age >= self.limits.patience_seconds or self.count >= self.limits.rush:
                oldest.refuse(503)
        self.by_address.setdefault(address, {})[connection] = None
        self.count += 1

    def remove(self, connection: "BoundedProtocol", address: str) -> None:
        mine = self.by_address.get(address, {})
        if connection in mine:
            del mine[connection]
            self.count -= 1
            if not mine:
                del self.by_address[address]


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's connection, which by itself takes heads of any size and waits for ever."""

    waiting: WaitingConnections  # set by `bounded`

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.opened_at = self.loop.time()
        self._head_bytes = 0
        self._wire_bytes = 0
        self._in_head = True
        self._saw_an_end = False
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._address = self.client[0] if self.client else ""
        if len(self.connections) > self.waiting.limits.connections:
            self.refuse(503)
            return
        self.waiting.add(self, self._address)
        self._arm(self.waiting.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        if self._write_timer is not None:
            self._write_timer.cancel()
        self.waiting.remove(self, self._address)
        super().connection_lost(exc)

    # what comes

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._wire_bytes += len(data)
        self._saw_an_end = False
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and not self._saw_an_end:
            self._head_bytes += len(data)
            if self._timer is None and not self._is_answering():
                self._arm(self.waiting.limits.head_seconds)
        if self._head_bytes > HEAD_BYTES:
            self.refuse(431)
        elif self._wire_bytes > self.waiting.limits.wire_bytes:
            self.refuse(413)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = self._wire_bytes = 0
        self._in_head = True
        if self._timer is None:
            self._arm(self.waiting.limits.head_seconds)

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        if self._head_bytes <= HEAD_BYTES:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Also of the trailers behind a body in chunks."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes <= HEAD_BYTES:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.waiting.remove(self, self._address)
        self._in_head = False
        self._saw_an_end = True
        if self._head_bytes > HEAD_BYTES:
            return  # `data_received` refuses it
        super().on_headers_complete()
        self._disarm()
        self._arm(self.waiting.limits.body_seconds)

    def on_body(self, body: bytes) -> None:
        if self._head_bytes <= HEAD_BYTES:
            super().on_body(body)
            if self.waiting.limits.is_streaming and self._timer is not None:
                self._disarm()
                self._arm(self.waiting.limits.body_seconds)

    def on_message_complete(self) -> None:
        self._disarm()
        self._in_head = self._saw_an_end = True
        if self._head_bytes <= HEAD_BYTES:  # else `data_received` refuses it
            self._head_bytes = 0
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """From here on another protocol has the connection, with limits of its own."""
        self._disarm()
        self.waiting.remove(self, self._address)
        super().handle_websocket_upgrade()

    # what goes

    def pause_writing(self) -> None:
        super().pause_writing()
        seconds = self.waiting.limits.write_seconds
        self._write_timer = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def refuse(self, status: int) -> None:
        """Say why, if nothing is being said already, and hang up."""
        self._disarm()
        self.waiting.remove(self, self._address)
        if not self._is_answering():
            self.transport.write(refusal(status))
        self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    # how long

    def _arm(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        self.refuse(408)


def refusal(status: int) -> bytes:
    """The whole reply to somebody who is not listened to any longer."""
    body = json.dumps(
        {"code": "invalid_input", "message": _TEXTS[status], "hint": "", "request_id": ""}
    ).encode()
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


class ChannelProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which takes a refusal with a body for a handshake that was forgotten."""

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True


def bounded(limits: HttpConnectionLimits) -> type[BoundedProtocol]:
    """The protocol for uvicorn; all of its connections share these limits."""
    members: dict[str, Any] = {"waiting": WaitingConnections(limits)}
    return type("Bounded", (BoundedProtocol,), members)
