"""The synchronous client behind the CLI: JSON calls and event streams over one connection pool.

httpx2 is imported when the client is built, so that importing this module costs nothing. The token
travels in a header only; neither messages nor the trace hold it.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hai.client.events import Resume, ServerEvent, read_resumed
from hai.client.plain import error_from_body, no_server, query_string, timed_out, unreachable
from hai.client.profile import LOOPBACK
from hai.client.routes import ROUTES, route_path
from hai.errors import HaiError, Unavailable, Unreachable

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

    import httpx2

    from hai.client.profile import Profile

RETRY_DELAYS_SECONDS = (0.1, 0.3, 0.6)
SILENCE_SECONDS = 45.0  # three missed keep-alives of a stream


class HaiClient:
    """Calls routes by name (hai.client.routes). Every failure is a HaiError.

    `trace` hears one line per request (method, path, status, duration, request id). `wait` sleeps
    between tries. `direct` is for who stands beside the server and has patience of its own: one
    try, no proxy whatever the environment says, and no token where it has none.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        timeout_seconds: float = 60.0,
        trace: Callable[[str], None] | None = None,
        wait: Callable[[float], object] = time.sleep,
        direct: bool = False,
    ) -> None:
        import httpx2

        self._library = httpx2
        self.url = profile.require_url()
        self.timeout_seconds = timeout_seconds
        self.server_version = ""  # of the last reply
        self._trace = trace
        self._wait = wait
        token = profile.token if direct else profile.require_token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # A proxy from the environment is never meant for this machine.
        has_proxy = not direct and urlsplit(self.url).hostname not in LOOPBACK
        self._delays = () if direct else RETRY_DELAYS_SECONDS
        try:
            self._http = httpx2.Client(
                base_url=self.url,
                headers=headers,
                timeout=timeout_seconds,
                trust_env=has_proxy,
                verify=_trust(self.url, has_proxy=has_proxy),
            )
        except (ImportError, ValueError) as error:  # SOCKS, or no proxy at all
            raise Unreachable(
                f"the proxy in the environment cannot be used: {error}",
                hint="unset ALL_PROXY, or put the server's name into NO_PROXY",
            ) from error

    def __enter__(self) -> HaiClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def call(
        self,
        name: str,
        /,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        **parts: object,
    ) -> Any:
        """The decoded answer of a route; None when it has no content.

        A repeatable route is retried on a lost connection and when the server says "not now"; any
        route is when the connection was not even made.
        """
        response = self._tried(name, params, {"json": body}, parts)
        if response.status_code == 204 or (response.is_success and not response.content):
            return None
        return self._answer(response)

    def exchange(
        self,
        name: str,
        /,
        *,
        content: bytes | None = None,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        **parts: object,
    ) -> bytes:
        """The same in bytes: `content` is sent as it is (or `body` as JSON)."""
        sent = {"json": body} if content is None else {"content": content}
        response = self._tried(name, params, sent, parts)
        if not response.is_success:
            self._answer(response)
        return response.content

    def status(self, name: str, /) -> int:
        """The HTTP status of a route's answer, whatever it says. Raises Unreachable, TimedOut."""
        route = ROUTES[name]
        with self._translated():
            return int(self._http.request(route.method, route.path).status_code)

    def _tried(
        self,
        name: str,
        params: Mapping[str, Any] | None,
        sent: Mapping[str, Any],
        parts: Mapping[str, object],
    ) -> httpx2.Response:
        route = ROUTES[name]
        path = route_path(route, **parts) + query_string(params)
        for delay in (*self._delays, None):
            try:
                return self._once(route.method, path, sent)
            except (Unreachable, Unavailable) as error:
                arrived = not isinstance(error.__cause__, self._library.ConnectError)
                if delay is None or (arrived and not route.repeatable):
                    raise
                self._wait(max(delay, min(getattr(error, "retry_after_seconds", 0.0), 2.0)))
        raise AssertionError("unreachable")

    def events(
        self,
        name: str,
        resume: Resume,
        /,
        *,
        params: Mapping[str, Any] | None = None,
        **parts: object,
    ) -> Iterator[ServerEvent]:
        """Events of a streaming route until its end, resumed over lost connections."""
        path = route_path(ROUTES[name], **parts)

        @contextmanager
        def connect(cursor: str) -> Iterator[Iterable[bytes]]:
            query = dict(params or {})
            if cursor:  # what was asked for at first lies behind the cursor
                query = {k: v for k, v in query.items() if k not in ("tail", "since", "last")}
                query["cursor"] = cursor
            with self._stream(path + query_string(query), cursor) as chunks:
                yield chunks

        return read_resumed(connect, resume, str((params or {}).get("cursor") or ""))

    def _once(self, method: str, path: str, sent: Mapping[str, Any]) -> httpx2.Response:
        """Raises Unavailable for "not now", so that it is tried again."""
        started = time.monotonic()
        with self._translated():
            response = self._http.request(method, path, **sent)
        self._note(method, path, response, started)
        if response.status_code == 503:
            self._answer(response)
        return response

    @contextmanager
    def _stream(self, path: str, cursor: str) -> Iterator[Iterable[bytes]]:
        started = time.monotonic()
        headers = {"Accept": "text/event-stream"}
        if cursor:
            headers["Last-Event-ID"] = cursor
        timeout = self._library.Timeout(self.timeout_seconds, read=SILENCE_SECONDS)
        with (
            self._translated(streaming=True),
            self._http.stream("GET", path, headers=headers, timeout=timeout) as response,
        ):
            self._note("GET", path, response, started)
            if not response.is_success:
                response.read()
                self._answer(response)
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise no_server(self.url, "no event stream")
            yield response.iter_raw()

    @contextmanager
    def _translated(self, *, streaming: bool = False) -> Iterator[None]:
        library = self._library
        try:
            yield
        except library.TimeoutException as error:
            if streaming or isinstance(error, library.ConnectTimeout):
                raise unreachable(self.url, "silence") from error
            raise timed_out(self.url, self.timeout_seconds) from error
        except library.RemoteProtocolError as error:
            if "disconnected" in str(error) or "closed" in str(error):
                raise unreachable(
                    self.url, "it closed the connection; is it HAI's port?"
                ) from error
            raise no_server(self.url, "it does not speak HTTP") from error
        except (library.RequestError, library.InvalidURL) as error:
            raise unreachable(self.url, _reason(error)) from error

    def _answer(self, response: httpx2.Response) -> Any:
        status = response.status_code
        try:
            decoded = json.loads(response.content)
        except ValueError:
            raise no_server(self.url, f"HTTP {status}, not JSON") from None
        if response.is_success:
            return decoded
        error: HaiError = error_from_body(status, decoded, self.url)
        if isinstance(error, Unavailable):
            after = response.headers.get("retry-after", "")
            error.retry_after_seconds = float(after) if after.isdigit() else 1.0
        raise error

    def _note(self, method: str, path: str, response: httpx2.Response, started: float) -> None:
        self.server_version = response.headers.get("x-hai-version", "")
        if self._trace is not None:
            took = (time.monotonic() - started) * 1000
            request_id = response.headers.get("x-request-id", "-")
            status = response.status_code
            self._trace(f"{method} {path} -> {status} in {took:.0f} ms, request {request_id}")


def _trust(url: str, *, has_proxy: bool) -> ssl.SSLContext | bool:
    """Reading the certificates of this machine takes 30 ms: plain http on it needs none. A context
    without any trusts nobody."""
    if has_proxy or not url.startswith("http://"):
        return True
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _reason(error: Exception) -> str:
    """The operating system's words, without the library's."""
    text = str(error)
    if text.startswith("[Errno") and "] " in text:
        text = text.split("] ", 1)[1]
    return text.lower() if text and text[0].isupper() else text or type(error).__name__
