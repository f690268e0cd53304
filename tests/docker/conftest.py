"""One Docker engine for all tests of a run."""

import os
from collections.abc import Iterator

import pytest

from tests.conftest import PostgresServer, public_directory
from tests.docker.engine import PrivateEngine, own_engine, what_is_missing
from tests.docker.platform import DockerPlatform, start_platform

_TIMEOUT_SECONDS = 600  # of the first test, which waits for the engine


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All that use the engine run in one worker of pytest-xdist: there is one engine. Long ones run
    when they are asked for: -m campaign."""
    if "campaign" not in config.option.markexpr:
        items[:] = [item for item in items if item.get_closest_marker("campaign") is None]
    for item in items:
        if isinstance(item, pytest.Function) and "shared_engine" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("docker"))
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_TIMEOUT_SECONDS))


@pytest.fixture(scope="session")
def shared_engine() -> Iterator[PrivateEngine]:
    missing = what_is_missing()
    if missing and os.environ.get("CI"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    with own_engine() as started:
        yield started


@pytest.fixture
def engine(shared_engine: PrivateEngine) -> Iterator[PrivateEngine]:
    """The engine; whatever the test made of it is gone at its end."""
    assert shared_engine.left() == []
    yield shared_engine
    left = shared_engine.left()
    if left:  # of a test that failed: the next one is to have a clean one
        for one in shared_engine.containers():
            shared_engine.remove(one["Id"])
        shared_engine.call("POST", "/networks/prune")
        shared_engine.call("POST", "/volumes/prune")
    assert left == []


@pytest.fixture(scope="module")
def shared_platform(
    shared_engine: PrivateEngine, postgres_server: PostgresServer
) -> Iterator[DockerPlatform]:
    with public_directory() as directory, postgres_server.database() as url:
        made = start_platform(
            directory / "site",
            url,
            shared_engine,
            "reserve_memory_mib = 0",
            HAI_AGENT__SUSPECT_SECONDS="2",
        )
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def platform(shared_platform: DockerPlatform, engine: PrivateEngine) -> DockerPlatform:
    """One for all tests of a file; each leaves it without a task, and its engine empty."""
    assert shared_platform.engine is engine
    return shared_platform
