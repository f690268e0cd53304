"""What a worker's programs stand on: a row of `train_environment`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ENVIRONMENT = "train_environment:"


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


def usable(images: Sequence[Image], amounts: Mapping[str, int]) -> list[Image]:
    """Those that `train_environment:<name>` allows, the preferred one (the largest) first."""
    of = {image.name: amounts.get(f"{ENVIRONMENT}{image.name}", 0) for image in images}
    mine = [image for image in images if of[image.name] > 0]
    return sorted(mine, key=lambda image: (-of[image.name], image.name))


def is_ref(text: str) -> bool:
    """Whether the text names an image in a registry and not a row: it has a slash or a tag."""
    return "/" in text or ":" in text or "@" in text


def image_for(wanted: str, images: Sequence[Image], amounts: Mapping[str, int]) -> Image | None:
    """The image of a task: a row that the user may use, or any image by its own reference.

    "default" is the preferred row; None when there is none. ValueError when the name is not known,
    or known and not allowed.
    """
    mine = usable(images, amounts)
    if wanted in ("", "default"):
        return mine[0] if mine else None
    for image in mine:
        if image.name == wanted:
            return image
    known = any(image.name == wanted for image in images)
    if is_ref(wanted) and not known:
        return Image(wanted, wanted)
    what = "not open to this user" if known else "not known"
    names = ", ".join(image.name for image in mine) or "none"
    raise ValueError(f"the image {wanted!r} is {what}; usable: {names}")
