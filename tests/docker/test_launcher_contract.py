"""The launchers' contract, over containers of a real engine."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.launchers import OutlivingContract
from tests.docker.containers import Containers
from tests.docker.engine import PrivateEngine


class TestContainers(OutlivingContract):
    @pytest.fixture
    async def harness(self, engine: PrivateEngine) -> AsyncIterator[Containers]:
        async with Containers(engine) as made:
            yield made
