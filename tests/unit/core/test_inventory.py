"""The nodes of a group: free, leaving, busy; zones, and where a gang would stand."""

from dataclasses import replace

import pytest

from hai.core.inventory.nodes import Inventory
from hai.core.node import Node, NodeHealth
from hai.core.types import NodeName, TaskId
from tests.unit.core.clusters import node, nodes

ONE, TWO = TaskId(1), TaskId(2)


def inventory(*members: Node) -> Inventory:
    found = Inventory()
    for member in members:
        found.replace(member)
    return found


def zoned(**sizes: int) -> Inventory:
    return inventory(
        *(node(f"{zone}{n}", zone=zone) for zone, size in sizes.items() for n in range(size))
    )


def hold(found: Inventory, task_id: TaskId, *names: str, leaving: bool = False) -> None:
    for name in names:
        found.hold(NodeName(name), task_id, leaving=leaving)


def test_a_node_is_free_leaving_or_busy() -> None:
    found = inventory(*nodes(3))
    hold(found, ONE, "n0")
    hold(found, TWO, "n1", leaving=True)
    assert (found.free_count, found.leaving_count) == (1, 1)
    hold(found, ONE, "n1")  # the heir: the node is not to be had any more
    assert found.leaving_count == 0
    found.release(NodeName("n1"), TWO)
    assert (found.free_count, found.leaving_count) == (1, 0)
    found.release(NodeName("n1"), ONE)
    assert found.free_count == 2


@pytest.mark.parametrize("health", [one for one in NodeHealth if one is not NodeHealth.READY])
def test_what_is_out_of_service_is_none_of_these(health: NodeHealth) -> None:
    found = inventory(*nodes(2))
    found.replace(replace(node("n0"), health=health))
    assert (found.size, found.healthy, found.free_count, found.widest) == (2, 1, 1, 1)
    hold(found, ONE, "n0")
    assert found.usable_in([NodeName("n0"), NodeName("n1"), NodeName("gone")]) == {"": 1}
    found.replace(node("n0"))
    assert found.free_count == 1  # it came back, and is held


def test_holders_stay_when_their_node_changes_or_goes() -> None:
    found = inventory(*nodes(2))
    hold(found, ONE, "n0")
    found.discard(NodeName("n0"))
    found.discard(NodeName("n0"))
    assert (found.size, found.free_count) == (1, 1)
    found.replace(node("n0", zone="east"))
    assert found.zones_of([NodeName("n0"), NodeName("n1")]) == {"", "east"}
    assert found.free_count == 1


def test_the_widest_gang_spans_two_zones() -> None:
    found = zoned(a=3, b=4, c=2)
    assert found.widest == 7
    assert found.widest_free == 7
    found.spanning.add(ONE)
    assert found.widest_free == 4


@pytest.mark.parametrize(
    ("count", "knows", "zones"),
    [
        pytest.param(2, [], ("c",), id="tightest"),
        pytest.param(3, [], ("a",), id="tightest that fits"),
        pytest.param(2, ["b1"], ("b",), id="where it knows a node"),
        pytest.param(4, ["a1", "a2"], ("b",), id="known, but too small"),
        pytest.param(5, [], ("a", "c"), id="the tightest two"),
        pytest.param(6, [], ("b", "c"), id="the tightest two that fit"),
        pytest.param(8, [], None, id="never three"),
    ],
)
def test_where_a_gang_starts(count: int, knows: list[str], zones: tuple[str, ...] | None) -> None:
    found = zoned(a=3, b=4, c=2).zones_for(count, [NodeName(name) for name in knows])
    assert (None if found is None else tuple(sorted(found))) == zones


def test_only_one_spans_at_a_time() -> None:
    found = zoned(a=3, b=4)
    found.spanning.add(ONE)
    assert found.zones_for(5, []) is None
    assert list(found.options(5)) == []
    assert found.zones_for(4, []) == ("b",)


def test_options_go_where_fewest_have_to_leave() -> None:
    found = zoned(a=4, b=4)
    hold(found, ONE, "a0", "a1", "a2")
    hold(found, TWO, "b0", "b1", "b2", "b3", leaving=True)
    assert list(found.options(3))[:2] == [(("b",), -1), (("a",), 2)]
    assert [(len(zones), missing) for zones, missing in found.options(6)] == [(2, 1)]


def test_free_nodes_are_chosen_before_leaving_ones() -> None:
    found = inventory(*nodes(3))
    hold(found, ONE, "n0", leaving=True)
    assert found.choose(3, ("",), [], with_leaving=True) == ("n1", "n2", "n0")
    assert found.choose(2, ("",), [NodeName("n0")]) == ("n1", "n2")
