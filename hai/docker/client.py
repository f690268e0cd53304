"""Requests to a Docker engine over its unix socket: JSON in and out, every wait bounded, every
refusal a HaiError.

An engine that is away or silent is Unavailable and says nothing about its containers. Nothing is
repeated here: whoever asks knows whether the request may be repeated.
"""

import io
import json
import tarfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2

from hai.docker.errors import refusal
from hai.errors import HaiError, Unavailable

Json = dict[str, Any]

TIMEOUT_SECONDS = 30.0  # of one request
BODY_BYTES = 64 * 2**20  # of one answer, at most
LINE_BYTES = 2**20  # of one event
FILE_BYTES = 128 * 2**10  # of one file of a container, with what tar adds
_NEWEST = (1, 47)  # of the API's versions, which is known to be understood
_OLDEST = (1, 40)


class TooLong(Unavailable):
    """An answer beyond all bounds."""


class DockerClient:
    """One engine of this machine. Use `close` or `async with`."""

    def __init__(self, socket: Path, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.socket = socket
        self._version = ""  # "/v1.41", once the engine has told its own
        self._heard_at: float | None = None
        self.requests: Counter[str] = Counter()  # by method and path without names
        transport = httpx2.AsyncHTTPTransport(
            uds=str(socket), limits=httpx2.Limits(max_connections=64)
        )
        self._http = httpx2.AsyncClient(
            transport=transport, base_url="http://docker", timeout=timeout_seconds, trust_env=False
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> "DockerClient":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    @property
    def seconds_since_heard(self) -> float:
        """Since the engine last answered anything; infinite if it never did."""
        return float("inf") if self._heard_at is None else time.monotonic() - self._heard_at

    def forget_version(self) -> None:
        """Ask for it again: the engine may have come back as another one."""
        self._version = ""

    async def get(self, path: str, **params: object) -> Any:
        return await self.request("GET", path, params=params)

    async def post(self, path: str, body: object = None, **params: object) -> Any:
        return await self.request("POST", path, params=params, body=body)

    async def delete(self, path: str, **params: object) -> None:
        await self.request("DELETE", path, params=params)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        body: object = None,
    ) -> Any:
        """The answer's JSON; None where there is none. NotFound, Conflict, Denied, InvalidInput;
        EngineTrouble when the engine itself failed at it, Unavailable when it does not answer."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if content is not None else {}
        raw = await self._raw(method, path, params or {}, content, headers)
        try:
            return json.loads(raw) if raw.strip() else None
        except ValueError as error:
            raise Unavailable(
                f"the Docker engine at {self.socket} answered with something else than JSON"
            ) from error

    async def put_files(self, container: str, folder: str, archive: bytes) -> None:
        """Unpack a tar archive in the container, which need not run, as root."""
        await self._raw(
            "PUT",
            f"/containers/{container}/archive",
            {"path": folder},
            archive,
            {"Content-Type": "application/x-tar"},
        )

    async def read_file(self, container: str, path: str) -> bytes | None:
        """A small regular file of the container, which need not run; None: there is none such."""
        where = f"/containers/{container}/archive"
        try:
            raw = await self._raw("GET", where, {"path": path}, None, {}, at_most=FILE_BYTES)
        except TooLong:  # whoever runs the whole container may have written anything there
            return None
        try:
            with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
                member = archive.next()
                file = archive.extractfile(member) if member is not None else None
                return file.read() if file is not None else None
        except (tarfile.TarError, KeyError):
            return None

    @asynccontextmanager
    async def lines(
        self, method: str, path: str, *, idle_seconds: float | None, **params: object
    ) -> AsyncIterator[AsyncIterator[Json]]:
        """An answer of one JSON object a line (events, the progress of a pull). Unavailable when it
        breaks, or nothing comes for idle_seconds (None: it may be silent for ever)."""
        url = await self._url(path)
        self.requests[_kind(method, path)] += 1
        timeout = httpx2.Timeout(self._http.timeout.connect, read=idle_seconds)
        with self._mapped():
            async with self._http.stream(
                method, url, params=_texts(params), timeout=timeout
            ) as response:
                self._heard_at = time.monotonic()
                if response.status_code >= 400:
                    raise refusal(
                        method, path, response.status_code, _message(await _body_of(response))
                    )
                yield _objects(response)

    async def _raw(
        self,
        method: str,
        path: str,
        params: Mapping[str, object],
        content: bytes | None,
        headers: Mapping[str, str],
        *,
        at_most: int = BODY_BYTES,
    ) -> bytes:
        url = await self._url(path)
        self.requests[_kind(method, path)] += 1
        with self._mapped():
            async with self._http.stream(
                method, url, params=_texts(params), content=content, headers=dict(headers)
            ) as response:
                self._heard_at = time.monotonic()
                raw = await _body_of(response, at_most)
        if response.status_code >= 400:
            raise refusal(method, path, response.status_code, _message(raw))
        return raw

    async def _url(self, path: str) -> str:
        """With the newest version that both sides know."""
        if not self._version:
            self.requests["GET /_ping"] += 1
            with self._mapped():
                answer = await self._http.get("/_ping")
            if answer.status_code >= 400:
                raise Unavailable(f"the Docker engine at {self.socket} is not ready")
            theirs = _parsed(answer.headers.get("Api-Version", ""))
            if theirs < _OLDEST:
                told = ".".join(map(str, theirs))
                raise Unavailable(
                    f"the Docker engine at {self.socket} speaks version {told} of its API",
                    hint="Docker 19.03 or newer is needed: docker version",
                )
            self._version = "/v{}.{}".format(*min(theirs, _NEWEST))
        return self._version + path

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """Whatever goes wrong on the way, as a HaiError."""
        try:
            yield
        except HaiError:
            raise
        except httpx2.TimeoutException as error:
            raise Unavailable(
                f"the Docker engine at {self.socket} does not answer", hint=_UNREACHED
            ) from error
        except (httpx2.HTTPError, OSError) as error:
            why = str(error.__cause__ or error) or type(error).__name__
            raise Unavailable(
                f"the Docker engine at {self.socket} cannot be reached: {why}", hint=_UNREACHED
            ) from error


_UNREACHED = "try: docker info; the server's account needs the socket's group"


async def _body_of(response: httpx2.Response, at_most: int = BODY_BYTES) -> bytes:
    pieces = []
    async for piece in response.aiter_bytes():
        pieces.append(piece)
        at_most -= len(piece)
        if at_most < 0:
            raise TooLong(f"{response.url.path} answered with too much")
    return b"".join(pieces)


async def _objects(response: httpx2.Response) -> AsyncIterator[Json]:
    rest = b""
    async for piece in response.aiter_bytes():
        *whole, rest = (rest + piece).split(b"\n")
        if len(rest) > LINE_BYTES:
            raise Unavailable(f"{response.url.path} sent a line that does not end")
        for line in whole:
            try:
                value = json.loads(line) if line.strip() else None
            except ValueError:
                continue
            if isinstance(value, dict):
                yield value


def _message(raw: bytes) -> str:
    try:
        value = json.loads(raw)
    except ValueError:
        return raw[:500].decode("utf-8", "replace")
    return str(value.get("message", "")) if isinstance(value, dict) else str(value)


def _texts(params: Mapping[str, object]) -> dict[str, str]:
    return {name: _text(value) for name, value in params.items()}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _parsed(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    try:
        return int(major), int(minor)
    except ValueError:
        return (0, 0)


def _kind(method: str, path: str) -> str:
    """Without names: "POST /containers/*/start"."""
    parts = path.strip("/").split("/")
    if len(parts) > 1 and parts[1] not in ("json", "create"):
        parts[1] = "*"
    return f"{method} /{'/'.join(parts)}"
