"""What routes get: the services of this server and the user who asks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.datastructures import Headers
from starlette.responses import StreamingResponse

from hai.core.identity import User
from hai.core.server_role import ServerRole
from hai.core.task import Task
from hai.core.types import UserName
from hai.errors import AuthRequired, Unavailable
from hai.ports import Bus, Clock
from hai.server.places import StreamPlaces
from hai.server.sse import EventStream
from hai.service.allowances import AllowanceService
from hai.service.channels import Channels
from hai.service.cluster import ClusterService
from hai.service.dashboard import DashboardFeed
from hai.service.decision_reader import DecisionReader
from hai.service.estimates import Estimates
from hai.service.event_reader import EventReader
from hai.service.explanations import Explanations
from hai.service.idleness import IdleService
from hai.service.images import ImageService
from hai.service.last_tick import LastTick
from hai.service.logstream import LogStreams
from hai.service.loops.supervisor import Supervisor
from hai.service.monitoring import Monitoring
from hai.service.mounts import MountService
from hai.service.nodes import NodeService
from hai.service.tasks import TaskService
from hai.service.users import UserService
from hai.service.vacate import Vacating
from hai.service.views import Views
from hai.service.workers import WorkerService, WorkerTokens
from hai.service.workspaces import WorkspaceService


class TicketDesk(Protocol):
    """What the API needs of the door (hai.door.desk)."""

    async def ticket(self, token: str, user: User, task: Task, name: str) -> str:
        """An address that opens a service once, for a minute."""

    async def where(self, user: UserName, name: str, service: str) -> str | None:
        """The origin of a service, by the names that users know."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the composition root has put together."""

    role: ServerRole
    bus: Bus
    clock: Clock
    last_tick: LastTick
    tasks: TaskService
    users: UserService
    cluster: ClusterService
    nodes: NodeService
    images: ImageService
    mounts: MountService
    allowances: AllowanceService
    workers: WorkerService
    tokens: WorkerTokens
    channels: Channels
    views: Views
    dashboard: DashboardFeed
    estimates: Estimates
    explanations: Explanations
    idle: IdleService
    logs: LogStreams
    vacating: Vacating
    events: EventReader
    decisions: DecisionReader
    monitoring: Monitoring
    supervisor: Supervisor
    places: StreamPlaces
    workspaces: WorkspaceService
    packs_environments: bool  # nodes have a folder for them (agent.env_dir)
    door: TicketDesk | None = None  # None: there is none


async def services(request: Request) -> Services:
    """The services of the app that serves this request.

    Async, as every dependency here: FastAPI sends plain functions to a thread, which costs more
    than they do.
    """
    found: Services = request.app.state.services
    return found


Served = Annotated[Services, Depends(services)]


def bearer(headers: Headers) -> str:
    """The bearer token among these headers; AuthRequired without one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AuthRequired(
            "this needs a token in the Authorization header",
            hint="log in: hai-cli init --url URL",
        )
    return token.strip()


class _BearerToken(SecurityBase):
    """The bearer token of the request; AuthRequired without one. A class of FastAPI's kind, so that
    the API's description says which routes need it."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="`hai-cli users token` makes one")
        self.scheme_name = "token"

    async def __call__(self, request: Request) -> str:
        return bearer(request.headers)


Bearer = Annotated[str, Security(_BearerToken())]


async def caller(token: Bearer, served: Served) -> User:
    """The user who asks."""
    return await served.users.authenticate(token)


Caller = Annotated[User, Depends(caller)]


_CHECKED = "/api/v1/dry-run/"
ONLY_CHECKED = (
    "The route without /dry-run, with dry_run=true: its answer and its errors, and nothing is "
    "written. A server that is too old does not know this path; it would overlook the query."
)


async def is_dry_run(request: Request, *, dry_run: bool = False) -> bool:
    """Whether a change is only checked: asked for by the query, or by the path (ONLY_CHECKED)."""
    return dry_run or request.url.path.startswith(_CHECKED)


DryRun = Annotated[bool, Depends(is_dry_run)]


class StreamReply(Protocol):
    """Makes the reply of a stream. `is_never_quiet`: it says something every KEEP_ALIVE_SECONDS by
    itself."""

    def __call__(
        self, events: AsyncIterator[bytes], *, is_never_quiet: bool = False
    ) -> StreamingResponse: ...


async def streaming(token: Bearer, user: Caller, served: Served) -> StreamReply:
    """Its reader is told to come again when the token is revoked or has expired, and is refused
    then. TooMany when the user has too many streams open."""

    async def is_welcome() -> bool:
        try:
            await served.users.authenticate(token)
        except AuthRequired:
            return False
        except Unavailable:  # the database is away: nobody can tell
            return True
        return True

    def reply(events: AsyncIterator[bytes], *, is_never_quiet: bool = False) -> StreamingResponse:
        place = served.places.take(user.name)
        return EventStream(events, is_welcome, place, is_never_quiet=is_never_quiet)

    served.places.take(user.name)()  # before anything is done for it
    return reply


Streaming = Annotated[StreamReply, Depends(streaming)]
