"""The behaviour of every Store: users, nodes, quotas, the event log."""

from dataclasses import replace

import pytest

from hai.core.identity import Role
from hai.core.node import NodeHealth
from hai.core.types import GroupName, NodeName, Priority, TaskId, UserName
from hai.errors import Conflict, InvalidInput, NotFound
from hai.ports import EventCount, EventFilter, Store
from hai.store.memory import MemoryStore
from hai.store.open import open_store
from hai.store.postgres import PostgresStore
from tests import factories as make
from tests.contract.stored import kinds

ALICE, BOB = UserName("alice"), UserName("bob")


async def test_opening_twice_is_harmless(store: Store) -> None:
    await store.add_user(make.user("bob"), make.event("user.added"))
    await store.open()
    await store.ping()
    assert [user.name for user in await store.users()] == [BOB]


async def test_users_are_kept(store: Store) -> None:
    bob = make.user("bob", role=Role.ADMIN, uid=4_000_000_000, active=False)
    alice = make.user("alice", created_at=make.NOW + 0.123456)
    await store.add_user(bob, make.event("user.added"))
    await store.add_user(alice, make.event("user.added"))
    assert await store.user(ALICE) == alice
    assert await store.user(UserName("carol")) is None
    assert await store.users() == [alice, bob]
    assert await kinds(store) == ["user.added", "user.added"]


async def test_a_user_name_is_taken_once(store: Store) -> None:
    await store.add_user(make.user("alice"), make.event("user.added"))
    with pytest.raises(Conflict, match="alice"):
        await store.add_user(make.user("alice", uid=7), make.event("user.added"))
    assert (await store.users())[0].uid is None
    assert await kinds(store) == ["user.added"]


async def test_a_token_finds_its_user(store: Store) -> None:
    alice = make.user("alice")
    await store.add_user(alice, make.event())
    token = make.token("alice")
    await store.add_token(token, make.event("token.added"))
    assert await store.user_of_token(token.hash, make.NOW) == alice
    assert await store.user_of_token("0" * 64, make.NOW) is None
    assert (await kinds(store))[-1] == "token.added"


async def test_an_expired_token_finds_nobody(store: Store) -> None:
    await store.add_user(make.user("alice"), make.event())
    token = make.token("alice", expires_at=make.NOW + 10)
    await store.add_token(token, make.event())
    assert await store.user_of_token(token.hash, make.NOW + 9.9) is not None
    assert await store.user_of_token(token.hash, make.NOW + 10) is None


async def test_an_inactive_user_has_no_valid_token(store: Store) -> None:
    await store.add_user(make.user("alice", active=False), make.event())
    token = make.token("alice")
    await store.add_token(token, make.event())
    assert await store.user_of_token(token.hash, make.NOW) is None


async def test_tokens_need_a_user_and_a_free_id(store: Store) -> None:
    with pytest.raises(NotFound, match="nobody"):
        await store.add_token(make.token("nobody"), make.event())
    await store.add_user(make.user("alice"), make.event())
    token = make.token("alice")
    await store.add_token(token, make.event())
    with pytest.raises(Conflict):
        await store.add_token(token, make.event("token.again"))
    assert "token.again" not in await kinds(store)


async def test_a_removed_token_is_gone(store: Store) -> None:
    await store.add_user(make.user("alice"), make.event())
    token = make.token("alice")
    await store.add_token(token, make.event())
    assert await store.remove_token(token.id, make.event("token.removed"))
    assert await store.user_of_token(token.hash, make.NOW) is None
    assert not await store.remove_token(token.id, make.event("token.removed"))
    assert (await kinds(store)).count("token.removed") == 1


async def test_groups_are_replaced(store: Store) -> None:
    await store.put_group(make.group("training", description="old"))
    await store.put_group(make.group("jupyter"))
    await store.put_group(make.group("training", description="new"))
    assert await store.groups() == [
        make.group("jupyter"),
        make.group("training", description="new"),
    ]


async def test_nodes_are_replaced_and_keep_their_health(store: Store) -> None:
    old = make.node("b", gpus=4, cpus=1.5, memory_bytes=2**40, leaf="l1", zone="z1")
    await store.put_nodes([old, make.node("a")])
    event = make.event("node.drained")
    assert await store.set_node_health(NodeName("b"), NodeHealth.DRAINED, "cabling", event)
    new = replace(old, gpus=8, group=GroupName("other"), launcher="local")
    await store.put_nodes([new, make.node("c"), make.node("c", gpus=1)])
    kept = replace(new, health=NodeHealth.DRAINED, health_why="cabling")
    assert await store.nodes() == [make.node("a"), kept, make.node("c", gpus=1)]
    assert await kinds(store) == ["nodes.changed", "node.drained", "nodes.changed"]


async def test_the_health_of_an_unknown_node(store: Store) -> None:
    event = make.event("node.drained")
    assert not await store.set_node_health(NodeName("x"), NodeHealth.DOWN, "", event)
    assert await kinds(store) == []


async def test_nodes_can_be_removed(store: Store) -> None:
    await store.put_nodes(make.nodes(3))
    await store.remove_nodes([NodeName("node-001"), NodeName("unknown")])
    assert [node.name for node in await store.nodes()] == ["node-000", "node-002"]


async def test_quotas_are_replaced(store: Store) -> None:
    high = make.quota(4, user=ALICE, priority=Priority.HIGH)
    await store.put_quotas([make.quota(2), high], make.event("quota.set"))
    await store.put_quotas([make.quota(3)], make.event("quota.set"))
    assert await store.quotas() == [make.quota(3), high]
    assert await kinds(store) == ["quota.set", "quota.set"]


async def test_the_ledger_keeps_what_it_is_given(store: Store) -> None:
    assert await store.last_event_id() == 0
    first = make.event("a", at=make.NOW + 0.000001, why="Grüße", data={"n": [1, {"x": None}]})
    second = make.event("b", task_id=TaskId(7), user=ALICE)
    await store.append([first, second])
    await store.append([])
    events = await store.events(0)
    assert [event.draft for event in events] == [first, second]
    assert await store.last_event_id() == events[-1].id
    assert [event.draft for event in await store.events(events[0].id)] == [second]


async def test_the_ledger_can_be_filtered(store: Store) -> None:
    seven, eight = TaskId(7), TaskId(8)
    await store.append(
        [
            make.event("a", task_id=seven, user=ALICE),
            make.event("b", task_id=eight, user=BOB),
            make.event("c", user=ALICE),
            make.event("d", task_id=seven, user=ALICE),
        ]
    )

    async def found(limit: int = 1000, **filters: object) -> str:
        where = EventFilter(**filters)  # type: ignore[arg-type]
        events = await store.events(0, limit=limit, where=where)
        return "".join(event.draft.kind for event in events)

    assert await found() == "abcd"
    assert await found(limit=2) == "ab"
    assert await found(task_id=seven) == "ad"
    assert await found(user=ALICE) == "acd"
    assert await found(user=BOB, task_id=seven) == ""
    assert await found(user=ALICE, task_id=seven, limit=1) == "a"


async def test_lines_of_a_time_and_of_kinds(store: Store) -> None:
    kinds = ["task.submitted", "task.running", "task_running", "taskxrunning", "node.drained"]
    await store.append([make.event(kind, at=100.0 + at) for at, kind in enumerate(kinds)])

    async def found(**filters: object) -> list[str]:
        where = EventFilter(**filters)  # type: ignore[arg-type]
        return [event.draft.kind for event in await store.events(0, where=where)]

    assert await found(since=103.0) == kinds[3:]
    assert await found(until=102.0) == kinds[:2]
    assert await found(since=101.0, until=102.0) == kinds[1:2]
    assert await found(since=102.0, until=102.0) == []
    assert await found(kinds=frozenset({"task.running"})) == ["task.running"]
    assert await found(kinds=frozenset({"task_running"})) == ["task_running"]
    assert await found(kinds=frozenset({"task.*"})) == kinds[:2]
    assert await found(kinds=frozenset({"task.*", "node.drained"})) == [*kinds[:2], kinds[4]]
    assert await found(kinds=frozenset({"%"})) == []
    assert await found(kinds=frozenset({"task\\"})) == []


async def test_how_many_lines_match_and_where_the_last_ones_begin(store: Store) -> None:
    await store.append([make.event(kind) for kind in "abababa"])
    ids = [event.id for event in await store.events(0)]
    only_b = EventFilter(kinds=frozenset("b"))
    assert await store.count_events(EventFilter(), 2) == EventCount(7, ids[4])
    assert await store.count_events(EventFilter(), 7) == EventCount(7, 0)
    assert await store.count_events(EventFilter(), 100) == EventCount(7, 0)
    assert await store.count_events(only_b, 2) == EventCount(3, ids[1])
    last = await store.events(ids[1], where=only_b)
    assert [event.id for event in last] == [ids[3], ids[5]]
    assert await store.count_events(EventFilter(kinds=frozenset("z")), 2) == EventCount(0, 0)


async def test_the_first_one_leads(store: Store) -> None:
    assert await store.lead()
    assert await store.lead()


@pytest.mark.parametrize("url", ["", "mysql://root:secret@db/hai", "sqlite:x"])
def test_an_unknown_store_is_invalid_input(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_store(url, pool_size=2)
    assert "secret" not in caught.value.message
    assert caught.value.hint


def test_an_unreadable_url_does_not_leak() -> None:
    with pytest.raises(InvalidInput) as caught:
        open_store("postgresql://alice:secret@[bad/hai", pool_size=2)
    assert "secret" not in caught.value.message
    assert caught.value.__cause__ is None


def test_implementations() -> None:
    stores: list[Store] = [MemoryStore(), PostgresStore("postgresql:///hai", 2)]
    assert len(stores) == 2


async def test_tokens_end_with_the_one_that_made_them(store: Store) -> None:
    await store.add_user(make.user("alice"), make.event())
    old = make.token("alice")
    child = replace(old, id="child", hash="1" * 64, created_at=old.created_at + 1, parent=old.id)
    grandchild = replace(child, id="grandchild", hash="2" * 64, parent="child", expires_at=None)
    for token in (old, child, grandchild):
        await store.add_token(token, make.event())
    assert await store.tokens(ALICE) == [old, child, grandchild]
    assert await store.token_of(child.hash) == child
    assert await store.token_of("3" * 64) is None
    orphan = replace(child, id="orphan", hash="4" * 64, parent="gone")
    with pytest.raises(Conflict):
        await store.add_token(orphan, make.event())
    assert await store.remove_token(old.id, make.event())
    assert await store.tokens(ALICE) == []
    assert await store.user_of_token(grandchild.hash, make.NOW) is None
