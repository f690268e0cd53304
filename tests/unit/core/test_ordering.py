from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hai.core.ordering import line
from hai.core.plan import Claim
from tests.unit.core.clusters import waiting


def ids(*claims: Claim) -> list[int]:
    return [int(claim.task_id) for claim in line(claims)]


def test_by_age_then_id() -> None:
    assert ids(
        waiting(3, submitted_at=1), waiting(2, submitted_at=2), waiting(1, submitted_at=2)
    ) == [3, 1, 2]


def test_rank_orders_a_users_own() -> None:
    assert ids(waiting(1, custom_rank=2), waiting(2, custom_rank=1), waiting(3)) == [3, 2, 1]


def test_who_is_ranked_behind_a_younger_one_stands_at_its_age() -> None:
    assert ids(
        waiting(1, user="ada", custom_rank=2),
        waiting(2, user="bob", custom_rank=-5),
        waiting(3, user="ada", custom_rank=1),
        waiting(4, user="bob", custom_rank=-9),
        waiting(5, user="eve"),
        waiting(6, user="ada", custom_rank=2),
    ) == [3, 1, 4, 2, 5, 6]


def test_equal_ranks_stay_by_age() -> None:
    assert ids(waiting(1, custom_rank=1), waiting(2, custom_rank=1), waiting(3)) == [3, 1, 2]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 2))))
def test_no_rank_carries_a_user_past_another(
    drawn: list[tuple[str, int, int]],
) -> None:
    claims = [
        waiting(number, user=user, submitted_at=float(at), custom_rank=float(rank))
        for number, (user, at, rank) in enumerate(drawn, start=1)
    ]
    served = line(claims)
    assert sorted(claim.task_id for claim in served) == [claim.task_id for claim in claims]
    plain = {claim.task_id: place for place, claim in enumerate(line(unranked(claims)))}
    for place, claim in enumerate(served):
        behind = [other for other in served[place + 1 :] if other.user != claim.user]
        for other in behind:  # whoever waits longer lost its place to its own user's wish
            if plain[other.task_id] < plain[claim.task_id]:
                own = [one for one in served if one.user == other.user]
                before = own[: own.index(other)]
                assert any(plain[one.task_id] > plain[claim.task_id] for one in before)


def unranked(claims: list[Claim]) -> list[Claim]:
    return [replace(claim, custom_rank=0.0) for claim in claims]


def test_nobody_waits() -> None:
    assert line([]) == []
