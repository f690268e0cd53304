"""What wraps every request: an id, the version header, a size limit."""

import secrets

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hai import __version__

log = structlog.get_logger("hai.http")

LARGEST_BODY_BYTES = 1 << 20
_TOO_LARGE = (
    b'{"code":"invalid_input","message":"the request is larger than 1 MiB",'
    b'"hint":"","request_id":""}'
)


class Envelope:
    """Pure ASGI, so that streams pass through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY_BYTES:
            await _refuse(send)
            return
        request_id = secrets.token_hex(8)
        scope["hai.request_id"] = request_id
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY_BYTES:  # a chunked body without a length
                raise HTTPException(413, "the request is larger than 1 MiB")
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

        await self._app(scope, counted, labelled)


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": _TOO_LARGE})
