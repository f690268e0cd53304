"""The platform's API for a visitor of Studio, with that visitor's token, which is in a header."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from hai.client.loglines import WholeLines
from hai.client.plain import error_from_body, no_server, query_string, timed_out, unreachable
from hai.client.routes import ROUTES, route_path

_SECONDS = 30.0
_MOST_BYTES = 32 * 2**20  # of one answer


class PlatformApi:
    """Every failure is a HaiError, as in `hai.client.http`."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def call(
        self,
        token: str,
        name: str,
        /,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        **parts: object,
    ) -> Any:
        """The decoded answer of a route; None when it has no content."""
        raw = await self._asked(token, name, params, body, parts)
        try:
            return json.loads(raw) if raw else None
        except ValueError:
            raise no_server(self._url, "no JSON") from None

    async def log(self, token: str, ref: int, lines: int) -> list[str]:
        """The last lines that a task has written, of all its ranks."""
        params = {"tail": lines, "rank": "all"}
        raw = await self._asked(token, "logs", params, None, {"ref": ref})
        whole, found = WholeLines(), []
        for line in raw.decode("utf-8", "replace").splitlines():
            if line.startswith("data: "):
                for piece in json.loads(line[6:]).get("lines", ()):
                    found += whole.add(piece)
        return [str(line["text"]) for line in [*found, *whole.rest()]]

    async def _asked(
        self,
        token: str,
        name: str,
        params: Mapping[str, Any] | None,
        body: Any,
        parts: Mapping[str, object],
    ) -> bytes:
        route = ROUTES[name]
        url = self._url + route_path(route, **parts) + query_string(params)
        headers = {"Authorization": f"Bearer {token}"}
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as client,
                client.request(route.method, url, headers=headers, json=body) as reply,
            ):
                return await self._answer(reply)
        except TimeoutError:
            raise timed_out(self._url, _SECONDS) from None
        except aiohttp.ClientError as error:
            raise unreachable(self._url, type(error).__name__) from None

    async def _answer(self, reply: aiohttp.ClientResponse) -> bytes:
        raw = bytearray()
        async for part in reply.content.iter_chunked(64 * 1024):
            raw += part
            if len(raw) > _MOST_BYTES:
                raise no_server(self._url, "an answer without an end")
        if reply.ok:
            return bytes(raw)
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        raise error_from_body(reply.status, body, self._url)
