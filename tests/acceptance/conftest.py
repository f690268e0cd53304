"""A running platform per test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live import Live

pytestmark = pytest.mark.acceptance

MakeLive = Callable[..., Live]


@pytest.fixture
def make_live(public_dir: Path, postgres_url: str) -> Iterator[MakeLive]:
    """Makes and starts a platform; everything it started ends with the test."""
    with ExitStack() as stack:

        def make(**options: object) -> Live:
            live = Live(public_dir, postgres_url, **options)  # type: ignore[arg-type]
            stack.callback(live.close)
            live.bootstrap()
            live.start()
            return live

        yield make


@pytest.fixture
def live(make_live: MakeLive) -> Live:
    """Four local nodes, default settings."""
    return make_live()
