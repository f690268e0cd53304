"""/dashboard: everything at once, or a stream of what changes."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse
from starlette.responses import StreamingResponse

from hai.errors import Unavailable
from hai.schema.dashboard import DashboardView
from hai.server.deps import Caller, Served, Streaming
from hai.server.sse import sse

router = APIRouter(prefix="/dashboard", tags=["dashboard"])


@router.get("", response_model=DashboardView)
async def dashboard(user: Caller, served: Served) -> JSONResponse:
    """Nodes, unfinished and just finished tasks, the order of service, quotas, the last hour."""
    return JSONResponse(await served.dashboard.whole(user))


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
