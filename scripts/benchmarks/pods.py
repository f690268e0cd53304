"""How quickly tasks become pods, beside plain Jobs under the cluster's own controllers.

200 nodes are objects without kubelets: they take pods and run none, so that what is measured is the
way from the submission to the pod. 50 nodes are kubemark's hollow kubelets: they take the pods of
agents and report that they start them, but their runtime runs nothing, not even the root step, so
that they come no further.
"""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path

import httpx2
import psutil

from hai.core.moments import rfc3339
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.reflector import Reflector
from scripts.benchmarks.cluster_objects import Times, calls, job_object, node_object
from scripts.benchmarks.figures import Figure, figure
from scripts.chaos_driver.cluster import IMAGE, Cluster, own_cluster
from scripts.chaos_driver.pods import NAMESPACE, KubernetesSite

BURST = 200
SINGLES = 25
HOLLOW = 50
CONNECTIONS = 8  # of both clients; neither limits its requests per second
JOBS = "hai-jobs"  # namespace
_PATIENCE_SECONDS = 240.0
_OURS = ("pods", "secrets", "services", "events")
_THEIRS = ("pods", "jobs", "events")

Submit = Callable[[int], Awaitable[str]]  # of a number; the name that its pod bears


class Side:
    """One of the two that are compared: how it is asked, and when its pods were there."""

    def __init__(self, submit: Submit, times: Times) -> None:
        self._submit = submit
        self.times = times
        self._asked: dict[str, float] = {}
        self._count = 0

    async def one(self) -> str:
        self._count += 1
        before = time.monotonic()
        name = await self._submit(self._count)
        self._asked[name] = before
        return name

    async def singles(self) -> list[float]:
        """Milliseconds from the request to the pod with a node, one after the other."""
        names = []
        for _ in range(SINGLES):
            name = await self.one()
            await until(lambda name=name: name in self.times.bound, "a pod")  # type: ignore[misc]
            names.append(name)
        return [1000 * (self.times.bound[name] - self._asked[name]) for name in names]

    async def burst(self, number: int) -> tuple[float, list[str]]:
        """Pods with a node per second, from the first request to the last pod."""
        began = time.monotonic()
        left = iter(range(number))
        names: list[str] = []

        async def connection() -> None:
            while next(left, None) is not None:
                names.append(await self.one())

        await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
        await until(lambda: self.times.bound.keys() >= set(names), "all pods")
        return number / (max(self.times.bound[name] for name in names) - began), names


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {_PATIENCE_SECONDS:.0f} s: {what}")
        await asyncio.sleep(0.005)


def pods() -> list[Figure]:
    folder = Path(tempfile.mkdtemp(prefix="hai-bench-", dir="/tmp"))
    folder.chmod(0o711)
    with own_cluster(1, node_grace="2h") as cluster:
        site = KubernetesSite(folder, cluster)
        site.environment["HAI_KUBERNETES__RESERVE_MEMORY_MIB"] = "256"
        try:
            site.run()
            return asyncio.run(_measure(site))
        finally:
            site.kill()
            shutil.rmtree(folder, ignore_errors=True)


async def _measure(site: KubernetesSite) -> list[Figure]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            await KubernetesClient.open(site.cluster.kubeconfig)
        )
        http = await stack.enter_async_context(
            httpx2.AsyncClient(
                base_url=f"{site.url}/api/v1",
                headers={"Authorization": f"Bearer {site.token}"},
                timeout=60,
                trust_env=False,
            )
        )
        await _prepare(site, client, http)
        ours = await _side(stack, client, NAMESPACE, _tasks(http, site, "objects"), "hai/task")
        theirs = await _side(stack, client, JOBS, _jobs(client), "job-name")
        figures = await _compare(site, client, ours, theirs)
        ours = await _side(stack, client, NAMESPACE, _tasks(http, site, "kubemark"), "hai/task")
        stack.enter_context(hollow_nodes(site.cluster))
        return figures + await _on_hollow_nodes(http, ours)


async def _prepare(
    site: KubernetesSite, client: KubernetesClient, http: httpx2.AsyncClient
) -> None:
    for name in (NAMESPACE, JOBS):
        await client.create("/api/v1/namespaces", {"metadata": {"name": name}})
    now = rfc3339(time.time(), "seconds")  # noqa: TID251 (only shown)
    for number in range(BURST + SINGLES):
        await client.create("/api/v1/nodes", node_object(f"object-{number}", "objects", now))
    await _nodes_join(http, "objects", BURST + SINGLES)


async def _nodes_join(http: httpx2.AsyncClient, group: str, number: int) -> None:
    """And may be used by everybody."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        rows = (await http.get("/nodes")).raise_for_status().json()["nodes"]
        free = [row for row in rows if row["group"] == group and row["status"] == "free"]
        if len(free) >= number:
            row = {"user": "*", "resource": f"node-{group}-NORMAL", "nodes": 1000}
            (await http.put("/quotas", json={"quotas": [row]})).raise_for_status()
            return
        await asyncio.sleep(0.5)
    raise SystemExit(f"{len(free)} of {number} nodes of {group} have joined")


async def _side(
    stack: AsyncExitStack, client: KubernetesClient, namespace: str, submit: Submit, label: str
) -> Side:
    times = Times(label)
    reflector = Reflector(client, paths.core("pods", namespace), on_change=times.note)
    await reflector.start()
    stack.push_async_callback(reflector.close)
    await reflector.wait_synced()
    return Side(submit, times)


def _tasks(http: httpx2.AsyncClient, site: KubernetesSite, group: str) -> Submit:
    async def submit(number: int) -> str:
        document = {
            "version": 2,
            "name": f"{group}-{number}",
            "priority": "NORMAL",
            "spec": {"entrypoint": "work.py", "workspace": str(site.work)},
            "resource": {"group": group, "node_count": 1},
        }
        return str((await http.post("/tasks", json=document)).raise_for_status().json()["id"])

    return submit


def _jobs(client: KubernetesClient) -> Submit:
    async def submit(number: int) -> str:
        body = job_object(f"job-{number}", "objects", IMAGE)
        await client.create(f"/apis/batch/v1/namespaces/{JOBS}/jobs", body)
        return f"job-{number}"

    return submit


async def _compare(
    site: KubernetesSite, client: KubernetesClient, ours: Side, theirs: Side
) -> list[Figure]:
    alone, plain = await ours.singles(), await theirs.singles()
    [server] = site.servers()
    before, cpu = await calls(client, _OURS), _cpu_seconds(server)
    ours_rate, _ = await ours.burst(BURST)
    cpu = _cpu_seconds(server) - cpu
    made = await _settled(client, _OURS) - before
    before = await _settled(client, _THEIRS)
    theirs_rate, _ = await theirs.burst(BURST)
    made_for_jobs = await _settled(client, _THEIRS) - before
    for what, counted in (("tasks", made), ("Jobs", made_for_jobs)):
        print(f"  API calls for {BURST} {what}: {dict(sorted(counted.items()))}", file=sys.stderr)
    jobs_each = _without_events(made_for_jobs) / BURST
    memory = server.memory_info().rss / 2**20
    return [
        figure("submit to pod with a node", alone, "ms", "<=", 150),
        figure("Job to pod with a node (for comparison)", plain, "ms", ">=", 0),
        figure(f"pods with a node, {BURST} tasks at once", [ours_rate], "/s", ">=", theirs_rate),
        figure(
            "API calls per task; target: per Job",
            [_without_events(made) / BURST],
            "",
            "<=",
            jobs_each,
        ),
        figure("server CPU per task", [1000 * cpu / BURST], "ms", "<=", 100),
        figure("server memory", [memory], "MiB", "<=", 400),
    ]


def _without_events(made: Counter[str]) -> int:
    """Both sides' controllers tell of what they do, as often as they like."""
    return sum(number for what, number in made.items() if not what.endswith("events"))


async def _settled(client: KubernetesClient, resources: tuple[str, ...]) -> Counter[str]:
    """The calls, once nobody makes any more."""
    before, now = None, await calls(client, resources)
    while now != before:
        await asyncio.sleep(2)
        before, now = now, await calls(client, resources)
    return now


def _cpu_seconds(server: psutil.Process) -> float:
    """Of it and its children."""
    processes = [server, *server.children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


@contextmanager
def hollow_nodes(cluster: Cluster) -> Iterator[None]:
    """kubemark's kubelets on this machine, over a runtime that only pretends; 75 MB each."""
    program = str(cluster.programs / "kubemark")
    # each has its runtime's socket at the same place in /tmp
    own_tmp = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /tmp && exec "$@"', "sh"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number in range(HOLLOW):
            ports = 21000 + 2 * number
            command = [*own_tmp, program, "--morph=kubelet", f"--name=hollow-{number}"]
            command += [
                f"--kubeconfig={cluster.kubeconfig}",
                "--node-labels=hai_mars_group=kubemark",
            ]
            command += [f"--kubelet-port={ports}", f"--kubelet-read-only-port={ports + 1}"]
            with (folder / "kubemark.log").open("ab") as log:
                process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
            stack.enter_context(process)
            stack.callback(process.kill)
        yield


async def _on_hollow_nodes(http: httpx2.AsyncClient, ours: Side) -> list[Figure]:
    """Until each kubelet says that it makes the containers ready."""
    await _nodes_join(http, "kubemark", HOLLOW)
    rate, names = await ours.burst(HOLLOW)
    await until(lambda: ours.times.taken.keys() >= set(names), "pods that hollow nodes take")
    took = [ours.times.taken[name] - ours.times.created[name] for name in names]
    return [
        figure(f"pods on {HOLLOW} hollow nodes", [rate], "/s", ">=", 1),
        figure("hollow pod: seen to taken by its kubelet", took, "s", "<=", 30),
    ]


if __name__ == "__main__":
    for one in pods():
        print(one.row())
