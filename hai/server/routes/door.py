"""The way to the door: tickets for those with a token, and the addresses that users know."""

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from hai.core.types import UserName
from hai.errors import NotFound
from hai.schema.views import TicketView
from hai.server.deps import Bearer, Caller, Served

router = APIRouter(tags=["door"])
known = APIRouter(include_in_schema=False)


class Wish(BaseModel):
    """Which service of the task."""

    model_config = ConfigDict(extra="forbid")

    service: str = Field(default="jupyter", max_length=64)


@router.post("/tasks/{ref}/door")
async def ticket(ref: str, wish: Wish, token: Bearer, user: Caller, served: Served) -> TicketView:
    """An address that opens a service in a browser: once, within a minute. Unavailable while the
    service does not answer yet."""
    task = await served.tasks.find(user, ref)
    if served.door is None:
        raise NotFound(
            "this platform has no door for browsers",
            hint=f"hai-cli port-forward {task.id} PORT, or an admin sets [door]",
            details={"door": False},
        )
    return {"url": await served.door.ticket(token, user, task, wish.service)}


@known.get("/{user}/{task}/{service}/{rest:path}")
async def redirect(
    user: str, task: str, service: str, rest: str, request: Request, served: Served
) -> RedirectResponse:
    """The address by names leads to the service's own origin, whoever asks: who may go in is asked
    there. NotFound."""
    if user == "api":  # an address of ours that is none
        raise HTTPException(404)
    door = served.door
    origin = await door.where(UserName(user), task, service) if door is not None else None
    if origin is None:
        raise NotFound("there is no such service")
    # what is behind the path stays as it was written
    raw = request.scope.get("raw_path", b"").decode("latin-1")
    parts = raw.split("/", 4)
    path = raw if service != "jupyter" else "/" + (parts[4] if len(parts) > 4 else "")
    query = request.scope["query_string"].decode("latin-1")
    return RedirectResponse(f"{origin}{path}{'?' + query if query else ''}", 307)
