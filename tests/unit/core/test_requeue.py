"""Active claims that would join a line above where they stand, and what they hold."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from hai.core.plan import Claim
from hai.core.preemption.requeue import Requeue
from hai.core.quota import LEVELS, UserQuota
from hai.core.types import Priority, UserName
from tests.unit.core.clusters import active

LOW, NORMAL, HIGH, AUTO = Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.AUTO
ADA, BOB = UserName("ada"), UserName("bob")
HERE = ("east", "west")


class House:
    """Two users' quotas, and what is counted of their claims."""

    def __init__(self, **limits: int) -> None:
        rows = dict.fromkeys(LEVELS, 0) | {Priority[name]: n for name, n in limits.items()}
        self.quotas = {user: UserQuota(rows) for user in (ADA, BOB)}
        self.requeue = Requeue(self.quotas.__getitem__)

    def add(self, claim: Claim, *, zone: str = "east", is_firm: bool = True) -> Claim:
        self.quotas[claim.user].used[claim.level] += claim.nodes
        self.requeue.add(claim, claim.level, {zone: claim.nodes}, is_firm=is_firm)
        self.requeue.refresh(claim.user)
        return claim

    def charge(self, user: UserName, level: Priority, nodes: int) -> None:
        self.quotas[user].used[level] += nodes
        self.requeue.refresh(user)


def auto(task_id: int, nodes: int, level: Priority, user: str = "ada") -> Claim:
    names = [f"n{task_id}-{number}" for number in range(nodes)]
    return active(task_id, names, AUTO, user=user, charged=level)


def test_auto_would_come_back_where_its_user_has_room_by_now() -> None:
    house = House(NORMAL=4, LOW=4)
    claim = house.add(auto(1, 2, LOW))
    assert house.requeue.nodes_above(BOB, LOW, HERE) == 2
    assert house.requeue.is_above(claim, LOW)
    assert not house.requeue.is_above(claim, NORMAL)
    assert house.requeue.nodes_above(BOB, NORMAL, HERE) == 0
    house.charge(ADA, NORMAL, 3)  # one node of room left: too few for two
    assert house.requeue.nodes_above(BOB, LOW, HERE) == 0
    assert not house.requeue.is_above(claim, LOW)
    house.charge(ADA, NORMAL, -3)
    assert house.requeue.nodes_above(BOB, LOW, HERE) == 2
    house.requeue.remove(claim)
    house.requeue.remove(claim)
    assert house.requeue.nodes_above(BOB, LOW, HERE) == 0


def test_when_one_of_a_users_leaves_the_others_still_count() -> None:
    house = House(NORMAL=9, LOW=9)
    first, second = house.add(auto(1, 2, LOW)), house.add(auto(2, 3, LOW))
    house.requeue.remove(first)
    assert house.requeue.nodes_above(BOB, LOW, HERE) == 3
    assert house.requeue.is_above(second, LOW)
    house.charge(ADA, NORMAL, 9)
    assert house.requeue.nodes_above(BOB, LOW, HERE) == 0
    assert not house.requeue.is_above(second, LOW)


def test_a_higher_wish_counts_and_whoever_has_what_it_asks_for_does_not() -> None:
    house = House(HIGH=8, NORMAL=8)
    plain = house.add(active(1, ["n1"], NORMAL, user="ada"))
    raised = house.add(active(2, ["n2"], HIGH, user="ada", charged=NORMAL))
    assert not house.requeue.is_above(plain, LOW)
    assert house.requeue.is_above(raised, NORMAL)
    assert house.requeue.nodes_above(BOB, NORMAL, HERE) == 1
    assert house.requeue.nodes_above(BOB, HIGH, HERE) == 0


def test_only_the_zones_asked_for() -> None:
    house = House(NORMAL=9, LOW=9)
    house.add(auto(1, 2, LOW), zone="east")
    house.add(auto(2, 3, LOW), zone="west")
    assert house.requeue.nodes_above(BOB, LOW, ("west",)) == 3
    assert house.requeue.nodes_above(BOB, LOW, HERE) == 5


def test_ones_own_firm_claims_at_the_level_are_counted_elsewhere() -> None:
    """A user can take neither of these from the own tasks: the level's own are no victims."""
    house = House(NORMAL=9, LOW=9)
    house.add(auto(1, 2, LOW))
    house.add(auto(2, 3, LOW), is_firm=False)
    assert house.requeue.nodes_above(ADA, LOW, HERE) == 3
    assert house.requeue.nodes_above(BOB, LOW, HERE) == 5


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ada", "bob"]),
            st.integers(1, 3),
            st.sampled_from([LOW, NORMAL, HIGH]),
            st.sampled_from([LOW, NORMAL, HIGH, AUTO]),
            st.booleans(),
        ),
        max_size=8,
    ),
    st.sampled_from([LOW, NORMAL, HIGH]),
)
def test_the_count_is_that_of_a_walk_over_all(
    drawn: list[tuple[str, int, Priority, Priority, bool]], level: Priority
) -> None:
    house = House(HIGH=3, NORMAL=6, LOW=9)
    claims = {}
    for number, (user, nodes, charged, asked, is_firm) in enumerate(drawn, 1):
        claim = replace(auto(number, nodes, charged, user), priority=asked)
        claims[house.add(claim, is_firm=is_firm)] = is_firm
        house.requeue.nodes_above(BOB, LOW, HERE)  # asked between, it counts the same
    expected = 0
    for claim, is_firm in claims.items():
        quota = house.quotas[claim.user]
        back = quota.level_later(claim.priority, claim.nodes)
        is_above = claim.priority is not claim.level and back is not None and back > level
        is_own = claim.user == ADA and claim.level is level and is_firm
        if is_above and claim.level <= level and not is_own:
            expected += claim.nodes
    assert house.requeue.nodes_above(ADA, level, HERE) == expected
