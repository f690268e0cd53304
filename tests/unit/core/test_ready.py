"""What the line says of single claims and users, and that it keeps nothing of those who left."""

import pickle

import pytest

from hai.core.queue.ready import ReadyQueue
from hai.core.types import TaskId, UserName
from tests.unit.core.clusters import waiting
from tests.unit.core.queue_model import AUTO, HIGH, LOW, NORMAL, Model

ADA = UserName("ada")


def line_of(model: Model) -> ReadyQueue:
    queue = ReadyQueue(model.room_of, model.key_of)
    for claim in model.claims.values():
        queue.add(claim)
    return queue


def test_levels_come_highest_first() -> None:
    queue = line_of(Model(claims={TaskId(n): waiting(n, 1, p) for n, p in ((1, LOW), (2, HIGH))}))
    assert queue.levels() == [HIGH, LOW]
    queue.add(waiting(3, 1, NORMAL))
    assert queue.levels() == [HIGH, NORMAL, LOW]


def test_where_a_claim_waits() -> None:
    model = Model(room={(ADA, HIGH): 1, (ADA, NORMAL): 2})
    model.claims = {TaskId(width): waiting(width, width, AUTO) for width in (1, 2, 5)}
    queue = line_of(model)
    places = {1: HIGH, 2: NORMAL, 5: None}
    for task_id, place in places.items():
        assert queue.level_of(TaskId(task_id)) is place
        for level in (HIGH, NORMAL, LOW):
            assert queue.is_at(TaskId(task_id), level) is (level is place)
    assert not queue.is_at(TaskId(9), HIGH)


@pytest.mark.parametrize(
    ("above", "most", "found"),
    [(0, 4, 1), (1, 4, 2), (1, 3, 3), (2, 4, 2), (3, 3, None), (4, 9, None), (0, 2, 1), (2, 3, 3)],
)
def test_which_wide_one_has_a_rank_before_it(above: int, most: int, found: int | None) -> None:
    """The first of the user's own by rank, then by its time, among those wider than `above`."""
    own = [
        waiting(1, 1, custom_rank=-3.0),
        waiting(2, 4, AUTO, custom_rank=-2.0),
        waiting(3, 3, custom_rank=-1.0, submitted_at=50.0),
        waiting(4, 3, custom_rank=-1.0, submitted_at=60.0),
        waiting(5, 3, LOW, custom_rank=-9.0),
        waiting(6, 3, user="bob", custom_rank=-9.0),
        waiting(7, 3, AUTO, custom_rank=0.0, submitted_at=2.0),
    ]
    asked = waiting(8, 1, submitted_at=70.0)
    queue = line_of(Model(claims={one.task_id: one for one in (*own, asked)}))
    assert queue.ranked_before(asked, NORMAL, above, most) == found


@pytest.mark.parametrize(
    ("rank", "first", "is_before"),
    [(-1.0, False, True), (0.0, False, False), (0.0, True, False), (1.0, True, False)],
)
def test_time_and_a_lost_node_are_no_rank(rank: float, first: bool, is_before: bool) -> None:
    before = waiting(1, 2, custom_rank=rank, first=first)
    asked = waiting(2)
    queue = line_of(Model(claims={one.task_id: one for one in (before, asked)}))
    assert queue.ranked_before(asked, NORMAL, 1, 4) == (1 if is_before else None)


def test_nobody_has_a_rank_before_who_lost_a_node() -> None:
    asked = waiting(1, first=True)
    queue = line_of(
        Model(claims={one.task_id: one for one in (asked, waiting(2, 2, custom_rank=-1.0))})
    )
    assert queue.ranked_before(asked, NORMAL, 1, 4) is None


def test_nothing_is_kept_of_users_who_have_left() -> None:
    """A line that lives for years is as large as what waits in it."""
    model = Model()
    queue = line_of(model)
    sizes = []
    for number in range(4):
        claims = [
            waiting(number * 10 + place, number + 1, asked, user=f"user{number}")
            for place, asked in enumerate([NORMAL, AUTO, AUTO])
        ]
        for claim in claims:
            queue.add(claim)
        assert queue.levels() == [HIGH, NORMAL]
        for claim in claims:
            queue.remove(claim)
        assert queue.levels() == []
        sizes.append(len(pickle.dumps(queue)))
    assert sizes == sizes[:1] * 4
