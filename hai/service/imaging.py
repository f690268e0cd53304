"""Which images a task may name in a group: the one place that decides."""

from collections.abc import Collection, Iterable, Mapping

from hai.core.node import Node
from hai.core.types import GroupName
from hai.errors import InvalidInput
from hai.ports import Launcher

DEFAULT_IMAGE = "default"


def imageless(
    nodes: Iterable[Node], launchers: Mapping[str, Launcher]
) -> dict[GroupName, frozenset[str]]:
    """For each group the launchers of its nodes that know no images. A launcher that is not there
    starts nothing, with an image or without."""
    found: dict[GroupName, set[str]] = {}
    for node in nodes:
        launcher = launchers.get(node.launcher)
        if launcher is None or not launcher.takes_images:
            found.setdefault(node.group, set()).add(node.launcher)
    return {group: frozenset(names) for group, names in found.items()}


def check_image(image: str, group: GroupName, without: Collection[str]) -> None:
    """InvalidInput for an image that a node of the group could not use; `without` are the group's
    launchers that know no images. "" and "default" are possible everywhere."""
    if image in ("", DEFAULT_IMAGE) or not without:
        return
    names = " and ".join(sorted(without))
    raise InvalidInput(
        f"image {image!r} cannot be used in group {group}: its nodes have the launcher {names}, "
        "which starts programs without images",
        hint=f"leave the image out, or write {DEFAULT_IMAGE!r}",
    )
