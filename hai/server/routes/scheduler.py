"""/scheduler: the decision log, for whoever wants to decide it again."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from hai.core.replay import Record
from hai.server.deps import Caller, Served
from hai.server.routes.streams import parse_time
from hai.service.access import require_admin
from hai.service.views import rfc3339

router = APIRouter(prefix="/scheduler", tags=["scheduler"])


class JournalParams(BaseModel):
    """`since` and `until`: RFC 3339; `after`: the id of the last record that is known."""

    since: str | None = None
    until: str | None = None
    after: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=1000)


@router.get("/journal")
async def journal(
    user: Caller, served: Served, params: Annotated[JournalParams, Query()]
) -> dict[str, Any]:
    """Inputs, decisions and reasons of the scheduler's ticks, oldest first, from the last snapshot
    before `since` on. For admins: it names everybody's tasks."""
    require_admin(user, "reading the scheduler's decision log")
    since, until = parse_time(params.since), parse_time(params.until)
    records = await served.decisions.records(since, until, after=params.after, limit=params.limit)
    return {"schema_version": 1, "records": [_view(record) for record in records]}


def _view(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "at": record.at,  # Unix seconds, to the last bit: a replay needs it so
        "time": rfc3339(record.at),
        "kind": record.kind,
        "policy": record.policy,
        "digest": record.digest,
        **record.body,
    }
