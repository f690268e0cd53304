"""Machines and the pools that they stand in."""

from dataclasses import dataclass
from enum import StrEnum

from hai.core.types import GroupName, NodeName


class NodeHealth(StrEnum):
    """Whether the planner may give the node to a task."""

    READY = "ready"
    SUSPECT = "suspect"  # lost contact or failed a check; used last, or not at all
    CORDONED = "cordoned"  # an admin keeps new work away; running work goes on
    DRAINED = "drained"  # an admin took it out; running work is suspended and goes on elsewhere
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Group:
    """A named pool of alike nodes."""

    name: GroupName
    description: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One schedulable machine (or this machine's simulated share of one).

    `launcher` says which engine starts workers there: "local", "hollow", "docker",
    "kubernetes".
    `leaf` is its switch, `zone` its room; empty when unknown.
    """

    name: NodeName
    group: GroupName
    launcher: str
    gpus: int = 0
    cpus: float = 0.0
    memory_bytes: int = 0
    leaf: str = ""
    zone: str = ""
    health: NodeHealth = NodeHealth.READY
    health_why: str = ""
