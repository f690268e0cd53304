"""What a task can do from inside its pod, to its node and to the cluster.

The attacks work on a `Place`, so that tests try them on a cluster that they have already.
"""

from collections.abc import Callable
from typing import Protocol

from scripts.chaos_driver.pods import KubernetesSite
from scripts.chaos_driver.waiting import Violation, wait_for
from scripts.hostile_driver.attacks import Scene, in_pods
from scripts.hostile_driver.attacks.tasks import (
    END_SECONDS,
    ENDED,
    TaskPlace,
    attempted,
    end_of,
)
from scripts.hostile_driver.places import place_of
from scripts.hostile_driver.site import DISK_MIB, PROCESSES

ARRAY = 24
_PIECES_OF_A_WORKER = 3  # pod, Secret and, for the first rank, Service


class Place(TaskPlace, Protocol):
    """A platform whose tasks are pods, under the eyes of somebody with kubectl."""

    @property
    def namespace(self) -> str: ...

    @property
    def api_server(self) -> str:
        """URL, as pods reach it."""

    @property
    def hidden_paths(self) -> tuple[str, ...]:
        """Of the platform's own files."""

    def objects(self) -> list[str]:
        """Pods, Secrets and Services of tasks that are there now."""

    def kubectl(self, *words: str) -> str: ...

    def image(self) -> str:
        """A reference that any user may name."""


def secrets(place: Place) -> str:
    """Its own Secret, the agent's memory, a ServiceAccount's token, the platform's files."""
    return attempted(place, "look.py", *place.hidden_paths)


def api_server(place: Place) -> str:
    """Whoever has no account gets nothing, of the kubelets neither: they know of every pod."""
    path = "jsonpath={.items[*].status.addresses[?(@.type=='InternalIP')].address}"
    kubelets = [f"https://{a}:10250" for a in place.kubectl("get", "nodes", "-o", path).split()]
    return attempted(place, "ask.py", place.api_server, place.namespace, *kubelets)


def processes(place: Place) -> str:
    return attempted(place, "fork.py", str(PROCESSES))


def last_words(place: Place) -> str:
    """In an image of the user's own, where the agent is no more than the program."""
    return attempted(place, "words.py", "256", resource={"image": place.image()})


def disk(place: Place) -> str:
    """The pod has to go, and the task with it: elsewhere it would do the same."""
    ended = end_of(place, place.submit("fill.py", str(DISK_MIB * 5)))
    if ended.state != "failed" or "out of disk" not in ended.why:
        raise Violation(f"{ended.state} {ended.why}: {ended.text[-300:]}")
    path = "jsonpath={.items[*].status.conditions[?(@.type=='DiskPressure')].status}"
    if "True" in place.kubectl("get", "nodes", "-o", path):
        raise Violation("a node has no disk left")
    return "its pod was evicted and the task failed: out of disk"


def objects(place: Place) -> str:
    """An array of short tasks, and one with a large document."""
    filling = {"FILLING": "x" * 200_000}
    ended = end_of(place, place.submit("nothing.py", environments=filling))
    if ended.state != "failed" or "KiB" not in ended.why:
        raise Violation(f"a large document: {ended.state} {ended.why}")
    nodes = len(place.kubectl("get", "nodes", "-o", "name").split())
    allowed = 4 * nodes * _PIECES_OF_A_WORKER  # of those that run, leave, or are being recorded
    first = place.submit("nothing.py", options={"array": f"0-{ARRAY - 1}"})
    most = 0

    def are_over() -> bool:
        nonlocal most
        most = max(most, len(place.objects()))
        return all(place.state(first + n) in ENDED for n in range(ARRAY)) and not place.objects()

    if not wait_for(are_over, 3 * END_SECONDS, 0.3):
        raise Violation(f"objects are left: {place.objects()[:10]}")
    if most > allowed:
        raise Violation(f"{most} objects for {nodes} nodes")
    return f"{most} objects at most while {ARRAY} tasks ran on {nodes} nodes, none afterwards"


ATTACKS: dict[str, tuple[str, Callable[[Place], str]]] = {
    "pod-secrets": ("the agent's Secret and the platform's files are out of reach", secrets),
    "pod-api-server": (
        "neither the API server nor a kubelet answers whoever has no account",
        api_server,
    ),
    "pod-processes": ("a task cannot take all process ids of its node", processes),
    "pod-disk": ("a task cannot fill the disk of its node", disk),
    "pod-last-words": ("nor by the file of a container's last words", last_words),
    "pod-objects": ("a user cannot fill the API server with objects", objects),
}


def _on_site(attack: Callable[[Place], str]) -> Callable[[Scene[KubernetesSite]], str]:
    return lambda scene: attack(place_of(scene))


for _name, (_promise, _attack) in ATTACKS.items():
    in_pods(_name, _promise)(_on_site(_attack))
