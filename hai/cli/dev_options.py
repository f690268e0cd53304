"""What `hai-cli dev start` takes about the part of a node that a container is to get."""

from dataclasses import dataclass
from typing import Annotated, Any

from hai.client.containers import gib_of
from hai.console.commands import option
from hai.errors import InvalidInput

_PART = "On a node that others share; the platform's default."

Cpu = Annotated[float | None, option("--cpu", metavar="N", help="Cores.", show_default=_PART)]
Memory = Annotated[
    str | None, option("--memory", metavar="SIZE", help="As 32G or 512M.", show_default=_PART)
]
Gpus = Annotated[int | None, option("--gpus", metavar="N", help="GPUs of the node.")]
Image = Annotated[
    str | None, option("-i", "--image", metavar="NAME", help="Where nodes run containers.")
]
Spot = Annotated[
    bool | None,
    option("--spot/--no-spot", help="On whole nodes that nobody else needs; it yields to all."),
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """None: as it was, or the platform's default."""

    group: str | None = None
    cpu: float | None = None
    memory: str | None = None
    gpus: int | None = None
    image: str | None = None
    spot: bool | None = None

    def put_into(self, document: dict[str, Any]) -> None:
        """InvalidInput for what makes no sense. Another group has nodes of another size: what was
        chosen for the one before does not go there."""
        resource = document["resource"]
        if self.group is not None and self.group != resource.get("group"):
            for name in ("cpu", "memory", "gpu"):
                resource.pop(name, None)
        given = {
            "group": self.group,
            "cpu": _at_least("--cpu", self.cpu, 0.001),
            "memory": None if self.memory is None else gib_of(self.memory),
            "gpu": _at_least("--gpus", self.gpus, 0),
            "image": self.image,
            "is_spot": self.spot,
        }
        resource.update({name: value for name, value in given.items() if value is not None})


def _at_least(name: str, value: float | None, least: float) -> float | None:
    if value is not None and value < least:
        raise InvalidInput(f"{name} {value:g} is too little", hint=f"{least:g} or more")
    return value
