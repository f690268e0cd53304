"""Every store keeps the rows that admins write."""

import asyncio
from dataclasses import replace

import pytest

from hai.core.allowance import Allowance, Membership
from hai.core.identity import Role, Token, User
from hai.core.images import Image
from hai.core.mounts import HostPathType, MountKind
from hai.core.quota import EVERYONE, Quota
from hai.core.rowset import Host, RowSet
from hai.core.storage import Storage
from hai.core.task import EventDraft
from hai.core.types import GroupName, Priority, UserName
from hai.errors import HaiError
from hai.ports import Store

EVENT = EventDraft(kind="rows.put", actor="root", at=5.0)
ALICE = User(
    UserName("alice"), Role.USER, 1001, True, 1.5, gid=2001, nick_name="Ali 爱", team="vision"
)
BOB = User(UserName("bob"), Role.ADMIN, 1002, created_at=2.0)
ROWS = RowSet(
    users=(ALICE, BOB),
    tokens=(Token("t1", "f" * 64, UserName("alice"), 2.0, "from before"),),
    memberships=(Membership("vision", "gpu"), Membership("bob", "ops"), Membership("alice", "ops")),
    quotas=(Quota(EVERYONE, GroupName("training"), Priority.HIGH, 3),),
    allowances=(
        Allowance("public", "train_environment:hai_base", 2**62),
        Allowance("alice", "cap:IPC_LOCK", 1, 99.25),
    ),
    images=(
        Image("hai_base", "r.example/hai:1", {"A": "b c'\"", "E": ""}, "/usr/bin/python3"),
        Image("bare", "bare@sha256:00"),
    ),
    storage=(
        Storage("ws", "/nfs/{user.user_name}", "/w", host_path_type=HostPathType.DIRECTORY),
        Storage(
            "conf",
            "conf",
            "/etc/x",
            MountKind.CONFIG_MAP,
            sub_path="a",
            owners=("ops", "bob"),
            conditions=("{task.nodes} > 1", "'{task.group}' == \"it's\""),
            read_only=True,
            removes=True,
            active=False,
        ),
    ),
    hosts=(Host("node-1", 8, "training", "A", "r1", ("x", "y")),),
)


async def test_rows_come_back_as_they_went_in_by_key(store: Store) -> None:
    await store.put_rows(ROWS, EVENT)
    assert await store.images() == sorted(ROWS.images, key=lambda one: one.name)
    assert await store.storage() == sorted(ROWS.storage, key=lambda one: one.name)
    assert await store.allowances() == sorted(ROWS.allowances, key=lambda one: one.owner)
    assert await store.memberships() == sorted(ROWS.memberships, key=lambda one: one.member)
    assert await store.hosts() == list(ROWS.hosts)
    assert await store.quotas() == list(ROWS.quotas)


async def test_users_come_with_their_groups_and_their_teams(store: Store) -> None:
    await store.put_rows(ROWS, EVENT)
    alice = replace(ALICE, groups=("gpu", "ops"))
    assert await store.users() == [alice, replace(BOB, groups=("ops",))]
    assert await store.user(ALICE.name) == alice
    assert await store.user_of_token("f" * 64, 3.0) == alice


async def test_a_user_without_a_team_is_not_in_the_groups_of_no_team(store: Store) -> None:
    await store.put_rows(RowSet(users=(BOB,), memberships=(Membership("", "secret"),)), EVENT)
    found = await store.user(BOB.name)
    assert found is not None
    assert found.groups == ()


async def test_a_new_user_keeps_all_fields(store: Store) -> None:
    await store.add_user(ALICE, EVENT)
    assert await store.user(ALICE.name) == ALICE


async def test_putting_twice_is_putting_once_with_two_ledger_lines(store: Store) -> None:
    for _ in range(2):
        await store.put_rows(ROWS, EVENT)
    assert await store.images() == sorted(ROWS.images, key=lambda one: one.name)
    assert len(await store.memberships()) == 3
    assert [event.draft for event in await store.events(0)] == [EVENT, EVENT]


async def test_later_rows_replace_earlier_ones_of_their_key(store: Store) -> None:
    await store.put_rows(ROWS, EVENT)
    base = Image("hai_base", "other:2")
    user = replace(ALICE, uid=7, gid=None, nick_name="", team="", active=False, created_at=77.0)
    await store.put_rows(
        RowSet(
            users=(user,),
            images=(Image("hai_base", "lost"), base),
            allowances=(Allowance("alice", "cap:IPC_LOCK", 0),),
        ),
        EVENT,
    )
    assert base in await store.images()
    assert Allowance("alice", "cap:IPC_LOCK", 0) in await store.allowances()
    assert await store.user(ALICE.name) == replace(
        user, created_at=ALICE.created_at, groups=("ops",)
    )


async def test_a_token_that_is_known_is_not_made_again(store: Store) -> None:
    await store.put_rows(ROWS, EVENT)
    again = replace(ROWS.tokens[0], id="t2", user=BOB.name)
    await store.put_rows(RowSet(tokens=(again,)), EVENT)
    found = await store.user_of_token("f" * 64, 3.0)
    assert found is not None
    assert found.name == "alice"


async def test_what_cannot_be_kept_changes_nothing(store: Store) -> None:
    stray = Token("t9", "e" * 64, UserName("nobody"), 2.0)
    with pytest.raises(HaiError, match=r"needs its user|tokens_user_name_fkey"):
        await store.put_rows(RowSet(tokens=(stray,), images=ROWS.images), EVENT)
    assert await store.images() == []
    assert await store.events(0) == []


async def test_what_is_removed_is_gone_and_removed_once(store: Store) -> None:
    await store.put_rows(ROWS, EVENT)
    gone = EventDraft(kind="rows.removed", actor="root", at=6.0)
    for first in (True, False):
        assert await store.remove_image("hai_base", gone) is first
        assert await store.remove_storage("ws", gone) is first
        assert await store.remove_allowance("alice", "cap:IPC_LOCK", gone) is first
        assert await store.remove_membership("vision", "gpu", gone) is first
    assert [image.name for image in await store.images()] == ["bare"]
    assert [row.name for row in await store.storage()] == ["conf"]
    assert await store.allowances() == []  # the image's went with it
    assert [event.draft.kind for event in await store.events(0)].count("rows.removed") == 4


async def test_writers_at_the_same_time_lose_nothing(store: Store) -> None:
    await asyncio.gather(
        *(store.put_rows(RowSet(images=(Image(f"i{n:02d}", "r"),)), EVENT) for n in range(20)),
        *(store.put_rows(ROWS, EVENT) for _ in range(5)),
    )
    assert len(await store.images()) == 22
    assert len(await store.events(0)) == 25
