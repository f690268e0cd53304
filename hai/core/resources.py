"""What a container asks of a node, and what a node has, in whole numbers that add up exactly."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hai.core.node import Node
from hai.core.types import NodeName

NAMES = ("cpu", "memory", "gpus")  # in the order of the fields of Resources
MILLI = 1000
GIB = 2**30
_ROUNDING = 1e-6  # of a node's cpus, which are a float


class Resources(NamedTuple):
    """Thousandths of a cpu, bytes of memory, GPUs."""

    millicores: int = 0
    memory_bytes: int = 0
    gpus: int = 0

    @property
    def cpus(self) -> float:
        return self.millicores / MILLI

    def plus(self, other: "Resources") -> "Resources":
        return Resources(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: "Resources") -> "Resources":
        return Resources(*(a - b for a, b in zip(self, other, strict=True)))

    def covers(self, other: "Resources") -> bool:
        """Whether there is as much of everything as `other` asks for."""
        return all(mine >= asked for mine, asked in zip(self, other, strict=True))

    def as_data(self) -> dict[str, object]:
        """For evidence and views."""
        return {"cpu": self.cpus, "memory_bytes": self.memory_bytes, "gpus": self.gpus}


NOTHING = Resources()

GpuIndices = tuple[tuple[int, ...], ...]
"""The GPUs of each rank, by their numbers on its node."""


def of_node(node: Node) -> Resources:
    """All that the node has."""
    millicores = int(node.cpus * MILLI + _ROUNDING)
    return Resources(millicores, node.memory_bytes, node.gpus)


def of_data(data: Mapping[str, Any]) -> Resources:
    """What `as_data` wrote; what is missing is none."""
    millicores = round(float(data.get("cpu") or 0) * MILLI)
    return Resources(millicores, int(data.get("memory_bytes") or 0), int(data.get("gpus") or 0))


def total(parts: Iterable[Resources]) -> Resources:
    sums = [0, 0, 0]
    for part in parts:
        for at, amount in enumerate(part):
            sums[at] += amount
    return Resources(*sums)


def short_of(free: Resources, asked: Resources) -> list[str]:
    """Names of the resources of which `asked` is more than there is."""
    return [name for name, there, wanted in zip(NAMES, free, asked, strict=True) if there < wanted]


class Place(NamedTuple):
    """One rank's node, and the GPUs that it gets there."""

    node: NodeName
    gpus: tuple[int, ...]
