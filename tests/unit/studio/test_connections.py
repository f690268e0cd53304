"""Before anybody has logged in: who does not ask for anything does not stay."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web

from hai.studio.connections import ConnectionLimits, Connections
from hai.studio.front import Front, FrontOptions
from tests.integration.raw_http import answer, dialled
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture
async def door(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    front = Front(FrontOptions("http://127.0.0.1:1"))
    runner = web.AppRunner(front.app())
    await runner.setup()
    assert runner.server is not None
    made = front.bounded(runner.server)
    made.limits = request.param
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await runner.cleanup()
    assert isinstance(made, Connections)


@pytest.mark.parametrize("door", [ConnectionLimits(head_seconds=0.2)], indirect=True)
@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_half_a_request_does_not_stay(door: int, said: bytes) -> None:
    async with dialled(door) as peer:
        peer[1].write(said)
        assert await answer(peer) == b"", "it hangs up without a word"


@pytest.mark.parametrize("door", [ConnectionLimits(PATIENCE_SECONDS, 0, 20)], indirect=True)
async def test_a_crowd_costs_its_own_places(door: int) -> None:
    async with AsyncExitStack() as stack:
        mine = await stack.enter_async_context(dialled(door))
        mine[1].write(b"GET /heal")
        elsewhere = (dialled(door, address="127.0.0.2") for _ in range(60))
        crowd = [await stack.enter_async_context(peer) for peer in elsewhere]
        for peer in crowd[:30]:
            await answer(peer)
        mine[1].write(b"th HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 200 OK" in await answer(mine)


@pytest.mark.parametrize("door", [ConnectionLimits()], indirect=True)
async def test_sixty_guesses_at_once_do_not_pass_the_throttle(door: int) -> None:
    async with aiohttp.ClientSession() as client:

        async def guess() -> int:
            form = {"user": "alice", "token": "\u2603"}
            async with client.post(f"http://127.0.0.1:{door}/login", data=form) as reply:
                return reply.status

        statuses = await asyncio.gather(*(guess() for _ in range(60)))
    assert statuses.count(403) <= 6  # a busy machine may let a pause go by
    assert set(statuses) == {403, 429}
