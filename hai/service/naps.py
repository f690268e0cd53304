"""Rests that something ends: the server's close, or news."""

import asyncio


async def nap(until: asyncio.Event, seconds: float) -> None:
    """`seconds`, or less when the event comes."""
    try:
        async with asyncio.timeout(seconds):
            await until.wait()
    except TimeoutError:
        pass
