"""What kubelets are set to: a question to each of them, through the API server."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hai.errors import HaiError
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai_up.checks import OK, WARN, Check
from hai_up.cluster.options import ClusterOptions

Json = dict[str, Any]

KUBELET_SECONDS = 10.0  # of all at once; a node that is away hides no other
GOOD_LIMIT = 16384
_NAMED = 5


async def processes_check(client: KubernetesClient, options: ClusterOptions) -> Check:
    """A program of root in a pod is bounded by its kubelet alone."""
    nodes = list(options.group_of)
    limits = await asyncio.gather(*(_limit(client, node) for node in nodes))
    found = dict(zip(nodes, limits, strict=True))
    free = [node for node, limit in found.items() if limit is not None and limit <= 0]
    if free:
        return Check(
            "processes",
            WARN,
            f"no podPidsLimit on {_names(free)}: one task can take all process ids there",
            f"podPidsLimit: {GOOD_LIMIT} in the kubelet's configuration "
            "(/var/lib/kubelet/config.yaml) of each, then: systemctl restart kubelet",
        )
    silent = [node for node, limit in found.items() if limit is None]
    if silent:
        return Check(
            "processes",
            WARN,
            f"podPidsLimit is not known of {_names(silent)}: the kubelet does not tell",
            f"kubectl get --raw /api/v1/nodes/{silent[0]}/proxy/configz",
        )
    least = min(limit for limit in limits if limit is not None)
    return Check("processes", OK, f"podPidsLimit is {least:,} or more on all {len(nodes)} nodes")


async def _limit(client: KubernetesClient, node: str) -> int | None:
    """Of each pod; 0 or less: there is none; None: nobody knows."""
    path = f"{paths.core('nodes', name=node, subresource='proxy')}/configz"
    try:
        told: Json = await asyncio.wait_for(client.get(path), KUBELET_SECONDS)
        return int(told["kubeletconfig"].get("podPidsLimit", -1))
    except (HaiError, TimeoutError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _names(nodes: Sequence[str]) -> str:
    shown = ", ".join(nodes[:_NAMED])
    return shown + (f" and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else "")
