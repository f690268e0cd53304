"""Which times wake the scheduler, and which only change what it knows."""

from dataclasses import replace

from hai.core.plan import Claim
from hai.core.timers import Matter, Timers
from hai.core.types import TaskId, TaskState
from tests.unit.core.clusters import active

NOBODY, WAITING, ALWAYS = Matter


class House:
    def __init__(self, *claims: Claim) -> None:
        self.claims = {claim.task_id: claim for claim in claims}
        self.timers = Timers(self.claims.get)

    def due(self, now: float) -> list[tuple[TaskId, Matter]]:
        return [(claim.task_id, matter) for claim, matter in self.timers.pop_due(now)]


ONE, TWO = active(1, ["n1"], since=5.0), active(2, ["n2"], since=6.0)


def test_the_first_that_matters_so_much() -> None:
    house = House(ONE, TWO)
    house.timers.set(10.0, ONE, NOBODY)
    assert house.timers.first(WAITING) is None
    house.timers.set(30.0, ONE, ALWAYS)
    house.timers.set(20.0, TWO, WAITING)
    assert [house.timers.first(least) for least in Matter] == [10.0, 20.0, 30.0]


def test_each_comes_once_and_when_it_is_due() -> None:
    house = House(ONE, TWO)
    for _ in range(2):
        house.timers.set(10.0, ONE, WAITING)
    house.timers.set(10.0, TWO, NOBODY)
    house.timers.set(11.0, ONE, WAITING)
    assert house.due(9.0) == []
    assert house.due(10.0) == [(2, NOBODY), (1, WAITING)]
    assert house.due(10.0) == []
    assert house.due(99.0) == [(1, WAITING)]


def test_the_end_of_an_attempt_voids_its_times() -> None:
    house = House(ONE, TWO)
    house.timers.set(10.0, ONE, WAITING)
    house.timers.set(11.0, TWO, WAITING)
    del house.claims[ONE.task_id]
    house.claims[TWO.task_id] = replace(TWO, state=TaskState.SUSPENDED, since=None)
    assert house.timers.first(NOBODY) is None
    house.claims[TWO.task_id] = replace(TWO, since=10.5)
    assert house.due(99.0) == []
    house.timers.set(12.0, house.claims[TWO.task_id], ALWAYS)
    assert house.due(99.0) == [(2, ALWAYS)]
