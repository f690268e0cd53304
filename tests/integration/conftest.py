"""A whole server in one process: memory store, in-process bus, hollow nodes, real clock."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hai.server.compose import Platform, compose, opened
from hai.service.bootstrap import Bootstrap
from hai.settings import load_settings
from tests.integration.api import Client, connect, first_document


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    settings = load_settings(
        server={"data_dir": tmp_path, "port": 1},
        store={"url": "memory:"},
        suspend={"notice_seconds": 0.2},
    )
    made = compose(settings)
    async with opened(made):
        yield made


@pytest.fixture
async def admin(platform: Platform) -> AsyncIterator[Client]:
    services = platform.services
    bootstrap = Bootstrap(platform.store, services.users, services.clock)
    made = await bootstrap.apply(first_document())
    assert made.secret
    async with connect(platform, made.secret) as client:
        yield client


@pytest.fixture
async def alice(platform: Platform, admin: Client) -> AsyncIterator[Client]:
    reply = await admin.post("/api/v1/users", json={"name": "alice", "uid": 12345})
    assert reply.status_code == 201
    async with connect(platform, reply.json()["token"]["token"]) as client:
        yield client
