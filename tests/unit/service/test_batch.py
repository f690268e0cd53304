"""Concurrent puts share writes; errors reach every caller."""

import asyncio
from collections.abc import Sequence

import pytest

from hai.service.batch import Batcher


async def test_items_that_arrive_during_a_write_go_together() -> None:
    begun, release = asyncio.Event(), asyncio.Event()
    batches: list[list[int]] = []

    async def write(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        begun.set()
        await release.wait()
        return [item * 10 for item in items]

    batcher = Batcher(write, limit=3)
    puts = [asyncio.create_task(batcher.put(item)) for item in range(6)]
    await begun.wait()
    release.set()
    assert await asyncio.gather(*puts) == [0, 10, 20, 30, 40, 50]
    assert [len(batch) for batch in batches] == [3, 3]


async def test_an_error_reaches_every_caller_and_the_next_batch_works() -> None:
    fail = True

    async def write(items: Sequence[int]) -> list[int]:
        if fail:
            raise RuntimeError("down")
        return list(items)

    batcher = Batcher(write)
    results = await asyncio.gather(batcher.put(1), batcher.put(2), return_exceptions=True)
    assert all(isinstance(result, RuntimeError) for result in results)
    fail = False
    assert await batcher.put(3) == 3


async def test_a_caller_that_gave_up_does_not_hurt_the_others() -> None:
    async def write(items: Sequence[int]) -> list[int]:
        await asyncio.sleep(0)
        return list(items)

    batcher = Batcher(write)
    first, second = (asyncio.create_task(batcher.put(item)) for item in (1, 2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 2
    with pytest.raises(asyncio.CancelledError):
        await first
