"""exec's frames, against a server that speaks them as badly as it likes. What a real API server
does is in tests/kubernetes/test_exec.py."""

import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from hai.errors import Denied, HaiError, NotFound, Unavailable
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.exec import Ended, Pod, run_in_pod

POD = Pod("place", "pod", "main")
FAILED = {
    "status": "Failure",
    "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
}
Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


class Api:
    """Answers one exec after another as `talk` says; `status`: an HTTP refusal instead."""

    def __init__(self) -> None:
        self.talk: Talk | None = None
        self.status = 0
        self.asked: list[Any] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, list(request.query.items()), dict(request.headers)))
        if self.status:
            return web.json_response({"kind": "Status", "message": "no"}, status=self.status)
        if "*/*" not in request.headers.get("Accept", "*/*"):
            return web.Response(status=406, text="406: Not Acceptable")  # as API servers do
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        assert self.talk is not None
        await self.talk(socket)
        await socket.close()
        return socket


@pytest.fixture
async def api() -> AsyncIterator[tuple[Api, TestServer]]:
    made = Api()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.handle)
    server = TestServer(app)
    async with server:
        yield made, server


@pytest.fixture
async def client(api: tuple[Api, TestServer], tmp_path: Path) -> AsyncIterator[KubernetesClient]:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "one", "cluster": {"server": str(api[1].make_url(""))}}],
        "users": [{"name": "one", "user": {"token": "secret"}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    async with await KubernetesClient.open(path) as opened:
        yield opened


async def test_streams_and_the_end(api: tuple[Api, TestServer], client: KubernetesClient) -> None:
    got = bytearray()

    async def talk(socket: web.WebSocketResponse) -> None:
        while len(got) < 200_000:
            frame = (await socket.receive()).data
            assert frame[:1] == b"\x00"
            got.extend(frame[1:])
        for frame in (b"\x01", b"\x01out", b"\x02said", b"\x01put", b"", b"\x09?"):
            await socket.send_bytes(frame)
        await socket.send_bytes(b"\x03" + json.dumps(FAILED).encode())

    api[0].talk = talk
    out = io.BytesIO()
    ended = await run_in_pod(client, POD, ["a b", "c"], out, io.BytesIO(b"x" * 200_000))
    assert ended == Ended(7, "said")
    assert (out.getvalue(), bytes(got)) == (b"output", b"x" * 200_000)
    path, query, headers = api[0].asked[0]
    assert path == "/api/v1/namespaces/place/pods/pod/exec"
    words = [value for name, value in query if name == "command"]
    assert (words[:2], words[-3:]) == (["sh", "-c"], ["200000", "a b", "c"])
    assert ("stdin", "true") in query
    assert headers["Authorization"] == "Bearer secret"


async def test_a_good_end(api: tuple[Api, TestServer], client: KubernetesClient) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x03" + json.dumps({"status": "Success"}).encode())

    api[0].talk = talk
    assert await run_in_pod(client, POD, ["true"], io.BytesIO()) == Ended(0, "")
    assert ("stdin", "true") not in api[0].asked[0][1]


async def test_a_broken_line_is_no_end(
    api: tuple[Api, TestServer], client: KubernetesClient
) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01half")

    api[0].talk = talk
    with pytest.raises(Unavailable, match="broke before its program ended"):
        await run_in_pod(client, POD, ["true"], io.BytesIO())


async def test_a_refusal_names_the_status(
    api: tuple[Api, TestServer], client: KubernetesClient
) -> None:
    api[0].status = 406
    with pytest.raises(HaiError, match="HTTP 406 instead of a WebSocket"):
        await run_in_pod(client, POD, ["true"], io.BytesIO())


@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (403, Denied), (500, Unavailable)])
async def test_refusals(
    api: tuple[Api, TestServer], client: KubernetesClient, status: int, kind: type[HaiError]
) -> None:
    api[0].status = status
    with pytest.raises(kind):
        await run_in_pod(client, POD, ["true"], io.BytesIO())
