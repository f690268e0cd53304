"""A service for the door, made by hand: it tells what it was sent, streams, and echoes."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.live import Live, free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

BASE = "apps.localhost"  # browsers know names below localhost as this machine
ECHO = """\
import asyncio, hashlib, json, os, sys, uvicorn

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        pairs = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
        asked = scope["subprotocols"][:1]
        await send({"type": "websocket.accept", "subprotocol": asked[0] if asked else None})
        await send({"type": "websocket.send", "text": json.dumps(pairs)})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": message.get("bytes"),
                        "text": message.get("text")})
        return
    if scope["type"] != "http":
        return
    path, headers = scope["path"], [(b"content-type", b"text/plain")]
    if path == "/answer":
        headers += [(b"set-cookie", b"own=1; Path=/; Domain=localhost"), (b"x-kept", b"yes"),
                    (b"set-cookie", b"hai_door=forged"), (b"set-cookie", b"hai_door_1=forged"),
                    (b"strict-transport-security", b"max-age=9"), (b"keep-alive", b"timeout=5"),
                    (b"access-control-allow-origin", b"*")]
    if path in ("/page", "/"):
        headers = [(b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def say(data, more=True):
        await send({"type": "http.response.body", "body": data, "more_body": more})

    if path == "/headers":
        pairs = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
        await say(json.dumps({"headers": pairs, "path": scope["raw_path"].decode(),
                              "query": scope["query_string"].decode()}).encode())
    elif path == "/echo" or path == "/count":
        digest, size, more = hashlib.sha256(), 0, True
        while more:
            message = await receive()
            more = message.get("more_body")
            data = message.get("body", b"")
            digest.update(data)
            size += len(data)
            if path == "/echo":
                await say(data)
        if path == "/count":
            await say(f"{size} {digest.hexdigest()}".encode())
    elif path == "/many":
        for number in range(int(scope["query_string"])):
            await say(b"m" * 65536)
            with open("sent", "w") as file:
                file.write(str(number))
    elif path == "/flow":
        for number in range(int(scope["query_string"])):
            await say(b"m" * 65536)
    elif path == "/slow":
        await say(b"first")
        while not os.path.exists("go"):
            await asyncio.sleep(0.05)
        await say(b"second")
    else:
        await say(b"<p id=here>hello")
    await say(b"", False)

print("up", flush=True)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""


@dataclass
class Site:
    """One service of one task, through the door at `door_port` of this machine."""

    live: Live
    task: int
    service: str
    user: str = "root"

    @property
    def _host(self) -> str:
        """Where the door listens: at the server's own address."""
        return urlsplit(self.live.url).hostname or ""

    @property
    def door_port(self) -> int:
        return int(self.live.settings["HAI_DOOR__PORT"])

    def ticket(self, user: str = "") -> httpx2.Response:
        with self.live.client(user or self.user) as client:
            return client.post(f"/tasks/{self.task}/door", json={"service": self.service})

    def link(self, user: str = "") -> str:
        """An address that enters, once the service answers."""
        found: list[str] = []

        def answers() -> bool:
            reply = self.ticket(user)
            assert reply.status_code in (200, 503), reply.text
            found.extend(reply.json()["url"] for _ in range(reply.status_code == 200))
            return bool(found)

        wait_until(answers, what="the service")
        return found[0]

    @contextmanager
    def visitor(self, link: str = "") -> Iterator[httpx2.Client]:
        """A browser without pictures that has entered. Names below localhost are this machine."""
        with self.stranger(link or self.link()) as client:
            entered = client.get(self.entering)
            assert entered.status_code == 303, entered.text
            client.headers["Cookie"] = entered.headers["set-cookie"].partition(";")[0]
            yield client

    @contextmanager
    def stranger(self, link: str) -> Iterator[httpx2.Client]:
        parts = urlsplit(link)
        self.entering = f"{parts.path}?{parts.query}"
        self.origin = f"{parts.scheme}://{parts.netloc}"
        base = f"http://{self._host}:{parts.port}"
        with httpx2.Client(
            base_url=base, headers={"Host": parts.netloc}, timeout=PATIENCE_SECONDS
        ) as client:
            yield client

    @contextmanager
    def socket(
        self, client: httpx2.Client, path: str = "/ws", origin: str | None = None, **headers: str
    ) -> Iterator[ClientConnection]:
        """A WebSocket as that visitor's page would open it."""
        parts = urlsplit(self.origin)
        own = {"Cookie": client.headers.get("Cookie", ""), **headers}
        with connect(
            f"ws://{parts.netloc}{path}",
            sock=socket.create_connection((self._host, parts.port or 80)),
            origin=self.origin if origin is None else origin or None,  # type: ignore[arg-type]
            additional_headers={name: value for name, value in own.items() if value},
            open_timeout=PATIENCE_SECONDS,
            proxy=None,
        ) as found:
            yield found


def door_settings() -> dict[str, str]:
    return {"HAI_DOOR__HOST": BASE, "HAI_DOOR__PORT": str(free_port())}


def echo_site(live: Live, name: str = "echo.py", user: str = "root", **more: object) -> Site:
    """A task whose program is the service."""
    live.script(name, ECHO)
    port = free_port()
    service = {"name": "echo", "port": port, **more}
    task = live.submit(user, name=name, parameters=str(port), services=[service])
    live.wait(task, "running")
    return Site(live, task, "echo", user)


def refused(site: Site, client: httpx2.Client, origin: str | None = None) -> int:
    """How a WebSocket is refused: the status."""
    with pytest.raises(InvalidStatus) as found, site.socket(client, origin=origin):
        pass
    return found.value.response.status_code


def code_of(link: str) -> str:
    code = parse_qs(urlsplit(link).query)["code"][0]
    assert re.fullmatch(r"[\w-]{43}", code)
    return code
