"""What a worker's programs stand on: a row of `train_environment`."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Image:
    """A container image under the name that tasks ask for.

    `ref` is what a container runtime pulls. `variables` are set for the program before the task's
    own `environments`, which win. `python` is the interpreter in the image; empty: `python3`.
    """

    name: str
    ref: str
    variables: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
