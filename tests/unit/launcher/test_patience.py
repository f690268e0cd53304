"""When a worker that nobody sees counts as lost: never before its agent must have paused it."""

from collections.abc import Collection, Sequence

import pytest

from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.launcher.kubernetes.patience import Contact

KEY = WorkerKey(TaskId(7), 1, 0)
LOST_AFTER_SECONDS = 45.0


class Surroundings:
    """The time, and who was heard lately."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.fresh: set[WorkerKey] = set()

    def monotonic(self) -> float:
        return self.now

    async def heard(self, keys: Sequence[WorkerKey]) -> Collection[WorkerKey]:
        return self.fresh.intersection(keys)

    def look_every(self, contact: Contact, seconds: float, until: float) -> None:
        while self.now < until:
            self.now += seconds
            assert not contact.look()


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


@pytest.fixture
def contact(around: Surroundings) -> Contact:
    return Contact(around.heard, LOST_AFTER_SECONDS, around.monotonic)


async def test_a_server_that_has_just_come_gives_all_agents_time_to_speak(
    around: Surroundings, contact: Contact
) -> None:
    around.look_every(contact, 1.0, 1044.0)
    assert await contact.may_run(KEY)
    assert not await contact.is_fresh(KEY)
    around.look_every(contact, 1.0, 1045.0)
    assert not await contact.may_run(KEY)


async def test_who_was_heard_may_run(around: Surroundings, contact: Contact) -> None:
    around.look_every(contact, 10.0, 1100.0)
    around.fresh.add(KEY)
    assert await contact.may_run(KEY)
    assert await contact.is_fresh(KEY)


async def test_a_server_that_did_not_look_for_a_while_begins_anew(
    around: Surroundings, contact: Contact
) -> None:
    around.look_every(contact, 10.0, 1100.0)
    around.now += 60.0
    assert contact.look()
    assert await contact.may_run(KEY)
    around.look_every(contact, 5.0, around.now + LOST_AFTER_SECONDS)
    assert not await contact.may_run(KEY)
