"""Fixtures of the contract suites."""

from collections.abc import AsyncIterator

import pytest

from hai.ports import Store
from hai.store.open import open_store


@pytest.fixture(params=["memory", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory:"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """Every implementation of the store, open and empty."""
    opened = open_store(store_url, pool_size=4)
    await opened.open()
    yield opened
    await opened.close()
