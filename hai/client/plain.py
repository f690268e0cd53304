"""Talking to the server with the standard library alone: inside tasks, and where start-up time
counts (shell completion). Also how the server's error bodies become HaiError values.

Runs on Python 3.8.
"""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from hai.client.routes import ROUTES, route_path
from hai.errors import KINDS, HaiError, TimedOut, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hai.client.profile import Profile

HINT_UNREACHABLE = (
    "`hai-up status` tells whether a server runs here, `hai-up run -p local` starts one; "
    "`hai-cli init --url URL` names another"
)


ERRORS = KINDS


def error_from_body(status: int, body: object, url: str) -> HaiError:
    """The error that a reply which is not 2xx stands for.

    `body` is an ErrorBody; anything else means that `url` is no HAI server. An unknown code becomes
    a HaiError that keeps the code. The request id is in `details["request_id"]`.
    """
    if not isinstance(body, dict) or not isinstance(body.get("code"), str):
        return no_server(url, f"HTTP {status} without HAI's error body")
    kind = ERRORS.get(body["code"]) or type("RemoteError", (HaiError,), {"code": body["code"]})
    details = dict(body.get("details") or {})
    if body.get("request_id"):
        details["request_id"] = body["request_id"]
    message = str(body.get("message") or f"the server refused (HTTP {status})")
    error: HaiError = kind(message, hint=str(body.get("hint") or ""), details=details)
    return error


def no_server(url: str, what: str) -> Unreachable:
    """Something answers at `url`, and it is not HAI."""
    return Unreachable(
        f"{url} answers, but not as a HAI server ({what})",
        hint="check host and port of the URL: `hai-cli init --url URL`",
    )


def unreachable(url: str, why: object) -> Unreachable:
    """Nothing answers at `url`."""
    return Unreachable(f"no answer from {url}: {why}", hint=HINT_UNREACHABLE)


def timed_out(url: str, seconds: float) -> TimedOut:
    """No whole answer in time."""
    return TimedOut(
        f"{url} did not answer within {seconds:g} s",
        hint="try again, with a longer --timeout if the server is busy",
    )


def query_string(params: Mapping[str, Any] | None) -> str:
    """`?a=1&b=2`; None is left out, lists are repeated, booleans are 1 and 0."""
    pairs = []
    for key, value in (params or {}).items():
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if item is not None:
                text = str(int(item) if isinstance(item, bool) else item)
                pairs.append((key, text))
    return "?" + urlencode(pairs) if pairs else ""


class PlainClient:
    """One request per connection. Raises HaiError for everything that goes wrong."""

    def __init__(self, profile: Profile, timeout_seconds: float = 60.0) -> None:
        self._profile = profile
        self._timeout_seconds = timeout_seconds

    def call(
        self,
        name: str,
        /,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        **parts: object,
    ) -> Any:
        """The decoded JSON answer of route `name` (hai.client.routes); None when it is empty."""
        status, raw = self.exchange(name, params=params, body=body, **parts)
        url = self._profile.url
        try:
            answer = json.loads(raw) if raw else None
        except ValueError:
            raise no_server(url, f"HTTP {status}, not JSON") from None
        if not 200 <= status < 300:
            raise error_from_body(status, answer, url)
        return answer

    def exchange(
        self,
        name: str,
        /,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        **parts: object,
    ) -> tuple[int, bytes]:
        """Status and raw body. A repeatable route is tried twice when the connection breaks."""
        route = ROUTES[name]
        target = route_path(route, **parts) + query_string(params)
        for last in (not route.repeatable, True):
            try:
                return self._once(route.method, target, body)
            except Unreachable:
                if last:
                    raise
        raise AssertionError("unreachable")

    def _once(self, method: str, target: str, body: Any) -> tuple[int, bytes]:
        url = self._profile.require_url()
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._timeout_seconds)
        headers = {"Authorization": f"Bearer {self._profile.require_token()}"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, parts.path + target, body=data, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        except socket.timeout:  # noqa: UP041 (TimeoutError's own class before 3.10)
            raise timed_out(url, self._timeout_seconds) from None
        except http.client.HTTPException as error:
            raise no_server(url, type(error).__name__) from None
        except OSError as error:
            raise unreachable(url, error.strerror or error) from None
        finally:
            connection.close()
