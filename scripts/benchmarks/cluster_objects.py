"""Nodes and Jobs as objects of the API, and what a cluster's pods did when."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.reflector import ObjectChange

Json = dict[str, Any]
_GIB = 2**30


def node_object(name: str, group: str, now: str) -> Json:
    """A node without a kubelet that says it is ready; now: RFC 3339."""
    amounts = {"cpu": "8", "memory": str(16 * _GIB), "pods": "110"}
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Recorded",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    return {
        "metadata": {"name": name, "labels": {"hai_mars_group": group, "part": group}},
        "status": {"capacity": amounts, "allocatable": amounts, "conditions": [condition]},
    }


def job_object(name: str, group: str, image: str) -> Json:
    """One pod of a job, on any node of the group."""
    container = {"name": "main", "image": image, "command": ["sleep", "60"]}
    spec = {
        "restartPolicy": "Never",
        "nodeSelector": {"part": group},
        "containers": [container],
    }
    return {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": spec}}}


class Times:
    """When each pod was first seen, had a node, and was taken by it; by `monotonic` seconds."""

    def __init__(self, label: str) -> None:
        self._label = label  # whose value names what was asked for
        self.created: dict[str, float] = {}
        self.bound: dict[str, float] = {}
        self.taken: dict[str, float] = {}

    def note(self, change: ObjectChange) -> None:
        """Called by the reflector."""
        item = change.after
        name = (item["metadata"].get("labels") or {}).get(self._label) if item else None
        if item is None or name is None:
            return
        now = time.monotonic()
        self.created.setdefault(name, now)
        if item["spec"].get("nodeName"):
            self.bound.setdefault(name, now)
        status = item.get("status") or {}
        if status.get("initContainerStatuses") or status.get("containerStatuses"):
            self.taken.setdefault(name, now)


async def calls(client: KubernetesClient, resources: tuple[str, ...]) -> Counter[str]:
    """Requests that the API server has answered, by "VERB resource", watches aside."""
    text = (await client.request_raw("GET", "/metrics")).decode()
    found: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith("apiserver_request_total{"):
            labels, _, number = line.rpartition(" ")
            told = _labels(labels)
            if told["resource"] in resources and told["verb"] != "WATCH":
                what = "/".join(filter(None, (told["resource"], told["subresource"])))
                found[f"{told['verb']} {what}"] += int(float(number))
    return found


def _labels(text: str) -> Mapping[str, str]:
    inside = text.partition("{")[2].rstrip("}")
    return {
        name: value.strip('"') for name, _, value in (p.partition("=") for p in inside.split(","))
    }
