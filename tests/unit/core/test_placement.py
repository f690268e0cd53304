import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.core.inventory.placement import Pool
from hai.core.types import NodeName
from tests.unit.core.clusters import node


def pool(text: str) -> Pool:
    """ "a:1 a:2 b:3" is nodes 1, 2 under leaf a and 3 under b."""
    parts = (part.split(":") for part in text.split())
    return Pool(node(name, leaf=leaf) for leaf, name in parts)


def take(members: Pool, count: int, knows: str = "") -> str:
    chosen = members.choose(count, [NodeName(name) for name in knows.split()])
    for name in chosen:
        members.remove(name)
    return " ".join(chosen)


@pytest.mark.parametrize(
    ("free", "count", "knows", "taken"),
    [
        pytest.param("a:3 a:1 a:2", 2, "", "1 2", id="name order"),
        pytest.param("a:1 a:2 a:3 b:4 b:5", 2, "", "4 5", id="smallest leaf that fits"),
        pytest.param("a:1 a:2 b:3 b:4", 2, "", "1 2", id="equal leaves: first by name"),
        pytest.param("a:1 b:2 b:3 c:4 c:5 c:6", 5, "", "4 5 6 2 3", id="fullest leaf, then best"),
        pytest.param("a:1 a:2 b:3", 1, "2", "2", id="known node first"),
        pytest.param("a:1 a:2 a:3", 3, "3 1 2", "3 1 2", id="each rank finds its own node"),
        pytest.param("a:1 a:2 b:3", 2, "gone 2", "2 1", id="near what is left of the known"),
        pytest.param("a:1 b:2 b:3 b:4", 3, "1", "1 2 3", id="known leaf too small for the rest"),
        pytest.param("a:1 a:2", 1, "2 1 2", "2", id="no more than needed"),
        pytest.param("a:1", 0, "", "", id="nothing"),
    ],
)
def test_take(free: str, count: int, knows: str, taken: str) -> None:
    members = pool(free)
    before = len(members)
    assert take(members, count, knows) == taken
    assert len(members) == before - count


def test_what_was_taken_is_gone_and_may_come_back() -> None:
    members = pool("a:1 a:3")
    assert take(members, 2) == "1 3"
    for name in ("3", "2", "1"):
        members.add(node(name, leaf="a"))
    members.add(node("4", leaf="b"))
    assert take(members, 1) == "4"
    assert take(members, 3) == "1 2 3"
    assert len(members) == 0


@given(st.data())
def test_every_node_is_given_once(data: st.DataObject) -> None:
    leaves = data.draw(st.lists(st.sampled_from("abc"), max_size=12))
    names = [f"n{number}" for number in range(len(leaves))]
    members = Pool(node(name, leaf=leaf) for name, leaf in zip(names, leaves, strict=True))
    given_out: list[str] = []
    while len(members):
        count = data.draw(st.integers(1, len(members)))
        knows = data.draw(st.lists(st.sampled_from(names), max_size=4))
        taken = members.choose(count, [NodeName(name) for name in knows])
        assert taken == members.choose(count, [NodeName(name) for name in knows])
        assert len(set(taken)) == count
        for name in taken:
            members.remove(name)
        given_out += taken
    assert sorted(given_out) == sorted(names)
