"""Connections to the front door, bounded before anybody has said who they are: how many there may
be, of one address and together, and how long one may take to ask for something."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

Inner = Callable[[], asyncio.Protocol]


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """`waiting`: connections that have not asked for anything yet; one more costs the oldest of the
    address with the most of them its place, if it is older than `patience_seconds` or there are
    `rush` of them. `connections`: all together."""

    head_seconds: float = 10.0
    patience_seconds: float = 2.0
    waiting: int = 128
    rush: int = 512
    connections: int = 2000


@dataclass(slots=True)
class Connections:
    """Makes the protocols of one listener; `inner` is what speaks HTTP."""

    inner: Inner
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    _waiting: dict[asyncio.BaseTransport, "Connection"] = field(default_factory=dict)
    count: int = 0

    def __call__(self) -> "Connection":
        return Connection(self, self.inner())

    def has_asked(self, transport: asyncio.BaseTransport | None) -> None:
        """A whole request came: from here on it is the handler's to bound."""
        connection = None if transport is None else self._waiting.pop(transport, None)
        if connection is not None:
            connection.disarm()

    def opened(self, transport: asyncio.BaseTransport, connection: "Connection") -> bool:
        """Whether it may stay."""
        self.count += 1
        if self.count > self.limits.connections:
            return False
        if len(self._waiting) >= self.limits.waiting:
            self._make_room()
        self._waiting[transport] = connection
        return True

    def closed(self, transport: asyncio.BaseTransport) -> None:
        self.count -= 1
        self._waiting.pop(transport, None)

    def _make_room(self) -> None:
        sizes = Counter(connection.address for connection in self._waiting.values())
        crowd = sizes.most_common(1)[0][0]
        oldest = next(t for t, one in self._waiting.items() if one.address == crowd)
        age = asyncio.get_running_loop().time() - self._waiting[oldest].opened_at
        if age >= self.limits.patience_seconds or len(self._waiting) >= self.limits.rush:
            self._waiting.pop(oldest).hang_up()


class Connection(asyncio.Protocol):
    """Passes everything on to the inner protocol until its time is over."""

    def __init__(self, connections: Connections, inner: asyncio.Protocol) -> None:
        self._connections = connections
        self._inner = inner
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self.address = ""
        self.opened_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport
        self.opened_at = asyncio.get_running_loop().time()
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        may_stay = self._connections.opened(transport, self)
        self._inner.connection_made(transport)
        if not may_stay:
            transport.close()
            return
        seconds = self._connections.limits.head_seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self.hang_up)

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.disarm()
        if self._transport is not None:
            self._connections.closed(self._transport)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
