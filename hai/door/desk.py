"""Who may go in, and the connection to where: what requests and WebSockets have in common."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

from hai.core.identity import User
from hai.core.services import BUILT_IN, JUPYTER, Service, ServiceType, service_named
from hai.core.task import Task
from hai.core.types import TaskState, UserName
from hai.door.addresses import Addresses, Entrance
from hai.door.heads import Asked, Headers, cookies, refusal_of, safe_path
from hai.door.pages import Said, not_entered
from hai.door.sessions import DoorSessions
from hai.door.tunnels import DoorStream, Tunnel, Tunnels
from hai.errors import Conflict, HaiError, NotFound, Unavailable
from hai.ports import Identity, Tasks
from hai.ports.door import Visit
from hai.service.access import owns, require_owner

ENTER, LEAVE = "/.hai/enter", "/.hai/leave"
_READY_SECONDS = 10.0  # for a service to take a connection
_LOOK_AGAIN_SECONDS = 15.0  # at the session of a connection that stays open
_HOME = {JUPYTER: "/lab"}


@dataclass(frozen=True, slots=True)
class Guest:
    """A visitor with a good cookie, and what is behind this entrance."""

    entrance: Entrance
    secrets: Sequence[str]  # the cookies
    user: User
    task: Task
    service: Service


class DeskStore(Identity, Tasks, Protocol):
    """What is needed of the store here."""


class Desk:
    """`most`: connections of one user at once."""

    def __init__(
        self,
        store: DeskStore,
        addresses: Addresses,
        sessions: DoorSessions,
        tunnels: Tunnels,
        most: int,
    ) -> None:
        self._store = store
        self.addresses = addresses
        self.sessions = sessions
        self._tunnels = tunnels
        self._most = most
        self._open: Counter[UserName] = Counter()

    # for the API

    async def ticket(self, token: str, user: User, task: Task, name: str) -> str:
        """An address that opens the service once, for a minute. Denied, NotFound, Conflict;
        Unavailable while it does not answer."""
        require_owner(user, task, "enter it")
        service = service_named(task, name)
        if service is None or service.type is not ServiceType.HTTP or name in BUILT_IN - {JUPYTER}:
            raise NotFound(
                f"task {task.id} has no service {name!r} for the browser",
                hint=f"hai-cli describe {task.id} shows its services",
            )
        tunnel = await self._tunnels.to(user, task, service.ranks[0])
        (await self._connected(tunnel, service)).close()
        origin = await self.addresses.origin_of(task, name)
        code = await self.sessions.code(token, user.name, task, name, origin)
        query = urlencode({"code": code, "next": _HOME.get(name, "/")})
        return f"{origin}{ENTER}?{query}"

    async def where(self, user: UserName, name: str, service: str) -> str | None:
        """The origin of a service, by the names that users know."""
        task = await self._store.task_named(user, name)
        if task is None or task.state.is_final or service_named(task, service) is None:
            return None
        return await self.addresses.known_origin(task, service)

    # for browsers

    async def entrance(self, local_port: int, asked: Asked) -> Entrance:
        found = await self.addresses.entrance(local_port, asked.one(b"host").lower())
        if found is None:
            raise not_entered()
        return found

    async def enter(self, entrance: Entrance, code: str, after: str) -> Headers:
        """Headers of the answer that lets a browser in."""
        secret = await self.sessions.enter(code, entrance)
        if secret is None:
            raise Said(
                403,
                "This link has been used, or is too old",
                "A link is good once, for a minute. For another one:",
                "hai-cli dev open NAME",
            )
        return [
            (b"set-cookie", self._cookie(entrance, secret).encode()),
            (b"location", safe_path(after).encode()),
            (b"cache-control", b"no-store"),
            (b"referrer-policy", b"no-referrer"),
            (b"content-length", b"0"),
        ]

    async def leave(self, asked: Asked, entrance: Entrance) -> Headers:
        found = cookies(asked, self.addresses.cookie_name(entrance))
        await self.sessions.leave(found)
        expired = self._cookie(entrance, "") + "; Max-Age=0"
        return [(b"set-cookie", expired.encode())]

    def _cookie(self, entrance: Entrance, value: str) -> str:
        name = self.addresses.cookie_name(entrance)
        secure = "; Secure" if entrance.origin.startswith("https:") else ""
        return f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"

    async def admit(self, asked: Asked, entrance: Entrance, *, is_socket: bool = False) -> Guest:
        """Said when this is no visitor with a good session."""
        found = cookies(asked, self.addresses.cookie_name(entrance))
        visit = await self.sessions.visit(found, entrance)
        if visit is None:
            raise not_entered()
        why = refusal_of(asked, entrance, is_socket=is_socket)
        if why:
            raise Said(403, "This request was refused", why)
        return await self._guest(visit, entrance, found)

    async def _guest(self, visit: Visit, entrance: Entrance, found: Sequence[str]) -> Guest:
        task = await self._store.task(entrance.place.task_id)
        user = await self._store.user(visit.user)
        if task is None or user is None or not owns(user, task):
            raise not_entered()
        service = service_named(task, entrance.place.service)
        if service is None:
            raise not_entered()
        if task.state is not TaskState.RUNNING:
            raise Said(
                503,
                f"{task.name} does not run",
                f"Task {task.id} is {task.state.value}. This page comes back when it runs.",
                f"hai-cli why {task.id}",
                is_temporary=True,
            )
        return Guest(entrance, found, user, task, service)

    @contextmanager
    def counted(self, user: UserName) -> Iterator[None]:
        """A place for one connection. Said when there are too many."""
        if self._open[user] >= self._most:
            raise Said(
                503,
                "Too many connections",
                f"{user} has {self._most} connections through the door.",
                is_temporary=True,
            )
        self._open[user] += 1
        try:
            yield
        finally:
            self._open[user] -= 1
            if not self._open[user]:
                del self._open[user]

    async def connected(self, guest: Guest) -> tuple[DoorStream, Headers]:
        """A new connection to the service, and headers that it needs to know the door by."""
        try:
            tunnel = await self._tunnels.to(guest.user, guest.task, guest.service.ranks[0])
            more = await self._introduction(tunnel, guest.service)
            return self._opened(tunnel, guest.service), more
        except (Unavailable, Conflict) as error:
            raise _not_there(guest, error.message) from None

    async def until_over(self, guest: Guest) -> str:
        """Returns when a connection that stays open is not welcome any more."""
        while True:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            try:
                if await self.sessions.visit(guest.secrets, guest.entrance) is None:
                    return "the session has ended"
            except HaiError:  # the database is away: nobody can tell
                continue

    async def _connected(self, tunnel: Tunnel, service: Service) -> DoorStream:
        await self._introduction(tunnel, service)
        stream = self._opened(tunnel, service)
        try:
            await stream.until_ready(_READY_SECONDS)
        except BaseException:
            stream.close()
            raise
        return stream

    def _opened(self, tunnel: Tunnel, service: Service) -> DoorStream:
        if service.name == JUPYTER:
            return tunnel.open(kind="tcp", service=JUPYTER)
        return tunnel.open(kind="tcp", port=service.port)

    async def _introduction(self, tunnel: Tunnel, service: Service) -> Headers:
        """JupyterLab takes whoever knows its token, which never gets further than this."""
        if service.name != JUPYTER:
            return []
        if JUPYTER not in tunnel.secrets:
            stream = tunnel.open(kind="jupyter", want="token")
            told = await stream.until_ready(_READY_SECONDS)
            stream.close()
            if not told.get("token"):
                raise Unavailable("its agent is of an older release: start it again")
            tunnel.secrets[JUPYTER] = str(told["token"])
        return [(b"authorization", f"token {tunnel.secrets[JUPYTER]}".encode())]


def _not_there(guest: Guest, why: str) -> Said:
    return Said(
        503,
        f"{guest.service.name} does not answer",
        f"{guest.service.name} of task {guest.task.id}: {why}. This page comes back when it does.",
        is_temporary=True,
    )
