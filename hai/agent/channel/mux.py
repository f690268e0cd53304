"""Many streams over one WebSocket, each with a window of its own: what one stream's reader does not
take holds up nobody else, and no end keeps more than the windows of its streams.

A message is one type, the stream's number, and the rest. A stream begins with OPEN from the client;
the worker answers READY or CLOSE.
"""

from __future__ import annotations

import json
import struct

from hai.agent.channel.websocket import MESSAGE_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hai.agent.channel.websocket import WebSocket

OPEN, READY, DATA, ERRORS, EOF, WINDOW, CONTROL, CLOSE = range(1, 9)
WINDOW_BYTES = 512 * 1024  # sent and not consumed yet, per stream and direction
STREAMS = 128  # at once
PIECE_BYTES = MESSAGE_BYTES - 16
_HEAD = struct.Struct(">BI")


class Broken(Exception):
    """The other end does not keep to the protocol."""


class Handler:
    """What a stream is for. Every call comes from the loop's thread."""

    def on_ready(self, info: dict[str, Any]) -> None:
        """The worker has begun."""

    def on_data(self, data: bytes, is_errors: bool) -> None:
        """Call stream.consumed(len(data)) when it is taken care of."""

    def on_eof(self) -> None:
        """Nothing more comes from the other end."""

    def on_control(self, message: dict[str, Any]) -> None:
        """resize, signal."""

    def on_close(self, message: dict[str, Any]) -> None:
        """The stream is over: `exit_code` or `error`; {} when the connection was lost."""


class Stream:
    """One end of one stream. Both directions end on their own (`eof`), `close` ends all."""

    def __init__(self, mux: Mux, number: int) -> None:
        self.number = number
        self.handler = Handler()
        self.is_closed = False
        self._mux = mux
        self._credit = WINDOW_BYTES
        self._room = WINDOW_BYTES  # what the other end may still send
        self._consumed = 0
        self._has_ended = False

    @property
    def may_send(self) -> int:
        """Bytes that may be sent now."""
        if self.is_closed or self._has_ended or self._mux.socket.is_full:
            return 0
        return self._credit

    def send(self, data: bytes, *, is_errors: bool = False) -> None:
        """At most `may_send` bytes."""
        self._credit -= len(data)
        for start in range(0, len(data), PIECE_BYTES):
            kind = ERRORS if is_errors else DATA
            self._mux.put(kind, self.number, data[start : start + PIECE_BYTES])

    def eof(self) -> None:
        if not self._has_ended and not self.is_closed:
            self._has_ended = True
            self._mux.put(EOF, self.number)

    def ready(self, **info: Any) -> None:
        self._mux.put_json(READY, self.number, info)

    def control(self, **message: Any) -> None:
        if not self.is_closed:
            self._mux.put_json(CONTROL, self.number, message)

    def close(self, **message: Any) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._mux.put_json(CLOSE, self.number, message)
            self._mux.forget(self.number)

    def consumed(self, count: int) -> None:
        """So many bytes are no longer kept here: the other end may send as many again."""
        self._consumed += count
        if self._consumed >= WINDOW_BYTES // 4 and not self.is_closed:
            self._mux.put(WINDOW, self.number, struct.pack(">I", self._consumed))
            self._room += self._consumed
            self._consumed = 0

    def receive(self, kind: int, rest: bytes) -> None:
        """One message of the other end. Broken."""
        if kind in (DATA, ERRORS):
            self._room -= len(rest)
            if self._room < 0:
                raise Broken("more data than its window allows")
            self.handler.on_data(rest, kind == ERRORS)
        elif kind == EOF:
            self.handler.on_eof()
        elif kind == WINDOW and len(rest) == 4:
            self._credit += struct.unpack(">I", rest)[0]
        elif kind == READY:
            self.handler.on_ready(_parsed(rest))
        elif kind == CONTROL:
            self.handler.on_control(_parsed(rest))
        elif kind == CLOSE:
            self.over(_parsed(rest))
        else:
            raise Broken("a message of no known kind")

    def over(self, message: dict[str, Any]) -> None:
        """The other end has closed, or is gone."""
        if not self.is_closed:
            self.is_closed = True
            self._mux.forget(self.number)
            self.handler.on_close(message)


class Mux:
    """All streams of one connection. `on_open` (the worker's end) gives a new stream its handler;
    the client's end has none and accepts no streams."""

    def __init__(
        self,
        socket: WebSocket,
        on_open: Callable[[Stream, dict[str, Any]], None] | None = None,
    ) -> None:
        self.socket = socket
        self.streams: dict[int, Stream] = {}
        self._on_open = on_open
        self._last = 0

    def open(self, handler: Handler | None, **info: Any) -> Stream:
        """A new stream of the client; None: its handler comes next. Broken when there are too
        many."""
        if len(self.streams) >= STREAMS:
            raise Broken("too many streams at once")
        self._last += 1
        stream = self.streams[self._last] = Stream(self, self._last)
        stream.handler = handler or stream.handler
        self.put_json(OPEN, self._last, info)
        return stream

    def put(self, kind: int, number: int, rest: bytes = b"") -> None:
        self.socket.send(_HEAD.pack(kind, number) + rest)

    def put_json(self, kind: int, number: int, value: dict[str, Any]) -> None:
        self.put(kind, number, json.dumps(value).encode())

    def forget(self, number: int) -> None:
        self.streams.pop(number, None)

    def feed(self, message: bytes) -> None:
        """One message of the socket. Broken."""
        if len(message) < _HEAD.size:
            raise Broken("a message without a head")
        kind, number = _HEAD.unpack(message[: _HEAD.size])
        rest = message[_HEAD.size :]
        if kind == OPEN:
            self._accept(number, _parsed(rest))
            return
        stream = self.streams.get(number)
        if stream is not None:  # else it was closed here while this was on its way
            stream.receive(kind, rest)

    def lost(self) -> None:
        """The connection is over, and with it every stream."""
        for stream in list(self.streams.values()):
            stream.over({})

    def _accept(self, number: int, info: dict[str, Any]) -> None:
        if self._on_open is None or number <= self._last:
            raise Broken("a stream that nobody asked for")
        self._last = number
        stream = Stream(self, number)
        if len(self.streams) >= STREAMS:
            stream.close(error=f"more than {STREAMS} streams at once")
            return
        self.streams[number] = stream
        self._on_open(stream, info)


def _parsed(rest: bytes) -> dict[str, Any]:
    try:
        value = json.loads(rest)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Broken("a message that is no JSON object")
    return value
