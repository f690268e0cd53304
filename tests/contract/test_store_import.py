"""init.sql over every store: all or nothing, and twice is once."""

from pathlib import Path

import pytest

from hai.core.identity import Role, User
from hai.core.quota import QuotaTable, effective
from hai.core.task import EventDraft
from hai.core.types import GroupName, Priority, UserName
from hai.errors import InvalidInput
from hai.ports import Store
from hai.service.import_sql.importing import Imported, Importer
from hai.service.import_sql.text import Source
from hai.service.users import UserService, token_hash
from tests.clocks import VirtualClock

SEED = (Path(__file__).parents[1] / "unit" / "service" / "seed.sql").read_text("utf-8")
SECRET = "abcdefghijklmnopqrst"  # noqa: S105 - as in the seed
_INTO = "INSERT INTO"


async def imported(store: Store, text: str, *, dry_run: bool = False) -> Imported:
    clock = VirtualClock()
    users = UserService(store, clock, needs_uid=True)
    return await Importer(store, users, clock).run(Source("init.sql", text), dry_run=dry_run)


async def test_the_seed_of_a_platform_is_there_afterwards(store: Store) -> None:
    done = await imported(store, SEED)
    assert "add user haiadmin" in done.changes
    assert "add quota * node-training-HIGH = 10" in done.changes
    admin = await store.user(UserName("haiadmin"))
    assert admin is not None
    assert (admin.role, admin.uid, admin.team, admin.groups) == (
        Role.ADMIN,
        10020,
        "hfai",
        ("root",),
    )
    assert [image.name for image in await store.images()] == ["hai_base"]
    assert {row.mount_path for row in await store.storage()} == {
        "/etc/nccl.conf",
        "/nfs/ws/{user.user_name}",
    }
    assert len(await store.allowances()) == 5
    assert len(await store.hosts()) == 1


async def test_old_tokens_go_on_working_and_are_told_nowhere(store: Store) -> None:
    done = await imported(store, SEED)
    found = await store.user_of_token(token_hash(SECRET), VirtualClock().now())
    assert found is not None
    assert found.name == "haiadmin"
    assert SECRET not in repr(done)
    assert SECRET not in repr(await store.events(0))


async def test_a_token_that_was_revoked_does_not_come_back(store: Store) -> None:
    """Also when other rows of the same file have changed."""
    await imported(store, SEED)
    now = VirtualClock().now()
    digest = token_hash(SECRET)
    admin = await store.user(UserName("haiadmin"))
    assert admin is not None
    users = UserService(store, VirtualClock(), needs_uid=True)
    await users.revoke(admin, digest[:16])
    assert await store.user_of_token(digest, now) is None
    done = await imported(
        store, f"{SEED}\n{_INTO} \"user\" (user_name, user_id) VALUES ('eve', 1501);"
    )
    assert "add user eve" in done.changes
    assert any("haiadmin is left out: it was revoked" in note for note in done.notes)
    assert await store.user_of_token(digest, now) is None


async def test_twice_is_once(store: Store) -> None:
    first = await imported(store, SEED)
    events = await store.last_event_id()
    again = await imported(store, SEED)
    assert again.changes == ()
    assert again.unchanged == len(first.changes) - 1  # its token is not counted
    assert await store.last_event_id() == events


async def test_a_dry_run_says_the_same_and_changes_nothing(store: Store) -> None:
    planned = await imported(store, SEED, dry_run=True)
    assert await store.last_event_id() == 0
    assert await store.users() == []
    assert await imported(store, SEED) == planned


async def test_an_error_late_in_the_file_changes_nothing(store: Store) -> None:
    with pytest.raises(InvalidInput, match=r"^init\.sql:\d+:\d+: there is no table 'nothing'"):
        await imported(store, f"{SEED}\n{_INTO} nothing (a) VALUES (1);")
    assert await store.last_event_id() == 0
    assert await store.images() == []


async def test_do_nothing_keeps_what_is_there_and_the_others_replace_it(store: Store) -> None:
    row = f"{_INTO} train_environment (env_name, image) VALUES ('a', 'r/a:%s')"
    await imported(store, row % 1)
    kept = await imported(store, row % 2 + " ON CONFLICT DO NOTHING")
    assert kept.changes == ()
    assert [image.ref for image in await store.images()] == ["r/a:1"]
    done = await imported(store, row % 3 + ";" + row % 4)
    assert done.changes == ("change image a: ref",)
    assert [image.ref for image in await store.images()] == ["r/a:4"]


async def test_an_import_takes_the_role_of_an_admin_from_nobody(store: Store) -> None:
    event = EventDraft(kind="x", actor="root", at=1.0)
    boss = User(UserName("boss"), Role.ADMIN, 1500, created_at=7.0, gid=1600)
    await store.add_user(boss, event)
    await imported(store, f"{_INTO} \"user\" (user_name, user_id) VALUES ('boss', 1501)")
    found = await store.user(boss.name)
    assert found == User(boss.name, Role.ADMIN, 1501, created_at=7.0, gid=1600)


async def test_who_is_put_into_root_becomes_an_admin(store: Store) -> None:
    event = EventDraft(kind="x", actor="root", at=1.0)
    await store.add_user(User(UserName("eve"), uid=1500), event)
    await imported(store, f"{_INTO} user_group (user_name, \"group\") VALUES ('eve', 'root')")
    found = await store.user(UserName("eve"))
    assert found is not None
    assert found.role is Role.ADMIN


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ("('a b', 1500)", "'a b' is no user name"),
        ("('../etc', 1500)", "no user name"),
        ("('me', 1500)", "no user name"),
        ("('mallory', 0)", "uid 0 is a system account's"),
        ("('mallory', 65534)", "system account"),
        ("('mallory', -1)", "no user id"),
        ("('mallory', NULL)", "need a Unix user"),
    ],
)
async def test_users_that_cannot_be_are_refused_with_their_place(
    store: Store, values: str, complaint: str
) -> None:
    with pytest.raises(InvalidInput, match=r"^init\.sql:2:2: ") as caught:
        await imported(store, f'{_INTO} "user" (user_name, user_id) VALUES\n{values}')
    assert complaint in caught.value.message
    assert await store.users() == []


async def test_tokens_that_are_not_safe_or_not_valid_are_left_out(store: Store) -> None:
    text = f"""
{_INTO} "user" (user_name, user_id, token, active) VALUES
    ('short', 1501, 'xxxxxxxx', true), ('gone', 1502, 'gone-gone-gone-gone', false);
{_INTO} user_access_token (from_user_name, access_user_name, access_token, access_scope,
                           expire_at, active) VALUES
    ('short', 'short', 'ACCESS-3232-own-own-own', 'all', '3000-01-01 00:00:00', true),
    ('short', 'short', 'ACCESS-3232-old-old-old', 'all', '1969-01-01 00:00:00', true),
    ('short', 'gone', 'ACCESS-3232-other-other', 'all', '3000-01-01 00:00:00', true),
    ('short', 'short', 'ACCESS-3232-deleted-del', 'all', '3000-01-01 00:00:00', NULL);
"""
    done = await imported(store, text)
    assert [line for line in done.changes if "token" in line] == ["add a token of short"]
    assert len(done.notes) == 4
    now = VirtualClock().now()
    assert await store.user_of_token(token_hash("ACCESS-3232-own-own-own"), now) is not None
    assert await store.user_of_token(token_hash("xxxxxxxx"), now) is None
    assert (await imported(store, text)).changes == ()


async def test_one_token_of_two_users_is_refused(store: Store) -> None:
    text = (
        f'{_INTO} "user" (user_name, user_id, token) VALUES '
        f"('a', 1500, '{SECRET}'), ('b', 1501, '{SECRET}')"
    )
    with pytest.raises(InvalidInput, match="a and b have the same token"):
        await imported(store, text)


async def test_external_users_are_not_among_the_internal_ones(store: Store) -> None:
    await imported(
        store,
        f'{_INTO} "user" (user_name, user_id, role) VALUES '
        "('in', 1500, 'internal'), ('out', 1501, 'external')",
    )
    inside, outside = await store.users()
    assert "internal" in inside.owns_as
    assert "external" in outside.owns_as
    assert "internal" not in outside.owns_as


async def test_quotas_of_groups_count_for_their_members(store: Store) -> None:
    text = f"""
{_INTO} "user" (user_name, user_id, shared_group) VALUES
    ('a', 1501, 'vision'), ('b', 1502, 'vision'), ('c', 1503, 'speech');
{_INTO} quota (user_name, resource, quota) VALUES ('public', 'node-g-HIGH', 3),
    ('vision', 'node-g-HIGH', 5), ('internal', 'node-g-LOW', 7), ('b', 'node-g-HIGH', 1);
{_INTO} user_group (user_name, "group") VALUES ('speech', 'big');
{_INTO} quota (user_name, resource, quota) VALUES ('big', 'node-g-HIGH', 9);
"""
    await imported(store, text)
    table = QuotaTable.of(effective(await store.quotas(), await store.users()))
    group = GroupName("g")
    limits = {name: table.limit(UserName(name), group, Priority.HIGH) for name in "abcx"}
    assert limits == {"a": 5, "b": 1, "c": 9, "x": 3}
    assert table.limit(UserName("a"), group, Priority.LOW) == 7


async def test_a_large_file_is_one_transaction(store: Store) -> None:
    rows = ",\n".join(f"('u{n}', {2000 + n}, 'n''{n}')" for n in range(5000))
    done = await imported(store, f'{_INTO} "user" (user_name, user_id, nick_name) VALUES {rows}')
    assert len(done.changes) == 5000
    assert len(await store.users()) == 5000
    assert await store.last_event_id() == 1
