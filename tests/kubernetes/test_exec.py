"""Programs inside a pod that runs."""

import hashlib
import io
import json
from collections.abc import AsyncIterator

import pytest

from hai.errors import NotFound
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.exec import Pod, run_in_pod
from tests.kubernetes.testbed import Cluster
from tests.waiting import async_wait_until

SIZE = 3_000_000
COUNT = f"import sys, hashlib; print(hashlib.sha256(sys.stdin.buffer.read({SIZE})).hexdigest())"
FLOOD = (
    f"import sys; sys.stdout.buffer.write(b'x' * {SIZE}); print('so', file=sys.stderr); sys.exit(7)"
)


@pytest.fixture
async def pod(client: KubernetesClient, cluster: Cluster, namespace: str) -> AsyncIterator[Pod]:
    body = {
        "metadata": {"name": "inside"},
        "spec": {
            "automountServiceAccountToken": False,  # there is none in the first moments
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": cluster.image, "command": ["sleep", "600"]}],
        },
    }
    account = paths.core("serviceaccounts", namespace, "default")
    await async_wait_until(lambda: client.get_or_none(account), what="a service account")
    await client.create(paths.core("pods", namespace), body)
    cluster.kubectl(
        "-n", namespace, "wait", "--for=condition=Ready", "pod/inside", "--timeout=120s"
    )
    yield Pod(namespace, "inside", "main")
    await client.delete(paths.core("pods", namespace, "inside"), grace_seconds=0)


async def test_what_goes_in_and_comes_out(client: KubernetesClient, pod: Pod) -> None:
    data = json.dumps(list(range(SIZE // 4))).encode()[:SIZE]
    assert len(data) == SIZE
    out = io.BytesIO()
    ended = await run_in_pod(client, pod, ["python3", "-c", COUNT], out, io.BytesIO(data))
    assert (ended.code, ended.stderr) == (0, "")
    assert out.getvalue().decode().strip() == hashlib.sha256(data).hexdigest()

    out = io.BytesIO()
    ended = await run_in_pod(client, pod, ["python3", "-c", FLOOD], out)
    assert (ended.code, ended.stderr) == (7, "so\n")
    assert out.getvalue() == b"x" * SIZE


async def test_who_does_not_read_all(client: KubernetesClient, pod: Pod) -> None:
    """A program that ends before its input does is no error of the connection."""
    ended = await run_in_pod(client, pod, ["false"], io.BytesIO(), io.BytesIO(b"x" * SIZE))
    assert ended.code == 1


async def test_what_is_not_there(client: KubernetesClient, pod: Pod) -> None:
    with pytest.raises(NotFound):
        await run_in_pod(client, Pod(pod.namespace, "nobody", "main"), ["true"], io.BytesIO())
    ended = await run_in_pod(client, pod, ["no-such-program"], io.BytesIO())
    assert ended.code != 0
