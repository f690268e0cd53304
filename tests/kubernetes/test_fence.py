"""A pod that goes without its node's word: its worker counts as lost when its agent must have
paused the program, and not before."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.errors import Unavailable
from hai.ports import WorkerPhase
from tests.kubernetes.pods import Pods
from tests.kubernetes.testbed import Cluster

KEY = WorkerKey(TaskId(7), 1, 0)


@pytest.fixture
async def pods(cluster: Cluster, namespace: str) -> AsyncIterator[Pods]:
    async with Pods(cluster, namespace, lost_after_seconds=20.0) as made:
        yield made


async def delete_by_force(pods: Pods) -> None:
    forced = ("--grace-period=0", "--force", "-n", pods.namespace)
    await asyncio.to_thread(pods.cluster.kubectl, "delete", "pod", "hai-7-1-0", *forced)


async def test_deleted_by_force_it_may_run_for_as_long_as_its_agent_is_heard(pods: Pods) -> None:
    await pods.launcher.launch(pods.worker(KEY, None))
    await pods.settle(KEY)
    pods.heard.add(KEY)
    await delete_by_force(pods)
    await pods.until(KEY, WorkerPhase.UNKNOWN, "somebody deleted its pod hai-7-1-0; it counts as")
    await pods.launcher.launch(pods.worker(KEY, None))
    assert pods.starts(KEY) == 1
    pods.heard.clear()
    await pods.until(KEY, WorkerPhase.NODE_LOST, "somebody deleted its pod hai-7-1-0")


async def test_an_order_to_end_it_waits_as_well(pods: Pods) -> None:
    await pods.launcher.launch(pods.worker(KEY, None))
    await pods.settle(KEY)
    pods.heard.add(KEY)
    await delete_by_force(pods)
    with pytest.raises(Unavailable, match="may still run"):
        await pods.launcher.kill(KEY)
    await pods.until(KEY, WorkerPhase.UNKNOWN)
    pods.heard.clear()
    await pods.until(KEY, WorkerPhase.LOST, "killed")


async def test_a_server_that_comes_back_gives_a_pod_that_went_the_same_time(pods: Pods) -> None:
    await pods.launcher.launch(pods.worker(KEY, None))
    await pods.settle(KEY)
    await pods.launcher.close()
    await delete_by_force(pods)
    pods.launcher = await pods.successor()
    with pytest.raises(Unavailable, match="may still run"):
        await pods.launcher.kill(KEY)
    assert (await pods.until(KEY, WorkerPhase.UNKNOWN)).detail.startswith("its pod is gone")
    await pods.until(KEY, WorkerPhase.LOST, "killed")
