"""Rests that end with the server."""

import asyncio


async def nap(closing: asyncio.Event, seconds: float) -> None:
    """`seconds`, or less when the server closes."""
    try:
        async with asyncio.timeout(seconds):
            await closing.wait()
    except TimeoutError:
        pass
