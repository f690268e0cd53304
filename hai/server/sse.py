"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import asyncio
import json
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

KEEP_ALIVE_SECONDS = 15.0
KEEP_ALIVE = b": keep-alive\n\n"


def sse(event: str, data: object, cursor: str | None = None) -> bytes:
    """One event; `cursor` becomes its id, which a client sends back as Last-Event-ID."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    head = f"id: {cursor}\n" if cursor is not None else ""
    return f"{head}event: {event}\ndata: {text}\n\n".encode("utf-8", "replace")


async def _kept_alive(
    events: AsyncIterator[bytes], may_go_on: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    """The events, with a comment whenever nothing was said for a while, so that proxies and
    clients can tell a quiet stream from a dead one. As often it is asked whether it may go on."""
    pending: asyncio.Task[bytes] | None = None
    clock = asyncio.get_running_loop().time
    asked_at = clock()
    try:
        while True:
            if clock() - asked_at >= KEEP_ALIVE_SECONDS:
                if not await may_go_on():
                    return
                asked_at = clock()
            if pending is None:
                pending = asyncio.ensure_future(_next(events))
            done, _ = await asyncio.wait({pending}, timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield KEEP_ALIVE
                continue
            event = pending.result()
            pending = None
            if not event:
                return
            yield event
    finally:
        if pending is not None and not pending.done():
            pending.cancel()
            with suppress(asyncio.CancelledError):
                await pending


async def _next(events: AsyncIterator[bytes]) -> bytes:
    """The next event; b"" at the end (a task cannot carry StopAsyncIteration)."""
    try:
        return await anext(events)
    except StopAsyncIteration:
        return b""


async def _asked(
    events: AsyncIterator[bytes], may_go_on: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    """As `_kept_alive`, for events that say something often enough by themselves."""
    clock = asyncio.get_running_loop().time
    asked_at = clock()
    async for event in events:
        if clock() - asked_at >= KEEP_ALIVE_SECONDS:
            if not await may_go_on():
                return
            asked_at = clock()
        yield event


class EventStream(StreamingResponse):
    """A reply that is not cached and not buffered on its way; it ends early when it may not go on
    any more, which is asked every KEEP_ALIVE_SECONDS. `close` is called when it has ended, however
    that came."""

    def __init__(
        self,
        events: AsyncIterator[bytes],
        may_go_on: Callable[[], Awaitable[bool]],
        close: Callable[[], object],
        *,
        is_never_quiet: bool = False,
    ) -> None:
        kept = _asked if is_never_quiet else _kept_alive
        super().__init__(
            kept(events, may_go_on),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        self._close = weakref.finalize(self, close)  # also when nobody ever asks for its body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()
