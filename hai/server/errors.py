"""The one place where errors become replies."""

import re
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from hai.errors import HaiError, Unavailable
from hai.schema.http_status import STATUS
from hai.schema.views import ErrorBody
from hai.server.wording import complaint

log = structlog.get_logger("hai.http")

# What the API's description says of every route.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {"model": ErrorBody, "description": "What went wrong, and what to do about it"}
}

_CODE_OF_STATUS = {
    400: "invalid_input",
    404: "not_found",
    405: "invalid_input",
    413: "invalid_input",
}


def reply(
    request: Request,
    status: int,
    code: str,
    message: str,
    hint: str = "",
    details: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An ErrorBody with its status."""
    request_id = request.scope.get("hai.request_id", "")
    body: ErrorBody = {
        "code": code,
        "message": message,
        "hint": hint,
        "request_id": str(request_id),
    }
    if details:
        body["details"] = dict(details)
    return JSONResponse(body, status, headers)


async def hai_error(request: Request, error: Exception) -> JSONResponse:
    """The reply that tells of a HaiError."""
    if not isinstance(error, HaiError):
        raise error
    headers = {}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = f"{max(1, round(error.retry_after_seconds))}"
    if error.code == "auth_required":
        headers["WWW-Authenticate"] = "Bearer"
    status = STATUS.get(error.code, 500)
    return reply(request, status, error.code, error.message, error.hint, error.details, headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """The first complaint of the validation, in one line that names the field."""
    if not isinstance(error, RequestValidationError):
        raise error
    return reply(request, 422, "invalid_input", complaint(error.errors()[0]))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    code = _CODE_OF_STATUS.get(error.status_code, "error")
    message = f"{request.method} {request.url.path}: {error.detail}"
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request))
    hint = "see /docs for the routes"
    return reply(request, error.status_code, code, message, hint, headers=headers)


def _methods(request: Request) -> list[str]:
    """What may be asked of this path: of all of its routes (Starlette names those of the first)."""
    found: set[str] = set()
    for template, asked in request.app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), request.url.path):
            found |= {method.upper() for method in asked}
    return sorted(found) or ["GET"]  # pages are not described


async def _bug(request: Request, error: Exception) -> JSONResponse:
    log.error("bug", path=request.url.path, exc_info=error)
    return reply(
        request,
        500,
        "platform_error",
        "the server failed to serve this request",
        "its log has the details under this request id",
    )


def install(app: FastAPI) -> None:
    """Make every error of the app an ErrorBody."""
    app.add_exception_handler(HaiError, hai_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)
