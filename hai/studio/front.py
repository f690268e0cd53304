"""The front door: log in, then a page with a terminal, then one socket to one's own dashboard.

No cookie, no socket; no foreign origin, no reply. The server decides who somebody is: a token is
good if `whoami` says so, under the name that was typed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import WSMsgType, web

from hai.client.routes import ROUTES
from hai.studio import pages
from hai.studio.accounts import Accounts
from hai.studio.connections import Connections, Inner
from hai.studio.containers import ContainerPages
from hai.studio.platform import PlatformApi
from hai.studio.replies import form_of, html, seen
from hai.studio.running import Running
from hai.studio.sessions import LoginSession, LoginSessions, SessionLimits, spare
from hai.studio.throttle import LoginThrottle
from hai.studio.visitor import Visitor

COOKIE = "hai_studio"
MESSAGE_BYTES = 64 * 1024
_WATCH_SECONDS = 5.0
_WRONG = "user or token is wrong"
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class FrontOptions:
    """Where the server is, and what visitors may do."""

    server_url: str
    limits: SessionLimits = field(default_factory=SessionLimits)
    read_only: bool = False
    proxies: frozenset[str] = frozenset()  # addresses whose X-Forwarded-For is believed
    clock: Callable[[], float] = time.monotonic


class Front:
    """The handlers; `app` is what serves them."""

    def __init__(self, door: FrontOptions) -> None:
        self._door = door
        self._sessions = LoginSessions(door.limits, door.clock)
        self._throttle = LoginThrottle(door.clock)
        self._connections: Connections | None = None
        self.accounts = Accounts()
        self._sockets: dict[LoginSession, web.WebSocketResponse] = {}
        self._containers = ContainerPages(
            PlatformApi(door.server_url), self._sessions, self._session, read_only=door.read_only
        )
        self._running = Running(self._sessions.user_visitors, door.limits.visitors)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=16 * 1024, middlewares=[self._guarded])
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/terminal", self._terminal),
                web.post("/login", self._login),
                web.post("/logout", self._logout),
                web.post("/logout-everywhere", self._logout_everywhere),
                web.get("/ws", self._socket),
                web.get("/static/{name}", self._static),
                web.get("/health", self._health),
                *self._containers.routes(),
            ]
        )
        app.on_shutdown.append(self._close)
        return app

    def bounded(self, inner: Inner) -> Connections:
        """What a listener makes its connections with."""
        self._connections = Connections(inner)
        return self._connections

    @property
    def visitors(self) -> int:
        return len(self._sockets)

    # every request

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if self._connections is not None:
            self._connections.has_asked(request.transport)
        if not _same_origin(request):
            return web.Response(status=403, text="this comes from another page\n")
        try:
            reply = await handler(request)
        except web.HTTPException as error:
            error.headers.update(pages.headers(request.host))
            raise
        if not reply.prepared:
            reply.headers.update(pages.headers(request.host))
        return reply

    def _session(self, request: web.Request) -> LoginSession | None:
        return self._sessions.find(request.cookies.get(COOKIE, ""))

    # pages

    async def _index(self, request: web.Request) -> web.StreamResponse:
        session = self._session(request)
        if session is None:
            return html(pages.login_page())
        self._sessions.touch(session)
        return html(pages.desk_page(session.user))

    async def _terminal(self, request: web.Request) -> web.StreamResponse:
        if self._session(request) is None:
            raise web.HTTPForbidden(text="log in first\n")
        scheme = "wss" if _is_secure(request) else "ws"
        return html(pages.terminal_page(f"{scheme}://{request.host}/ws"))

    async def _static(self, request: web.Request) -> web.StreamResponse:
        found = pages.static(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return web.Response(body=found[0], content_type=found[1], charset="utf-8")

    async def _health(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async def _login(self, request: web.Request) -> web.StreamResponse:
        form = await form_of(request)
        user, token = form.get("user", ""), form.get("token", "")
        address = self._address(request)
        wait = self._throttle.begin(user, address)
        if wait > 0:
            page = pages.login_page(f"too many tries: wait {wait:.0f} s", user)
            return html(page, 429, {"Retry-After": f"{wait:.0f}"})
        name = await self._name_of(token) if token.isascii() and token.isprintable() else ""
        if name is None:
            self._throttle.undecided(user, address)
            return html(pages.login_page("the platform does not answer; try again", user), 503)
        if not name or name != user:
            return html(pages.login_page(_WRONG, user), 403)
        self._throttle.passed(user, address)
        session, over = self._sessions.begin(name, token)
        for old in over:
            await self._end(old)
        if session is None:
            return html(pages.login_page("too many people are logged in; try later", user), 503)
        reply = seen("/")
        reply.set_cookie(
            COOKIE,
            session.id,
            httponly=True,
            samesite="Strict",
            secure=_is_secure(request),
            path="/",
        )
        return reply

    def _address(self, request: web.Request) -> str:
        """Of the visitor, not of a proxy that is known to say whom it speaks for."""
        remote = request.remote or ""
        forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        return forwarded if forwarded and remote in self._door.proxies else remote

    async def _name_of(self, token: str) -> str | None:
        """The user of a token; "" when the server refuses it, None when it does not answer."""
        if not token:
            return ""
        headers = {"Authorization": f"Bearer {token}"}
        timeout = aiohttp.ClientTimeout(total=10)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as client,
                client.get(self._door.server_url + ROUTES["whoami"].path, headers=headers) as reply,
            ):
                if reply.status in (401, 403):
                    return ""
                if reply.status != 200:
                    return None
                answer: dict[str, Any] = await reply.json()
                return str(answer["user"]["name"])
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
            return None

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        session = self._session(request)
        if session is not None:
            await self._end(session)
        reply = seen("/")
        reply.del_cookie(COOKIE, path="/")
        return reply

    async def _logout_everywhere(self, request: web.Request) -> web.StreamResponse:
        """Ends every session of this user."""
        session = self._session(request)
        if session is not None:
            for one in self._sessions.of(session.user):
                await self._end(one)
        return await self._logout(request)

    async def _end(self, session: LoginSession) -> None:
        self._sessions.end(session)
        socket = self._sockets.pop(session, None)
        if socket is not None:
            await socket.close()

    # the socket

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        session = self._session(request)
        if session is None:
            raise web.HTTPForbidden(text="log in first\n")
        if await self._name_of(session.token) not in (session.user, None):
            await self._end(session)  # a platform that is away refuses nobody: it may be back soon
            raise web.HTTPForbidden(text="the token is not accepted any more\n")
        older = self._make_room(session)
        socket = web.WebSocketResponse(heartbeat=15, max_msg_size=MESSAGE_BYTES)
        self._sockets[session] = socket  # nothing was waited for since the look at the limits
        try:
            if older is not None:
                await older.close()
            await socket.prepare(request)
            async with self._running.place(session.user):
                if self._sockets.get(session) is socket:  # nobody took its place meanwhile
                    await self._serve(request, socket, session)
        finally:
            if self._sockets.get(session) is socket:
                del self._sockets[session]
            await socket.close()
        return socket

    def _make_room(self, session: LoginSession) -> web.WebSocketResponse | None:
        """The socket whose place a new one of this session takes, if it has to take any."""
        over: LoginSession | None = session  # the page was loaded again
        if session not in self._sockets:
            mine = [one for one in self._sockets if one.user == session.user]
            over = None
            if len(mine) >= self._sessions.user_visitors:
                over = mine[0]
            elif len(self._sockets) >= self._door.limits.visitors:
                over = spare(self._sockets, session.user)
                if over is None:
                    raise web.HTTPServiceUnavailable(
                        text="too many dashboards are open; try later\n"
                    )
        return None if over is None else self._sockets.pop(over)

    async def _serve(
        self, request: web.Request, socket: web.WebSocketResponse, session: LoginSession
    ) -> None:
        account = self.accounts.lend()
        visitor = Visitor(
            account=account,
            server_url=self._door.server_url,
            token=session.token,
            read_only=self._door.read_only,
            write_bytes=_quietly(socket.send_bytes),
            close=_quietly(socket.close),
        )
        width = _bounded(request.query.get("width"), 80, 20, 500)
        height = _bounded(request.query.get("height"), 24, 5, 200)
        try:
            await visitor.start(width, height)
        except BaseException:
            self.accounts.give_back(account)
            raise
        watching = asyncio.create_task(self._watch(socket, session))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._heard(message, socket, session, visitor)
        finally:
            watching.cancel()
            try:
                await visitor.leave()
            finally:
                self.accounts.give_back(account)

    async def _heard(
        self, message: Any, socket: web.WebSocketResponse, session: LoginSession, visitor: Visitor
    ) -> None:
        """One message of the page; what is none is passed over."""
        try:
            kind, data = message.json()[:2]
        except (ValueError, TypeError):
            return
        if kind == "stdin" and isinstance(data, str):
            self._sessions.touch(session)
            await visitor.send_bytes(data.encode("utf-8", "replace"))
        elif kind == "resize" and isinstance(data, dict):
            width, height = _bounded(data.get("width"), 80, 20, 500), data.get("height")
            await visitor.set_terminal_size(width, _bounded(height, 24, 5, 200))
        elif kind == "ping":
            await socket.send_json(["pong", data])
        elif kind == "focus":
            await visitor.focus()
        elif kind == "blur":
            await visitor.blur()

    async def _watch(self, socket: web.WebSocketResponse, session: LoginSession) -> None:
        """Ends a session that is idle or old."""
        pause = min(_WATCH_SECONDS, self._door.limits.idle_seconds / 4)
        while not self._sessions.is_over(session):  # noqa: ASYNC110 - time passes silently
            await asyncio.sleep(pause)
        await self._end(session)
        await socket.close()

    async def _close(self, _: web.Application) -> None:
        for socket in list(self._sockets.values()):
            await socket.close()


def _quietly(send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[None]]:
    """The browser may have gone."""

    async def sent(*data: Any) -> None:
        with suppress(ConnectionError, RuntimeError):
            await send(*data)

    return sent


def _is_secure(request: web.Request) -> bool:
    """Whether the visitor came by TLS, to us or to a proxy before us."""
    return request.secure or request.headers.get("X-Forwarded-Proto", "") == "https"


def _same_origin(request: web.Request) -> bool:
    """A browser says where a request comes from; what changes things must come from our pages."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.path != "/ws"
    return urlsplit(origin).netloc == request.host


def _bounded(value: object, otherwise: int, least: int, most: int) -> int:
    text = str(value)
    number = int(text) if text.isdigit() and len(text) < 6 else otherwise
    return max(least, min(most, number))
