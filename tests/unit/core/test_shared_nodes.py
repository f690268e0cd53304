"""Placement on shared nodes: by tables, and its properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.core.inventory.shared_nodes import SharedNodes
from hai.core.node import Node
from hai.core.resources import GIB, NOTHING, Resources, of_node, short_of
from hai.core.types import GroupName, NodeName
from hai.wording.amounts import amounts


def node(name: str, cpus: float = 8.0, gib: int = 32, gpus: int = 0) -> Node:
    return Node(
        NodeName(name), GroupName("lab"), "local", gpus=gpus, cpus=cpus, memory_bytes=gib * GIB
    )


def asks(cpus: float = 1.0, gib: int = 1, gpus: int = 0) -> Resources:
    return Resources(round(cpus * 1000), gib * GIB, gpus)


@pytest.mark.parametrize(
    ("nodes", "held", "wanted", "chosen"),
    [
        pytest.param([node("a"), node("b")], [], asks(), "a", id="by name among equals"),
        pytest.param(
            [node("a"), node("b")], [("b", asks(4))], asks(4), "b", id="what fits tightest"
        ),
        pytest.param(
            [node("a"), node("b")],
            [("a", asks(1, 20)), ("b", asks(4, 1))],
            asks(1, 1),
            "a",
            id="by memory, of which the group has least left",
        ),
        pytest.param(
            [node("a", gpus=4), node("b")], [("a", asks(1, 1, 3))], asks(2), "b", id="not by GPUs"
        ),
        pytest.param(
            [node("a", gpus=4), node("b", gpus=4)],
            [("b", asks(1, 1, 3))],
            asks(1, 1, 1),
            "b",
            id="whole sets of GPUs stay whole",
        ),
        pytest.param([node("a", gpus=1)], [("a", asks(1, 1, 1))], asks(1, 1, 1), None, id="no GPU"),
        pytest.param([node("a", cpus=0.3)], [("a", asks(0.2))], asks(0.1), "a", id="exact parts"),
        pytest.param([node("a", gib=0)], [], asks(), None, id="a node of which nothing is known"),
        pytest.param([], [], asks(), None, id="no node"),
    ],
)
def test_which_node(
    nodes: list[Node], held: list[tuple[str, Resources]], wanted: Resources, chosen: str | None
) -> None:
    capacity = SharedNodes.of(nodes)
    for name, part in held:
        capacity.hold(NodeName(name), part, range(part.gpus))
    places = capacity.place(wanted, 1)
    assert (places[0].node if places else None) == chosen


def test_a_known_node_comes_first() -> None:
    capacity = SharedNodes.of([node("a"), node("b")])
    places = capacity.place(asks(), 1, knows=[NodeName("b")])
    assert places is not None
    assert places[0].node == "b"


def test_gpus_are_given_out_once_the_lowest_first() -> None:
    capacity = SharedNodes.of([node("a", gpus=4)])
    capacity.hold(NodeName("a"), asks(1, 1, 1), [1])
    given_out = [capacity.place(asks(1, 1, 1), 1), capacity.place(asks(1, 1, 2), 1)]
    assert [places[0].gpus for places in given_out if places] == [(0,), (2, 3)]
    assert capacity.place(asks(1, 1, 1), 1) is None


def test_whole_nodes_are_given_only_where_nobody_is() -> None:
    capacity = SharedNodes.of([node("a"), node("b")])
    capacity.hold(NodeName("a"), asks())
    places = capacity.place(None, 1)
    assert places is not None
    assert places[0].node == "b"
    assert capacity.place(None, 1) is None
    assert capacity.place(asks(), 1) is not None
    assert capacity.place(asks(8), 1) is None


def test_several_ranks_stand_on_different_nodes_or_nowhere() -> None:
    capacity = SharedNodes.of([node("a"), node("b")])
    assert capacity.place(asks(), 3) is None
    places = capacity.place(asks(), 2)
    assert places is not None
    assert {place.node for place in places} == {"a", "b"}


def test_who_comes_later_takes_nothing_that_is_kept() -> None:
    capacity = SharedNodes.of([node("a", gpus=2)])
    capacity.hold(NodeName("a"), asks(1, 1, 2), [0, 1])
    assert [room.name for room in capacity.keep(asks(4, 16, 1), 1)] == ["a"]
    assert capacity.place(asks(4, 1, 0), 1) is None  # would leave 3 of the 4 cpus
    assert capacity.place(asks(3, 15, 0), 1) is not None


def test_a_node_with_less_than_it_had_gives_nothing() -> None:
    capacity = SharedNodes.of([node("a", cpus=2)])
    capacity.hold(NodeName("a"), asks(4))
    assert capacity.nodes[NodeName("a")].free.millicores == 0
    capacity.hold(NodeName("gone"), asks(4))  # harmless


def test_words() -> None:
    assert short_of(asks(1, 4, 0), asks(2, 4, 1)) == ["cpu", "gpus"]
    assert amounts(asks(8, 32, 1).as_data()) == "8 cpus, 32 GiB of memory and 1 GPU"
    assert (
        amounts(Resources(1, GIB // 2, 2).as_data()) == "0.001 cpus, 512 MiB of memory and 2 GPUs"
    )
    assert amounts(NOTHING.as_data(), ["gpus"]) == "0 GPUs"
    assert amounts({}) == "nothing"
    assert of_node(node("a", cpus=0.29)).millicores == 290


PARTS = st.builds(
    Resources,
    st.integers(1, 4000),
    st.integers(1, 8).map(lambda gib: gib * GIB),
    st.integers(0, 3),
)
NODES = st.lists(
    st.tuples(st.integers(1, 8), st.integers(1, 16), st.integers(0, 4)), min_size=0, max_size=5
).map(lambda sizes: [node(f"n{i}", c, m, g) for i, (c, m, g) in enumerate(sizes)])


@given(NODES, st.lists(st.tuples(PARTS, st.integers(1, 2)), max_size=12))
def test_never_over_capacity_and_placed_if_a_fit_exists(
    nodes: list[Node], wanted: list[tuple[Resources, int]]
) -> None:
    capacity = SharedNodes.of(nodes)
    again = SharedNodes.of(reversed(nodes))
    used: dict[str, Resources] = {one.name: NOTHING for one in nodes}
    gpus: dict[str, set[int]] = {one.name: set() for one in nodes}
    for part, count in wanted:
        fits = [one.name for one in nodes if of_node(one).minus(used[one.name]).covers(part)]
        places = capacity.place(part, count)
        assert places == again.place(part, count), "the order of the nodes never matters"
        assert (places is not None) == (len(fits) >= count)
        for place in places or ():
            assert place.node in fits
            assert len(place.gpus) == part.gpus
            assert gpus[place.node].isdisjoint(place.gpus)
            gpus[place.node].update(place.gpus)
            used[place.node] = used[place.node].plus(part)
    for one in nodes:
        assert of_node(one).covers(used[one.name])
        assert gpus[one.name] <= set(range(one.gpus))
