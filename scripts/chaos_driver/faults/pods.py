"""What happens to single pods, to their namespace, and to what stands beside the cluster."""

import json

from scripts.chaos_driver.cluster import REGISTRY_PORT
from scripts.chaos_driver.faults import Scene, kubernetes
from scripts.chaos_driver.faults.cluster import busy_node
from scripts.chaos_driver.faults.processes import (
    agent_killed,
    agent_stopped,
    everything_killed,
    pause,
    postgres_killed,
    program_killed,
    server_killed,
    server_stopped,
)
from scripts.chaos_driver.kinds import CANNOT_START, KILLED, STOPPED
from scripts.chaos_driver.pods import NAMESPACE, POD_MEMORY_MIB, KubernetesSite
from scripts.chaos_driver.waiting import wait_for

_POD_SECONDS = 20.0  # for one to be there
NO_IMAGE = f"localhost:{REGISTRY_PORT}/no/such:1"
NO_REGISTRY = "localhost:1/no/such:1"

for _kind, _inject in {
    "server-killed": server_killed,
    "server-stopped": server_stopped,
    "agent-killed": agent_killed,
    "agent-stopped": agent_stopped,
    "program-killed": program_killed,
    "postgres-killed": postgres_killed,
    "everything-killed": everything_killed,
}.items():
    kubernetes(_kind)(_inject)


def some_pod(scene: Scene[KubernetesSite]) -> str:
    """The name of one that is there; empty: there is none."""
    found = wait_for(lambda: sorted(scene.site.pods()), _POD_SECONDS, 0.5)
    return scene.chance.choice(found) if found else ""


@kubernetes("pod-deleted")
def pod_deleted(scene: Scene[KubernetesSite]) -> str:
    """By hand: as it is usually done, at once, and by force, which does not wait for its node."""
    how = scene.chance.choice(((), ("--now",), ("--force", "--grace-period=0")))
    name = some_pod(scene)
    if not name:
        return "none was there"
    words = ("delete", "pod", name, "-n", NAMESPACE, "--wait=false", *how)
    scene.site.cluster.kubectl(*words)
    return f"{name} {' '.join(how)}".strip()


@kubernetes("pod-evicted")
def pod_evicted(scene: Scene[KubernetesSite]) -> str:
    """Through the Eviction API, as a drain does."""
    name = some_pod(scene)
    if not name:
        return "none was there"
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction"
    body = {
        "apiVersion": scene.site.cluster.eviction_version(),
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": NAMESPACE},
    }
    code, said = scene.site.cluster.kubectl(
        "create", "--raw", path, "-f", "-", given=json.dumps(body)
    )
    return name if code == 0 else f"{name}: {said[:120]}"


@kubernetes("node-drained")
def node_drained(scene: Scene[KubernetesSite]) -> str:
    cluster, node = scene.site.cluster, busy_node(scene)
    cluster.insist("cordon", node)
    names = [name for name, (where, _) in scene.site.pods().items() if where == node]
    for name in names:
        cluster.kubectl("delete", "pod", name, "-n", NAMESPACE, "--wait=false")
    pause(scene.chance.choice((1.0, 5.0, 15.0)))
    cluster.insist("uncordon", node)
    return f"{node} with {len(names)} pods"


@kubernetes("quota-exhausted")
def quota_exhausted(scene: Scene[KubernetesSite]) -> str:
    """The namespace may have no more pods, Secrets or Services for a while."""
    cluster, what = scene.site.cluster, scene.chance.choice(("pods", "secrets", "services"))
    seconds = scene.chance.choice((2.0, 10.0, 25.0))
    cluster.insist("create", "quota", "full", f"--hard={what}=0", "-n", NAMESPACE)
    try:
        pause(seconds)
    finally:
        cluster.insist("delete", "quota", "full", "-n", NAMESPACE, "--ignore-not-found")
    return f"{what} for {seconds:g} s"


@kubernetes("image-missing")
def image_missing(scene: Scene[KubernetesSite]) -> str:
    """A registry that does not have it says so, and the task fails; one that cannot be reached may
    be there again some day, so its task waits until somebody stops it."""
    if scene.chance.random() < 0.5:
        ids = scene.load.submit("no-image", "plain 5 0", CANNOT_START, image=NO_IMAGE)
        return f"task {ids}"
    ids = scene.load.submit("no-registry", "plain 5 0", STOPPED, image=NO_REGISTRY)
    pause(scene.chance.uniform(1.0, 15.0))
    scene.load.stop_tasks(ids)
    return f"task {ids}, stopped"


@kubernetes("out-of-memory")
def out_of_memory(scene: Scene[KubernetesSite]) -> str:
    ids = scene.load.submit("memory", f"memory {2 * POD_MEMORY_MIB} 0", KILLED)
    return f"task {ids}"
