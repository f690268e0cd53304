"""The launchers' contract, over pods of a real cluster."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.launchers import OutlivingContract
from tests.kubernetes.pods import Pods
from tests.kubernetes.testbed import Cluster


class TestPods(OutlivingContract):
    @pytest.fixture
    async def harness(self, cluster: Cluster, namespace: str) -> AsyncIterator[Pods]:
        async with Pods(cluster, namespace) as made:
            yield made
