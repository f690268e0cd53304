"""Labels of nodes: which group each is in. What was there before is put back at the end."""

from collections.abc import Mapping
from typing import Any

from hai.errors import InvalidInput, NotFound
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient

Labels = dict[str, str]  # node name -> value of our label


async def check_nodes(client: KubernetesClient, names: tuple[str, ...]) -> None:
    """InvalidInput names those that the cluster does not have."""
    listed = await client.list(paths.core("nodes"))
    known = {item["metadata"]["name"] for item in listed["items"]}
    missing = [name for name in names if name not in known]
    if missing:
        raise InvalidInput(
            f"the cluster has no node {', '.join(missing)}",
            hint=f"there are {', '.join(sorted(known))}: correct the node lists in config.sh",
        )


def is_node_ready(node: Mapping[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


async def label_nodes(
    client: KubernetesClient, label: str, wanted: Mapping[str, str], mine: Labels
) -> tuple[Labels, list[str]]:
    """Set them, and take them from nodes that we had labelled and that are not wanted any more.
    What is ours now, and the nodes that changed."""
    listed = await client.list(paths.core("nodes"))
    now = {i["metadata"]["name"]: (i["metadata"].get("labels") or {}) for i in listed["items"]}
    changed = []
    for node, group in wanted.items():
        if now.get(node, {}).get(label) != group:
            await _set(client, node, label, group)
            changed.append(node)
            mine = {**mine, node: group}
    for node in [node for node in mine if node not in wanted]:
        if now.get(node, {}).get(label) == mine[node]:
            await _set(client, node, label, None)
            changed.append(node)
        mine = {name: group for name, group in mine.items() if name != node}
    return mine, changed


async def unlabel_nodes(client: KubernetesClient, label: str, mine: Labels) -> None:
    await label_nodes(client, label, {}, mine)


async def _set(client: KubernetesClient, node: str, label: str, value: str | None) -> None:
    try:
        change = {"metadata": {"labels": {label: value}}}
        await client.patch(paths.core("nodes", name=node), change)
    except NotFound:
        return
