"""A running platform per test, and one that the tests of a module share."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.acceptance.browser import Page, chromium, tab
from tests.acceptance.person import Person
from tests.conftest import PostgresServer, forget_settings, public_directory
from tests.live import Live

pytestmark = pytest.mark.acceptance

MakeLive = Callable[..., Live]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """An empty tab of a Chromium."""
    program = chromium()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed")
    async with tab(program) as found:
        yield found


@pytest.fixture
def make_live(public_dir: Path, postgres_url: str) -> Iterator[MakeLive]:
    """Makes and starts a platform; everything it started ends with the test."""
    with ExitStack() as stack:

        def make(kind: type[Live] = Live, **options: object) -> Live:
            live = kind(public_dir, postgres_url, **options)  # type: ignore[arg-type]
            stack.callback(live.close)
            live.bootstrap()
            live.start()
            return live

        yield make


@pytest.fixture
def live(make_live: MakeLive) -> Live:
    """Four local nodes, default settings."""
    return make_live()


@pytest.fixture(scope="module")
def shared_live(postgres_server: PostgresServer) -> Iterator[Live]:
    """Four local and four hollow nodes; every test names its tasks as no other does."""
    with (
        public_directory() as directory,
        postgres_server.database() as url,
        closing(Live(directory, url, hollow_nodes=4)) as live,
        pytest.MonkeyPatch.context() as patch,
    ):
        forget_settings(patch)
        live.bootstrap()
        live.start()
        yield live


@pytest.fixture(scope="module")
def hai(shared_live: Live) -> Person:
    """Somebody who types hai-cli commands in the shared platform's workspace."""
    return Person(shared_live)
