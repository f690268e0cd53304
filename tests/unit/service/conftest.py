"""The surroundings of the loops, opened."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.service.loop_bench import LoopBench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[LoopBench]:
    bench = LoopBench(tmp_path)
    await bench.open()
    yield bench
    await bench.launching.close()
    await bench.hollow.close()
