"""A small API server that answers what was recorded: a real HTTP server for what a real API server
cannot be made to say on demand."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

Json = dict[str, Any]


class WatchScript:
    """What one watch sends: lines or bytes, then its end (`then`: end, hang)."""

    def __init__(self, *pieces: bytes, then: str = "end") -> None:
        self.pieces = pieces
        self.then = then


def event(kind: str, item: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def expired_event() -> bytes:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old version: 1"}
    return event("ERROR", status)


def thing(name: str, version: int, uid: str = "", **more: Any) -> Json:
    metadata = {
        "name": name,
        "namespace": "n",
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
    }
    return {"kind": "Thing", "metadata": metadata, **more}


def listed(version: int, *items: Json, rest: str = "") -> web.Response:
    metadata = {"resourceVersion": str(version), **({"continue": rest} if rest else {})}
    return web.json_response({"kind": "ThingList", "metadata": metadata, "items": list(items)})


def refused(status: int, reason: str = "", retry_after: str = "") -> web.Response:
    headers = {"Retry-After": retry_after} if retry_after else {}
    body = {"kind": "Status", "code": status, "reason": reason, "message": f"recorded {status}"}
    return web.json_response(body, status=status, headers=headers)


class RecordedApi:
    """Answers lists and watches from two scripts, one entry a request; the last one for ever."""

    def __init__(
        self, lists: list[web.Response], watches: list[WatchScript | web.Response]
    ) -> None:
        self.lists = lists
        self.watches = watches
        self.asked: list[Mapping[str, str]] = []  # the parameters of each request
        self.authorization: list[str] = []
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        self.authorization.append(request.headers.get("Authorization", ""))
        if request.query.get("watch") != "true":
            return self._copy(self.lists.pop(0) if len(self.lists) > 1 else self.lists[0])
        script = self.watches.pop(0) if len(self.watches) > 1 else self.watches[0]
        if isinstance(script, web.Response):
            return self._copy(script)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for piece in script.pieces:
            await response.write(piece)
        if script.then == "hang":
            await asyncio.Event().wait()
        return response

    @staticmethod
    def _copy(response: web.Response) -> web.Response:
        headers = {k: v for k, v in response.headers.items() if k == "Retry-After"}
        return web.Response(
            body=response.body,
            status=response.status,
            headers=headers,
            content_type="application/json",
        )


@asynccontextmanager
async def serving(api: RecordedApi, folder: Path) -> AsyncIterator[Path]:
    """Serve it; the kubeconfig that leads to it."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.port = runner.addresses[0][1]
    path = folder / "recorded.kubeconfig"
    path.write_text(kubeconfig_of(f"http://127.0.0.1:{api.port}", {"token": "secret"}))
    try:
        yield path
    finally:
        await runner.cleanup()


def kubeconfig_of(server: str, user: Mapping[str, Any], **cluster: Any) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
            "users": [{"name": "u", "user": dict(user)}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )
