"""/dashboard: everything at once, or a stream of what changes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response, StreamingResponse

from hai.errors import Unavailable
from hai.schema.dashboard import DashboardView
from hai.server.deps import Caller, Served, Streaming
from hai.server.sse import sse

router = APIRouter(prefix="/dashboard", tags=["dashboard"])


_ROWS_AT_ONCE = 500  # are made JSON of, before others are served


@router.get("", response_model=DashboardView)
async def dashboard(user: Caller, served: Served) -> Response:
    """Nodes, unfinished and just finished tasks, the order of service, quotas, the last hour."""
    view: dict[str, object] = {**await served.dashboard.whole(user)}
    rows = view.pop("tasks")
    assert isinstance(rows, list)  # noqa: S101 - for the type checker
    parts = []
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        parts.append(_json(rows[first : first + _ROWS_AT_ONCE])[1:-1])
        await asyncio.sleep(0)
    body = b"".join((_json(view)[:-1], b',"tasks":[', b",".join(parts), b"]}"))
    return Response(body, media_type="application/json")


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


@router.get("/stream")
async def stream(
    user: Caller,
    served: Served,
    reply: Streaming,
    cursor: str = "",
    last_event_id: Annotated[str, Header()] = "",
) -> StreamingResponse:
    """The same in pieces, and then what changes, as it changes. Ids are cursors to resume from."""

    async def pieces() -> AsyncIterator[bytes]:
        start = last_event_id or cursor
        with suppress(Unavailable):  # the database is away: readers come back with their cursor
            async for piece in served.dashboard.follow(user, start, served.logs.closing):
                yield sse("dashboard", piece, piece["cursor"] or None)

    return reply(pieces())
