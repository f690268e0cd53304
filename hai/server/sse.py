"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from starlette.responses import StreamingResponse

KEEP_ALIVE_SECONDS = 15.0
_KEEP_ALIVE = b": keep-alive\n\n"


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
                yield _KEEP_ALIVE
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


def event_stream(
    events: AsyncIterator[bytes], may_go_on: Callable[[], Awaitable[bool]]
) -> StreamingResponse:
    """A reply that is not cached and not buffered on its way; it ends early when it may not go
    on any more, which is asked every KEEP_ALIVE_SECONDS."""
    return StreamingResponse(
        _kept_alive(events, may_go_on),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
