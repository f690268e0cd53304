"""Which images a task may name in a group."""

import pytest

from hai.core.types import GroupName
from hai.errors import InvalidInput
from hai.launcher.hollow import HollowLauncher
from hai.launcher.local import LocalLauncher
from hai.service.imaging import check_image, imageless
from tests import factories as make
from tests.unit.service.moody import Moody

GPU, MIXED = GroupName("gpu"), GroupName("mixed")


class Containers(Moody):
    takes_images = True


def test_each_launcher_says_whether_it_knows_images() -> None:
    launchers = {"moody": Moody(), "containers": Containers()}
    nodes = [
        make.node("a", group=GPU, launcher="containers"),
        make.node("b", group=MIXED, launcher="containers"),
        make.node("c", group=MIXED, launcher="moody"),
        make.node("d", group=MIXED, launcher="elsewhere"),
    ]
    assert imageless(nodes, launchers) == {MIXED: frozenset({"moody", "elsewhere"})}
    assert (LocalLauncher.takes_images, HollowLauncher.takes_images) == (False, False)


def test_an_image_is_possible_where_every_node_can_use_it() -> None:
    check_image("pytorch:2", GPU, ())
    for image in ("", "default"):
        check_image(image, MIXED, {"local"})
    with pytest.raises(InvalidInput, match=r"'pytorch:2' cannot be used in group mixed.*a and b"):
        check_image("pytorch:2", MIXED, {"b", "a"})
