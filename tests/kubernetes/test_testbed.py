"""The testbed itself: real pods on real kubelets, and nothing left of a cluster."""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.paths import core
from hai.kubernetes.reflector import ObjectChange, Reflector
from tests.kubernetes.testbed import Cluster, own_cluster, what_is_missing
from tests.waiting import wait_until

_PROGRAM = "import numpy; print('sum', numpy.arange(5).sum())"
_SYSCTLS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops")


def pod(name: str, image: str, node: str, program: str = _PROGRAM) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"app": "hai"}},
        "spec": {
            "nodeName": node,
            "automountServiceAccountToken": False,  # there is none in the first moments
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "c",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python3", "-c", program],
                }
            ],
        },
    }


async def test_pods_run_on_each_node_and_are_followed_to_their_end(
    own: Cluster, client: KubernetesClient, namespace: str
) -> None:
    phases: dict[str, list[str]] = {}

    def hear(change: ObjectChange) -> None:
        if change.after is not None:
            seen = phases.setdefault(change.key[1], [])
            phase = change.after["status"]["phase"]
            if seen[-1:] != [phase]:
                seen.append(phase)

    nodes = [item["metadata"]["name"] for item in (await client.list(core("nodes")))["items"]]
    path = core("pods", namespace)
    reflector = Reflector(client, path, label_selector="app=hai", on_change=hear)
    await reflector.start()
    try:
        for node in nodes:
            await client.create(path, pod(f"on-{node}", own.image, node))
        ended = asyncio.create_task(
            reflector.wait_for(
                lambda items: (
                    len(items) == len(nodes)
                    and all(item["status"]["phase"] == "Succeeded" for item in items.values())
                )
            )
        )
        await asyncio.wait_for(ended, 120)
        for node in nodes:
            assert phases[f"on-{node}"][0] == "Pending"
            log = await client.request_raw("GET", core("pods", namespace, f"on-{node}", "log"))
            assert log == b"sum 10\n"
            await client.delete(core("pods", namespace, f"on-{node}"), grace_seconds=0)
        await asyncio.wait_for(reflector.wait_for(lambda items: not items), 30)
    finally:
        await reflector.close()


async def test_a_pod_that_has_gone_is_told_with_its_last_state(
    own: Cluster, client: KubernetesClient, namespace: str
) -> None:
    """Deleted while it runs: it is Terminating first, and goes when the kubelet has ended it."""
    changes: list[ObjectChange] = []
    path = core("pods", namespace)
    reflector = Reflector(client, path, on_change=changes.append)
    await reflector.start()
    try:
        program = "import time; print('up', flush=True); time.sleep(600)"
        await client.create(path, pod("p", own.image, "node1", program))

        def is_running(items: Any) -> bool:
            return any(item["status"]["phase"] == "Running" for item in items.values())

        await asyncio.wait_for(reflector.wait_for(is_running), 120)
        await client.delete(core("pods", namespace, "p"))
        await asyncio.wait_for(reflector.wait_for(lambda items: not items), 60)
    finally:
        await reflector.close()
    assert changes[-1].kind == "deleted"
    assert changes[-1].before is not None
    assert changes[-1].before["metadata"]["deletionTimestamp"]


def test_a_kubelet_that_gave_up_without_its_runtime_is_started_again(own: Cluster) -> None:
    """As a service manager does: otherwise its node would never be ready again."""
    gone = psutil.Process(own.pid_of("kubelet1"))
    gone.kill()
    wait_until(lambda: not is_alive(gone), 30, what="the end of the kubelet")
    own.restart("containerd1")
    assert is_alive(psutil.Process(own.pid_of("kubelet1")))
    beat = "jsonpath={.status.conditions[?(@.type=='Ready')]['status','lastHeartbeatTime']}"
    before = own.kubectl("get", "node", "node1", "-o", beat)

    def is_ready() -> bool:
        now = own.kubectl("get", "node", "node1", "-o", beat)
        return now.startswith("True") and now != before

    wait_until(is_ready, 120, what=f"node1 reports again, after {before}")


def settings() -> list[str]:
    return [(Path("/proc/sys") / name).read_text() for name in _SYSCTLS]


def traces(cluster: Cluster) -> list[str]:
    """What there is of a cluster on this machine."""
    folder = str(cluster.folder)
    found = [
        f"process {process.pid}"
        for process in psutil.process_iter(["cmdline"])
        if any(folder in word for word in process.info["cmdline"] or ())
    ]
    for command in (["ip", "netns", "list"], ["ip", "link", "show"]):
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found += [line for line in shown.splitlines() if f"{cluster.name}-" in line]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/{cluster.name}-node*")]
    mounts = Path("/proc/mounts").read_text().splitlines()
    return found + [line for line in mounts if str(cluster.folder) in line]


def is_alive(process: psutil.Process) -> bool:
    """This very one: its pid may be somebody else's by now, or a zombie that nobody has reaped."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.timeout(900)
@pytest.mark.xdist_group("kubernetes")
def test_nothing_is_left_of_a_cluster_with_running_pods() -> None:
    """Beside whatever other clusters there are; they go on."""
    if missing := what_is_missing():
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    with own_cluster(1) as cluster:
        program = "import subprocess; subprocess.run(['sleep', '1000'], start_new_session=True)"
        cluster.kubectl("run", "p", f"--image={cluster.image}", "--image-pull-policy=Never",
                        "--", "python3", "-c", program)  # fmt: skip
        cluster.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=90s")
        assert traces(cluster)
        noted = [cluster.pid_of(name.name) for name in (cluster.folder / "pids").iterdir()]
        started = [psutil.Process(pid) for pid in noted if psutil.pid_exists(pid)]
        assert started
        others = settings()
    assert not cluster.folder.exists()
    wait_until(lambda: traces(cluster) == [], 30, what=f"the end of {traces(cluster)}")
    wait_until(lambda: not [one for one in started if is_alive(one)], 30, what="no process left")
    if cluster.folder.parent.exists():  # the settings serve those that are left
        assert settings() == others
