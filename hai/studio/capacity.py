"""What is free for dev containers in each group, from the list of nodes. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from hai.core.resources import Resources, of_data, total
from hai.wording.amounts import amounts

_NAMED = 4  # nodes of one group
Node = Mapping[str, Any]


def capacity_of(nodes: Sequence[Node]) -> list[tuple[str, list[str]]]:
    """Each group, and lines about it."""
    groups: dict[str, list[Node]] = {}
    for node in sorted(nodes, key=lambda node: str(node["name"])):
        groups.setdefault(str(node["group"]), []).append(node)
    return [(name, _lines(groups[name])) for name in sorted(groups)]


def _lines(nodes: Sequence[Node]) -> list[str]:
    shared = [node for node in nodes if node.get("free") is not None]
    if not shared:
        free = sum(node["status"] == "free" for node in nodes)
        return [f"whole nodes: {free} of {len(nodes)} free"]
    parts = [(of_data(node["free"]), node) for node in shared]
    parts.sort(key=lambda part: (part[0].gpus, part[0].millicores, part[0][1]), reverse=True)
    told = [f"shared nodes: {_text(total(part for part, _ in parts))} free in all"]
    if len(parts) > 1:
        told += [f"{node['name']}: {_text(part)}" for part, node in parts[:_NAMED]]
    if len(parts) > _NAMED:
        told.append(f"and {len(parts) - _NAMED} more")
    return told


def _text(part: Resources) -> str:
    return amounts(part.as_data())
