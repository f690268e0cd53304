"""A private engine with the platform's image, and somebody who calls hai-up beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.deployed import Deployed, bring_compose
from tests.docker.conftest import engine, pytest_collection_modifyitems, shared_engine
from tests.docker.engine import PrivateEngine
from tests.kubernetes.images import build

__all__ = ["engine", "pytest_collection_modifyitems", "shared_engine"]


@pytest.fixture(scope="session")
def platform_image(shared_engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its name, in the engine."""
    name, archive = build(tmp_path_factory.mktemp("image"))
    shared_engine.load(archive)
    return name


@pytest.fixture(scope="session")
def plugins() -> Path | None:
    """A folder with the plugin docker compose, version 2; None: the machine's docker-compose."""
    return bring_compose()


@pytest.fixture
def deployed(
    engine: PrivateEngine, platform_image: str, plugins: Path | None, public_dir: Path
) -> Iterator[Deployed]:
    """Nothing runs yet. Whatever a failed test left goes."""
    made = Deployed(engine, platform_image, plugins, public_dir)
    try:
        yield made
    finally:
        made.clean()
