"""Dashboards that run: no more than there are places, whoever opens and leaves them how fast."""

import asyncio
from contextlib import AsyncExitStack

from hai.studio.running import Running
from tests.waiting import async_wait_until


async def test_one_user_does_not_run_more_than_their_places() -> None:
    running = Running(2, 3)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(running.place("mallory"))
        more = [asyncio.create_task(enter(running, "mallory")) for _ in range(3)]
        await asyncio.wait_for(enter(running, "bob"), 60)
        assert not any(one.done() for one in more)
    await asyncio.gather(*more)
    assert running._of == {}


async def test_whoever_waits_for_one_of_their_own_holds_none_of_all() -> None:
    running = Running(1, 2)
    async with running.place("mallory"):
        waiting = asyncio.create_task(enter(running, "mallory"))
        await async_wait_until(lambda: running._of["mallory"][1] == 2)
        await asyncio.wait_for(enter(running, "bob"), 60)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert running._of["mallory"][1] == 1


async def enter(running: Running, user: str) -> None:
    async with running.place(user):
        return
