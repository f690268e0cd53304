"""What a reflector keeps of an object: what it is and how it fares, not how it is started.

Thousands of pods differ in little of what they are started with, and that is most of their size.
Who needs all of an object gets it from the server.
"""

import gc
import json
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from hai.kubernetes.paths import target_of

Json = dict[str, Any]

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_DROPPED_OF_PODS = (
    "affinity",
    "dnsConfig",
    "imagePullSecrets",
    "securityContext",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
)
_DROPPED_OF_CONTAINERS = (
    "args",
    "command",
    "env",
    "envFrom",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "securityContext",
    "startupProbe",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "volumeDevices",
    "volumeMounts",
)
_DROPPED_OF_NODES = ("images", "volumesAttached", "volumesInUse")


def keep_for(path: str) -> Callable[[Json], Json]:
    """The usual choice for the objects of a path. Each takes an object and may change it."""
    return _BY_RESOURCE.get(target_of(path).full_resource, without_bookkeeping)


def without_bookkeeping(item: Json) -> Json:
    """Without what only appliers need: half of most objects."""
    metadata = item.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
        _drop(metadata.get("annotations"), (_LAST_APPLIED,))
    return item


def brief_pod(item: Json) -> Json:
    """Without variables, mounts, volumes, probes and the like; resources and status stay."""
    spec = without_bookkeeping(item).get("spec")
    if isinstance(spec, dict):
        _drop(spec, _DROPPED_OF_PODS)
        for kind in ("containers", "initContainers", "ephemeralContainers"):
            for container in spec.get(kind) or ():
                _drop(container, _DROPPED_OF_CONTAINERS)
    return item


def brief_node(item: Json) -> Json:
    """Without the list of its images and volumes."""
    _drop(without_bookkeeping(item).get("status"), _DROPPED_OF_NODES)
    return item


_BY_RESOURCE = {"pods": brief_pod, "nodes": brief_node}


def _drop(part: object, names: tuple[str, ...]) -> None:
    if isinstance(part, MutableMapping):
        for name in names:
            part.pop(name, None)


@contextmanager
def many_objects_made() -> Iterator[None]:
    """While much is decoded at once: nothing of it is garbage or a cycle, and yet the collector
    would look at all that is kept again and again, for two thirds of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def decoded(raw: bytes) -> object:
    """JSON as Python's objects; ValueError if it is none."""
    with many_objects_made():
        return json.loads(raw)
