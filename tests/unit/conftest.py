"""A server that says what a test tells it to say."""

from collections.abc import Iterator

import pytest

from tests.unit.cli.peer import Peer


@pytest.fixture
def peer() -> Iterator[Peer]:
    found = Peer()
    yield found
    found.close()
