"""One address in front of several processes, as a Service of Kubernetes is: each new connection
goes to the next of them that takes it."""

import asyncio
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

from tests.waiting import PATIENCE_SECONDS

_CHUNK = 65_536


class Balancer:
    """Forwards TCP in a thread of its own; `ports` tells where to, each time anew. With `tls` it
    speaks TLS to whoever comes, as an ingress does."""

    def __init__(self, ports: Callable[[], list[int]], tls: ssl.SSLContext | None = None) -> None:
        self._ports = ports
        self._tls = tls
        self._next = 0
        self._loop = asyncio.new_event_loop()
        self._pipes: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        made = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        self.port = made.result(PATIENCE_SECONDS)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours = asyncio.current_task()
        assert ours is not None
        self._pipes.add(ours)
        try:
            onward = await self._connect()
            if onward is not None:
                await asyncio.gather(_pipe(reader, onward[1]), _pipe(onward[0], writer))
        finally:
            self._pipes.discard(ours)
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        ports = self._ports()
        for _ in ports:
            self._next += 1
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", ports[self._next % len(ports)])
        return None

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(PATIENCE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        pipes = list(self._pipes)
        for pipe in pipes:
            pipe.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                writer.write(chunk)
                await writer.drain()
    finally:
        writer.close()
