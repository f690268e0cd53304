"""A cluster that takes its time: a worker whose pod is being made is not lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.launcher.kubernetes.launcher import START_SECONDS, KubernetesLauncher
from hai.ports import WorkerPhase
from tests.kubernetes.pods import Pods
from tests.kubernetes.testbed import Cluster

KEY = WorkerKey(TaskId(7), 1, 0)


@pytest.fixture
async def pods(cluster: Cluster, namespace: str) -> AsyncIterator[Pods]:
    async with Pods(cluster, namespace) as made:
        yield made


async def test_a_launch_that_takes_long_is_no_loss(
    pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record is there; its node is not free yet, or the API server is slow."""
    launcher, goes_on = pods.launcher, asyncio.Event()
    assert isinstance(launcher, KubernetesLauncher)
    client = launcher._cluster.client
    create = client.create

    async def slowly(path: str, body: Any) -> Any:
        if path.endswith("/pods"):
            await goes_on.wait()
        return await create(path, body)

    monkeypatch.setattr(client, "create", slowly)
    launch = asyncio.create_task(launcher.launch(pods.worker(KEY, exit_code=0)))
    await pods.until(KEY, WorkerPhase.ALIVE)
    monkeypatch.setattr(launcher, "_monotonic", lambda: time.monotonic() + 2 * START_SECONDS)
    await pods.until(KEY, WorkerPhase.ALIVE)
    goes_on.set()
    await launch
    await pods.until(KEY, WorkerPhase.EXITED)
    assert pods.starts(KEY) == 1
