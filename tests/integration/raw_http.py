"""A served platform and clients that speak HTTP badly: plain sockets on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from hai.server.app import build_app
from hai.server.compose import Platform
from hai.server.connection import HttpConnectionLimits, bounded
from tests.waiting import PATIENCE_SECONDS, async_wait_until

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def served(platform: Platform, limits: HttpConnectionLimits) -> AsyncIterator[int]:
    """The port of a real listener before the platform."""
    config = uvicorn.Config(
        build_app(platform.services),
        http=bounded(limits),
        port=0,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:
        await async_wait_until(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def dialled(port: int, *, address: str = "127.0.0.1") -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)  # for the transport to hear of it


async def answer(peer: Peer) -> bytes:
    """All that comes until the other side hangs up."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await read_all(peer[0])


async def read_all(reader: asyncio.StreamReader) -> bytes:
    found = b""
    try:
        while data := await reader.read(65536):
            found += data
    except ConnectionError:
        pass
    return found
