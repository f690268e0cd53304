"""What wraps every request: an id, the version header, a size limit; no body without a token."""

import secrets

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hai import __version__
from hai.errors import HaiError
from hai.server import errors
from hai.server.deps import Services, bearer
from hai.service.workers import parse_key

log = structlog.get_logger("hai.http")

_AGENTS = "/api/v1/agent/"
_WORKSPACES = "/api/v1/workspaces/"
LARGEST_BODY_BYTES = 1 << 20
LARGEST_PACK_BYTES = 4 << 20  # chunks of a workspace
LARGEST_UNPROVEN_BYTES = 64 * 1024  # an agent's, as long as it has not said which worker it is of
_TOO_LARGE = (
    b'{"code":"invalid_input","message":"the request is larger than 1 MiB",'
    b'"hint":"","request_id":""}'
)


class Envelope:
    """Pure ASGI, so that streams pass through untouched."""

    def __init__(self, app: ASGIApp, doorkeeper: "Doorkeeper") -> None:
        self._app = app
        self._doorkeeper = doorkeeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        most = most_of(scope["path"])
        if not length.isdigit() or int(length) > most:
            await _refuse(send)
            return
        request_id = secrets.token_hex(8)
        scope["hai.request_id"] = request_id
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:  # a chunked body without a length
                raise HTTPException(413, f"the request is larger than {most >> 10} KiB")
            return message

        async def labelled(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers["X-HAI-Version"] = __version__
                log.debug(
                    "request",
                    id=request_id,
                    method=scope["method"],
                    path=scope["path"],
                    status=message["status"],
                )
            await send(message)

        if has_body(headers):
            try:
                most = await self._doorkeeper(scope["path"], headers)
            except HaiError as error:
                request = Request(scope)
                await (await errors.hai_error(request, error))(scope, receive, labelled)
                return
        await self._app(scope, counted, labelled)


def most_of(path: str) -> int:
    """How many bytes of a body this path takes."""
    is_pack = path.startswith(_WORKSPACES) and path.endswith("/chunks")
    return LARGEST_PACK_BYTES if is_pack else LARGEST_BODY_BYTES


def has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


class Doorkeeper:
    """Looks at the token before anything of a body is read."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, path: str, headers: Headers) -> int:
        """How many bytes of a body are taken from whoever asks; AuthRequired without a token."""
        token = bearer(headers)
        if not path.startswith(_AGENTS):
            await self._services.users.authenticate(token)
            return most_of(path)
        worker = headers.get("x-hai-worker")
        if worker is None:  # an agent of an older release: its body says which worker it is of
            return LARGEST_UNPROVEN_BYTES
        self._services.tokens.check(parse_key(worker), token)
        return LARGEST_BODY_BYTES


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": _TOO_LARGE})
