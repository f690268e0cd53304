"""Requests to the API server: raw JSON in and out, every wait bounded, every refusal a HaiError.

A silent, overloaded or failing server is Unavailable and says nothing about the objects in it.
Nothing is repeated here except once after credentials were renewed: whoever asks knows whether the
request may be repeated.
"""

import asyncio
import io
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import structlog

from hai.errors import AuthRequired, HaiError, NotFound, Unavailable
from hai.kubernetes.access import Access, load_access
from hai.kubernetes.errors import refusal
from hai.kubernetes.keeping import decoded
from hai.kubernetes.paths import target_of
from hai.kubernetes.sockets import keepalive_socket

Json = dict[str, Any]

log = structlog.get_logger("hai.kubernetes.client")

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML

TIMEOUT_SECONDS = 30.0  # of one request
CONNECTIONS = 64
PAGE_ITEMS = 500
BODY_BYTES = 256 * 1024 * 1024  # of one answer, at most; a page of 500 pods has about 4 MB
RENEW_SECONDS = 10.0  # at least, from one reading of the credentials to the next
_LARGE_BYTES = 1 << 20


class KubernetesClient:
    """One API server. Use `open`, and `close` or `async with`."""

    def __init__(
        self,
        access: Access,
        load: Callable[[Access | None], Awaitable[Access]],
        timeout_seconds: float,
    ) -> None:
        self._access = access
        self._load = load  # reads the configuration again
        self._timeout_seconds = timeout_seconds
        self._renewed_at = time.monotonic()
        self._renewing = asyncio.Lock()
        self._heard_at: float | None = None
        self.requests: Counter[tuple[str, str]] = Counter()  # by verb and resource
        self.failures: Counter[str] = Counter()  # by the error's code
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, socket_factory=keepalive_socket)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Compressing costs both sides more than it saves within a data centre.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            read_bufsize=2**20,
        )

    @classmethod
    async def open(
        cls,
        kubeconfig: Path | None = None,
        context: str | None = None,
        *,
        in_cluster: bool = False,
        api_server: str = "",
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> "KubernetesClient":
        """Read the configuration; nothing is sent yet.

        Without a file: $KUBECONFIG, ~/.kube/config, or the service account of this pod, which is
        the only one with in_cluster. api_server wins over the server named there. Raises
        InvalidInput and AuthRequired as load_access does.
        """
        load = partial(
            load_access, kubeconfig, context, in_cluster=in_cluster, api_server=api_server
        )
        return cls(await load(), load, timeout_seconds)

    async def close(self) -> None:
        await self._session.close()

    async def __aenter__(self) -> "KubernetesClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def host(self) -> str:
        """URL of the API server."""
        return self._access.host

    @property
    def seconds_since_heard(self) -> float:
        """Since the server last answered anything; infinite if it never did."""
        return float("inf") if self._heard_at is None else time.monotonic() - self._heard_at

    async def get(self, path: str, **params: object) -> Json:
        return await self.request("GET", path, params=params)

    async def get_or_none(self, path: str) -> Json | None:
        """None: there is no such object."""
        try:
            return await self.get(path)
        except NotFound:
            return None

    async def list(self, path: str, **params: object) -> Json:
        """The whole list, read page by page; of one moment, since all pages are of one version.

        params as in the API: labelSelector, fieldSelector, limit (items in a page).
        """
        whole: Json | None = None
        async for page in self.pages(path, **params):
            if whole is None:
                whole = page
            else:
                whole["items"] += page["items"]
                whole["metadata"] = page["metadata"]
        assert whole is not None  # noqa: S101 (pages yields at least one)
        return whole

    async def pages(self, path: str, **params: object) -> AsyncIterator[Json]:
        """The list, a page at a time. Expired: it took so long that the server forgot it."""
        asked = {"limit": PAGE_ITEMS, **params}
        while True:
            page = await self.request("LIST", path, params=asked)
            page["items"] = page.get("items") or []  # null where the server is written in Go
            rest = page.setdefault("metadata", {}).get("continue")
            yield page
            if not rest:
                return
            asked["continue"] = rest

    async def create(self, path: str, body: Mapping[str, Any], **params: object) -> Json:
        """AlreadyExists if there is one of that name."""
        return await self.request("POST", path, body=body, params=params)

    async def apply(
        self, path: str, body: Mapping[str, Any], *, manager: str, **params: object
    ) -> Json:
        """Server-side apply: make it so, whatever it was; the fields in body are ours."""
        params = {"fieldManager": manager, "force": True, **params}
        return await self.request("PATCH", path, body=body, params=params, content_type=APPLY_PATCH)

    async def patch(
        self, path: str, body: object, content_type: str = MERGE_PATCH, **params: object
    ) -> Json:
        """JSON_PATCH takes a list of operations, the other two types the fields that change."""
        return await self.request(
            "PATCH", path, body=body, params=params, content_type=content_type
        )

    async def delete(
        self, path: str, *, grace_seconds: int | None = None, uid: str | None = None
    ) -> Json:
        """Ask for the end of it. NotFound: it is gone; Conflict: another one has its name (uid).

        grace_seconds: for pods; None: the pod's own; 0: forget it now, even if its node is silent
        and it may still run.
        """
        options: Json = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
        }
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        return await self.request("DELETE", path, body=options)

    async def request(
        self,
        verb: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Json:
        """One request, JSON answer. verb: an HTTP method, or LIST."""
        raw = await self.request_raw(
            verb, path, params=params, body=body, content_type=content_type
        )
        try:
            answer = decoded(raw)
        except ValueError as error:
            raise Unavailable(
                f"{self.host}{path} answered with something else than JSON"
            ) from error
        if not isinstance(answer, dict):
            raise Unavailable(f"{self.host}{path} answered with something else than an object")
        return answer

    async def request_raw(
        self,
        verb: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> bytes:
        """One request, the answer as it comes: a pod's log, a schema."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type} if data is not None else {}
        with _mapped(self.host, self.failures):
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._send(verb, path, params, data, headers)
                async with response:
                    return await _body_of(response)

    @asynccontextmanager
    async def stream(
        self, verb: str, path: str, *, params: Mapping[str, object], idle_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The answer in pieces as they come (WATCH, a followed log). It may go on for ever;
        Unavailable when it breaks or nothing comes for idle_seconds."""
        with _mapped(self.host, self.failures):
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._send(verb, path, params, None, {}, idle_seconds)
            try:
                yield response.content.iter_any()
            finally:
                response.close()  # unread to its end: the connection is of no more use

    @asynccontextmanager
    async def websocket(
        self, path: str, *, params: Sequence[tuple[str, str]], protocol: str
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A connection both ways: exec. Unavailable when it breaks."""
        self.requests["CONNECT", target_of(path).full_resource] += 1
        await self._renew(self._access.stale_at <= time.monotonic())
        access = self._access
        with _mapped(self.host, self.failures):
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    socket = await self._session.ws_connect(
                        access.host + path,
                        params=list(params),
                        protocols=(protocol,),
                        # Answers that are no JSON: to "application/json" it says 406.
                        headers={"Accept": "*/*", **_authorization(access)},
                        ssl=access.ssl_context or True,
                        server_hostname=access.server_name,
                        proxy=access.proxy,
                        heartbeat=None,  # API servers of old do not answer a ping
                        max_msg_size=BODY_BYTES,
                    )
            except aiohttp.WSServerHandshakeError as error:
                said = {"message": f"HTTP {error.status} instead of a WebSocket"}
                raise refusal("CONNECT", path, error.status, said, None) from error
            async with socket:
                yield socket

    async def _send(
        self,
        verb: str,
        path: str,
        params: Mapping[str, object] | None,
        data: bytes | None,
        headers: Mapping[str, str],
        idle_seconds: float | None = None,
    ) -> aiohttp.ClientResponse:
        """A good answer, its body unread; a bad one is raised. 401 renews the credentials once."""
        self.requests[verb, target_of(path).full_resource] += 1
        await self._renew(self._access.stale_at <= time.monotonic())
        for is_last in (False, True):
            access = self._access
            response = await self._session.request(
                _METHODS.get(verb, verb),
                access.host + path,
                params={name: _text(value) for name, value in (params or {}).items()},
                data=_body(data),
                headers={**headers, **_authorization(access)},
                ssl=access.ssl_context or True,
                server_hostname=access.server_name,
                proxy=access.proxy,
                timeout=aiohttp.ClientTimeout(sock_read=idle_seconds),
                allow_redirects=False,  # the token is for this server alone
            )
            self._heard_at = time.monotonic()
            if 200 <= response.status < 300:
                return response
            async with response:
                refused = await _refusal_of(verb, path, response)
            if isinstance(refused, AuthRequired) and not is_last and await self._renew(True):
                continue
            raise refused
        raise AssertionError  # the last turn returned or raised

    async def _renew(self, is_due: bool) -> bool:
        """Read the credentials again unless that was just done; True if they are other ones."""
        before = self._access
        if not is_due or time.monotonic() - self._renewed_at < RENEW_SECONDS:
            return False
        async with self._renewing:
            if self._access is before:
                self._renewed_at = time.monotonic()
                try:
                    self._access = await self._load(before)
                except HaiError as error:  # the old ones may be good for a while
                    log.warning("credentials_not_renewed", reason=error.message)
        return self._access != before


_METHODS = {"LIST": "GET", "WATCH": "GET"}


def _body(data: bytes | None) -> bytes | io.BytesIO | None:
    """As aiohttp wants it: it warns of more than a MiB in one piece."""
    return io.BytesIO(data) if data is not None and len(data) > _LARGE_BYTES else data


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _authorization(access: Access) -> Mapping[str, str]:
    return {"Authorization": access.authorization} if access.authorization else {}


async def _body_of(response: aiohttp.ClientResponse, at_most: int = BODY_BYTES) -> bytes:
    pieces = []
    async for piece in response.content.iter_any():
        pieces.append(piece)
        at_most -= len(piece)
        if at_most < 0:
            raise Unavailable(f"{response.url.path} answered with too much")
    return b"".join(pieces)


async def _refusal_of(verb: str, path: str, response: aiohttp.ClientResponse) -> HaiError:
    raw = await _body_of(response)
    try:
        body = json.loads(raw)
    except ValueError:
        body = {"message": raw[:200].decode(errors="replace")}
    if not isinstance(body, dict):
        body = {}
    return refusal(verb, path, response.status, body, response.headers.get("Retry-After"))


@contextmanager
def _mapped(host: str, failures: Counter[str]) -> Iterator[None]:
    """Whatever goes wrong on the way, as a HaiError, and counted."""
    try:
        yield
    except HaiError as error:
        failures[error.code] += 1
        raise
    except TimeoutError as error:
        failures[Unavailable.code] += 1
        raise Unavailable(
            f"the Kubernetes API server {host} does not answer", hint=_UNREACHED
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        failures[Unavailable.code] += 1
        raise Unavailable(
            f"the Kubernetes API server {host} cannot be reached: {error}", hint=_UNREACHED
        ) from error


_UNREACHED = "try: kubectl get --raw /version"
