"""As much of an engine as a view asks for, over a real socket."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LABELS = {"hai.platform": "p"}


class FakeEngine:
    """`answer` decides about all but lists and events."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.containers: dict[str, str] = {}  # state by name
        self.asked: list[str] = []
        self.api = "1.41"
        self.answer: tuple[int, bytes] = (200, b"{}")
        self.during_list: Callable[[], Awaitable[None]] | None = None
        self._followers: list[asyncio.StreamWriter] = []
        self._all: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.socket)

    async def stop(self) -> None:
        """Away, with all that was open."""
        assert self._server is not None
        self._server.close()
        for writer in self._all:
            writer.close()
        self._followers, self._all = [], []
        self.socket.unlink(missing_ok=True)

    async def tell(self, action: str, name: str, **more: str) -> None:
        attributes = {"name": name, **LABELS, **more}
        actor = {"ID": f"id-{name}", "Attributes": attributes}
        line = json.dumps({"Action": action, "Actor": actor}).encode() + b"\n"
        for writer in self._followers:
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await writer.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._all.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                target = head.split()[1]
                self.asked.append(f"{head.split()[0]} {target.partition('?')[0]}")
                if "/events" in target:
                    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    self._followers.append(writer)
                    await writer.drain()
                    continue
                status, body = await self._body(target)
                writer.write(
                    b"HTTP/1.1 %d X\r\nApi-Version: %s\r\nContent-Length: %d\r\n\r\n%s"
                    % (status, self.api.encode(), len(body), body)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _body(self, target: str) -> tuple[int, bytes]:
        if not target.partition("?")[0].endswith("/containers/json"):
            return self.answer
        listed: list[dict[str, Any]] = [
            {"Id": f"id-{name}", "Names": [f"/{name}"], "Labels": LABELS, "State": state}
            for name, state in self.containers.items()
        ]
        if self.during_list is not None:
            await self.during_list()
        return 200, json.dumps(listed).encode()
