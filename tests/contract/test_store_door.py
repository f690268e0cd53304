"""Every store keeps who has entered, and which port is whose."""

import asyncio
from dataclasses import replace

import pytest

from hai.core.identity import Token, User
from hai.core.services import ServicePlace
from hai.core.task import Task, TaskChange
from hai.core.types import TaskState, UserName
from hai.ports import Store
from hai.ports.door import PortWish, Visit
from tests.factories import NOW, event, task_draft

ALICE, BOB = UserName("alice"), UserName("bob")
ORIGIN = "http://board-1-alice.apps.example"
DAY = 86400.0


async def begun(store: Store) -> Task:
    """Users with a token each (its hash is the name), and a task of alice."""
    for name in (ALICE, BOB):
        if await store.user(name) is None:
            await store.add_user(User(name), event())
            await store.add_token(Token(f"t-{name}", name, name, NOW), event())
    [task] = await store.add_tasks([task_draft(user=ALICE)], NOW)
    assert isinstance(task, Task)
    return task


def visit_of(task: Task, user: UserName = ALICE, seconds: float = 60.0) -> Visit:
    return Visit(user, ServicePlace(task.id, "board"), ORIGIN, NOW + seconds)


async def entered(store: Store, task: Task, name: str = "s") -> Visit:
    assert await store.add_code(f"code-{name}", "alice", visit_of(task), NOW)
    visit = await store.enter(f"code-{name}", name, ORIGIN, NOW + 1, NOW + DAY)
    assert visit == replace(visit_of(task), expires_at=NOW + DAY)
    return visit


async def ended(store: Store, task: Task) -> None:
    now = await store.task(task.id)
    assert now is not None
    done = replace(now, state=TaskState.STOPPED, ended_at=NOW + 5)
    assert await store.save([TaskChange(done, ())])


async def test_a_code_becomes_one_session(store: Store) -> None:
    task = await begun(store)
    assert await store.add_code("code", "alice", visit_of(task), NOW)
    assert await store.visit("code", NOW) is None, "a code is no session"
    assert await store.enter("code", "s", "http://other", NOW, NOW + DAY) is None
    tries = (store.enter("code", f"s{i}", ORIGIN, NOW, NOW + DAY) for i in range(5))
    found = await asyncio.gather(*tries)
    assert sum(one is not None for one in found) == 1
    sessions = [await store.visit(f"s{i}", NOW) for i in range(5)]
    assert sessions == found
    assert await store.enter("s0", "s9", ORIGIN, NOW, NOW + DAY) is None, "a session is no code"


async def test_codes_and_sessions_end_in_time(store: Store) -> None:
    task = await begun(store)
    await store.add_code("late", "alice", visit_of(task), NOW)
    assert await store.enter("late", "s", ORIGIN, NOW + 60, NOW + DAY) is None
    await entered(store, task)
    assert await store.visit("s", NOW + DAY - 1) is not None
    assert await store.visit("s", NOW + DAY) is None


async def test_a_session_ends_by_leaving(store: Store) -> None:
    task = await begun(store)
    await entered(store, task)
    assert await store.leave("s")
    assert not await store.leave("s")
    assert await store.visit("s", NOW) is None


async def test_a_session_ends_with_its_token(store: Store) -> None:
    task = await begun(store)
    await store.add_token(
        Token("t2", "short", ALICE, NOW, expires_at=NOW + 100, parent="t-alice"), event()
    )
    await store.add_code("c2", "short", visit_of(task), NOW)
    await store.enter("c2", "s2", ORIGIN, NOW, NOW + DAY)
    assert await store.visit("s2", NOW + 99) is not None
    assert await store.visit("s2", NOW + 100) is None, "the token has expired"
    await entered(store, task)
    await store.remove_token("t-alice", event())
    assert await store.visit("s", NOW) is None
    assert await store.visit("s2", NOW) is None, "it was made with that one"
    assert not await store.add_code("c3", "alice", visit_of(task), NOW)


async def test_a_session_ends_with_its_task(store: Store) -> None:
    task = await begun(store)
    await entered(store, task)
    await ended(store, task)
    assert await store.visit("s", NOW) is None


async def test_a_code_is_for_the_token_s_user(store: Store) -> None:
    task = await begun(store)
    assert not await store.add_code("c", "alice", visit_of(task, BOB), NOW)
    assert await store.add_code("c", "bob", visit_of(task, BOB), NOW), "who may is not its business"


async def test_a_user_s_visits_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("memory_door", "postgres_door"):
        monkeypatch.setattr(f"hai.store.{module}.MOST_VISITS", 3)
    task = await begun(store)
    told = [await store.add_code(f"c{i}", "alice", visit_of(task), NOW) for i in range(4)]
    assert told == [True, True, True, False]
    assert await store.add_code("d", "bob", visit_of(task, BOB), NOW)
    assert await store.add_code("c9", "alice", visit_of(task, seconds=200), NOW + 60), (
        "late ones go"
    )


async def test_each_service_has_a_port_of_its_own(store: Store) -> None:
    one, two = await begun(store), await begun(store)

    async def take(
        task: Task, service: str, user: UserName = ALICE, now: float = NOW
    ) -> int | None:
        place = ServicePlace(task.id, service)
        return await store.take_door_port(PortWish(user, place, [7001, 7002, 7003], now, now - DAY))

    assert await take(one, "a") == 7001
    assert await take(one, "a") == 7001, "the same again"
    both = await asyncio.gather(take(two, "a"), take(two, "b"))
    assert sorted(both, key=str) == [7002, 7003]
    assert await take(one, "b") is None
    known = await store.door_ports()
    assert known[7001] == ServicePlace(one.id, "a")
    assert len(known) == 3
    await ended(store, one)
    assert 7001 not in await store.door_ports()
    assert await take(two, "c", BOB) is None, "what a page left behind there is no other user's"
    assert await take(two, "c") == 7001, "one's own former one"
    await ended(store, two)
    third = await begun(store)
    assert await take(third, "a", BOB, NOW + DAY - 1) is None
    assert await take(third, "a", BOB, NOW + 2 * DAY) in (7001, 7002, 7003), "long ago"
