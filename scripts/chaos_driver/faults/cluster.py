"""Parts of a Kubernetes cluster that die, hang or are cut off."""

from scripts.chaos_driver.faults import Scene, kubernetes
from scripts.chaos_driver.faults.processes import kill, pause
from scripts.chaos_driver.pods import KubernetesSite
from scripts.chaos_driver.waiting import wait_for

_BUSY_SECONDS = 20.0


def busy_node(scene: Scene[KubernetesSite]) -> str:
    """One that runs a pod, of a gang if there is a gang."""
    site = scene.site

    def found() -> list[str]:
        pods = list(site.pods().values())
        gangs = [node for node, rank in pods if rank > 0]
        return sorted(set(gangs or [node for node, _ in pods]))

    nodes: list[str] = wait_for(found, _BUSY_SECONDS, 0.5) or site.cluster.nodes
    return scene.chance.choice(nodes)


@kubernetes("node-cut")
def node_cut(scene: Scene[KubernetesSite]) -> str:
    """Its programs pause after 10 s; after 15 s the platform counts them as lost, or after 15 s of
    a node that is not ready."""
    node, seconds = busy_node(scene), scene.chance.choice((2.0, 10.0, 20.0, 45.0))
    scene.site.cluster.link(node, "down")
    for name, (where, _) in scene.site.pods().items():
        if where == node:
            scene.load.cut_off(int(name.split("-")[1]))
    try:
        pause(seconds)
    finally:
        scene.site.cluster.link(node, "up")
    scene.site.recovers()
    return f"{node} for {seconds:g} s"


@kubernetes("kubelet-killed")
def kubelet_killed(scene: Scene[KubernetesSite]) -> str:
    node, seconds = busy_node(scene), scene.chance.choice((0.0, 5.0, 30.0))
    scene.site.cluster.restart(node.replace("node", "kubelet"), seconds)
    scene.site.recovers()
    return f"of {node}, back after {seconds:g} s"


@kubernetes("containerd-killed")
def containerd_killed(scene: Scene[KubernetesSite]) -> str:
    """Containers run on below their shims."""
    node, seconds = busy_node(scene), scene.chance.choice((0.0, 5.0))
    scene.site.cluster.restart(node.replace("node", "containerd"), seconds)
    scene.site.recovers()
    return f"of {node}, back after {seconds:g} s"


@kubernetes("api-server-away")
def api_server_away(scene: Scene[KubernetesSite]) -> str:
    """Now and then for longer than the platform believes what it heard last."""
    seconds = scene.chance.choice((0.0, 3.0, 15.0, 60.0))
    scene.site.cluster.restart("apiserver", seconds)
    scene.site.recovers()
    return f"for {seconds:g} s"


@kubernetes("etcd-killed")
def etcd_killed(scene: Scene[KubernetesSite]) -> str:
    seconds = scene.chance.choice((0.0, 2.0, 10.0))
    scene.site.cluster.restart("etcd", seconds)
    scene.site.recovers()
    return f"back after {seconds:g} s"


@kubernetes("server-and-api-killed")
def server_and_api_killed(scene: Scene[KubernetesSite]) -> str:
    """The server comes back first and finds no cluster."""
    kill(scene.site.servers())
    scene.site.cluster.restart("apiserver", 0)
    scene.site.run()
    scene.site.recovers()
    return "both at once"
