"""What a container asks of a node, and what a node has, in whole numbers that add up exactly."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

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


def total(parts: Iterable[Resources]) -> Resources:
    sums = [0, 0, 0]
    for part in parts:
        for at, amount in enumerate(part):
            sums[at] += amount
    return Resources(*sums)


def short_of(free: Resources, asked: Resources) -> list[str]:
    """Names of the resources of which `asked` is more than there is."""
    return [name for name, there, wanted in zip(NAMES, free, asked, strict=True) if there < wanted]


def text(amounts: Mapping[str, object], only: Iterable[str] = NAMES) -> str:
    """`as_data()` for people: "8 cpus, 32 GiB of memory and 1 GPU"; forgiving."""
    wanted = list(only)
    parts = []
    cpus, memory, gpus = amounts.get("cpu"), amounts.get("memory_bytes"), amounts.get("gpus")
    if "cpu" in wanted and isinstance(cpus, int | float):
        parts.append(f"{cpus:g} cpu" if cpus == 1 else f"{cpus:g} cpus")
    if "memory" in wanted and isinstance(memory, int):
        parts.append(f"{_gib(memory)} of memory")
    if "gpus" in wanted and isinstance(gpus, int):
        parts.append(f"{gpus} GPU" if gpus == 1 else f"{gpus} GPUs")
    count = amounts.get("containers")
    if "containers" in wanted and isinstance(count, int):
        parts.append(f"{count} container" if count == 1 else f"{count} containers")
    if len(parts) < 2:
        return "".join(parts) or "nothing"
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _gib(count: int) -> str:
    if count % GIB and count < 10 * GIB:
        return f"{count / 2**20:.0f} MiB"
    return f"{count / GIB:.0f} GiB"


class Place(NamedTuple):
    """One rank's node, and the GPUs that it gets there."""

    node: NodeName
    gpus: tuple[int, ...]
