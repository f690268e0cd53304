"""WebSockets as the sides of a channel, and the bytes between two of them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from hai.errors import NotFound, Unavailable
from hai.service.channels import Carrier

MESSAGE_BYTES = 128 * 1024  # the largest that is taken
PING_SECONDS = 10.0  # three without an answer: the other side is gone
_OPEN_SECONDS = 10.0
_CLOSE_SECONDS = 5.0  # for a goodbye that nobody reads
_SAID_BYTES = 120  # what a close frame holds


class Accepted:
    """The connection of somebody who came here: a client or an agent."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.reason = ""

    async def receive(self) -> bytes | None:
        try:
            message = await self._socket.receive()
        except RuntimeError:  # it was closed before
            return None
        if message["type"] == "websocket.disconnect":
            self.reason = str(message.get("reason") or "")
        data: bytes | None = message.get("bytes")
        return data

    async def send(self, data: bytes) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):  # `receive` tells
            await self._socket.send_bytes(data)

    async def close(self, reason: str) -> None:
        if self._socket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._socket.close(1001, _said(reason))


class Peer:
    """A connection to another api process."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def receive(self) -> bytes | None:
        try:
            data = await self._connection.recv()
        except ConnectionClosed:
            return None
        return data if isinstance(data, bytes) else None

    async def send(self, data: bytes) -> None:
        with suppress(ConnectionClosed):
            await self._connection.send(data)

    async def close(self, reason: str) -> None:
        with suppress(WebSocketException, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._connection.close(1001, _said(reason))

    @property
    def reason(self) -> str:
        """What the other process said at the end."""
        return self._connection.close_reason or ""


async def to_peer(url: str, path: str, headers: dict[str, str]) -> Peer:
    """Unavailable when it does not answer, NotFound when it does not want it."""
    address = "ws" + url.removeprefix("http") + path
    limits: dict[str, Any] = {
        "max_size": MESSAGE_BYTES,
        "max_queue": 4,
        "write_limit": MESSAGE_BYTES,
        "ping_interval": PING_SECONDS,
        "ping_timeout": 2 * PING_SECONDS,
        "open_timeout": _OPEN_SECONDS,
        "close_timeout": _CLOSE_SECONDS,
        "compression": None,
        "proxy": None,
    }
    try:
        return Peer(await connect(address, additional_headers=headers, **limits))
    except InvalidStatus:
        raise NotFound("nobody waits for this channel any more") from None
    except (OSError, WebSocketException) as error:
        raise Unavailable(f"the server at {url} does not answer: {error}") from None


async def carry(
    one: Carrier,
    other: Carrier,
    idle_seconds: float,
    until: Callable[[], Awaitable[str]],
) -> str:
    """Bytes both ways, each message only when the one before it was taken, until one side or
    `until` ends; why it ended, "" for the sides' own will."""
    clock = asyncio.get_running_loop().time
    moved_at = clock()

    async def move(source: Carrier, target: Carrier) -> str:
        nonlocal moved_at
        while (data := await source.receive()) is not None:
            moved_at = clock()
            await target.send(data)
        return ""

    async def idle() -> str:
        while (left := moved_at + idle_seconds - clock()) > 0:  # noqa: ASYNC110 - what moves
            await asyncio.sleep(left)
        return f"nothing was said for {idle_seconds:g} s"

    works = (move(one, other), move(other, one), idle(), until())
    jobs = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        return next((why for job in done if (why := job.result())), "")
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


def _said(reason: str) -> str:
    return reason.encode()[:_SAID_BYTES].decode("utf-8", "ignore")
