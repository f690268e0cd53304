"""A launcher lets go of a worker in steps, and an API server may be away at each."""

from pathlib import Path

import pytest

from hai.errors import Unavailable
from hai.ports import Launcher, WorkerPhase
from tests.contract.launchers import key_of
from tests.kubernetes.pods import Pods
from tests.kubernetes.proxy import proxied
from tests.kubernetes.testbed import Cluster
from tests.waiting import async_wait_until

KEY = key_of(1)


async def _phases(launcher: Launcher) -> list[WorkerPhase]:
    try:
        return [one.phase for one in await launcher.observe() if one.key == KEY]
    except Unavailable:  # it has not heard of the cluster again yet
        return []


async def test_what_could_not_be_forgotten_is_seen_until_it_is(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    async with (
        Pods(cluster, namespace) as pods,
        proxied(cluster.kubeconfig, tmp_path) as (proxy, kubeconfig),
    ):
        launcher = await pods.successor(kubeconfig)
        await launcher.launch(pods.worker(KEY, exit_code=0))

        async def has_ended() -> bool:
            return await _phases(launcher) == [WorkerPhase.EXITED]

        await async_wait_until(has_ended, 240, what="the end of the worker")
        proxy.is_refusing = True
        proxy.cut()
        with pytest.raises(Unavailable):
            await launcher.forget(KEY)
        proxy.is_refusing = False
        await async_wait_until(has_ended, 120, what="the worker is seen again")
        await launcher.forget(KEY)
        assert await _phases(launcher) == []
        place = ("-n", namespace, "get", "pods,secrets", "-l", "hai/rank", "-o", "name")
        assert cluster.kubectl(*place) == ""
