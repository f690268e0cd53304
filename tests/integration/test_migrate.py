"""Migrations on a real database."""

import asyncio
from dataclasses import replace

import psycopg
import pytest

from hai.core.types import TaskId
from hai.errors import PlatformError
from hai.store.database import connection_settings
from hai.store.migrate import Migration, load_migrations, migrate
from hai.store.postgres import PostgresStore

ONE = Migration(1, "one", "CREATE TABLE a (x int); INSERT INTO a VALUES (1);")
TWO = Migration(2, "two", "CREATE TABLE b (x int);")


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row[0] for row in found}


async def test_an_empty_database_is_brought_up_to_date_once(empty_postgres_url: str) -> None:
    settings = connection_settings(empty_postgres_url)
    known = load_migrations()
    assert await migrate(settings) == known
    assert {"tasks", "attempts", "workers", "events", "migrations"} <= tables(empty_postgres_url)
    assert await migrate(settings) == []


async def test_only_what_is_missing_is_applied(empty_postgres_url: str) -> None:
    settings = connection_settings(empty_postgres_url)
    assert await migrate(settings, [ONE]) == [ONE]
    assert await migrate(settings, [ONE, TWO]) == [TWO]
    assert tables(empty_postgres_url) == {"a", "b", "migrations"}


async def test_servers_that_start_together_take_turns(empty_postgres_url: str) -> None:
    settings = connection_settings(empty_postgres_url)
    applied = await asyncio.gather(*(migrate(settings, [ONE, TWO]) for _ in range(4)))
    assert sorted(len(done) for done in applied) == [0, 0, 0, 2]


async def test_a_changed_migration_is_refused(empty_postgres_url: str) -> None:
    settings = connection_settings(empty_postgres_url)
    await migrate(settings, [ONE])
    with pytest.raises(PlatformError, match=r"migration 1 \(one\) is not the one") as caught:
        await migrate(settings, [replace(ONE, sql="CREATE TABLE c (x int)"), TWO])
    assert caught.value.hint
    assert tables(empty_postgres_url) == {"a", "migrations"}


async def test_a_newer_database_is_refused(empty_postgres_url: str) -> None:
    settings = connection_settings(empty_postgres_url)
    await migrate(settings, [ONE, TWO])
    with pytest.raises(PlatformError, match=r"newer than this server.* 2 \(two\)") as caught:
        await migrate(settings, [ONE])
    assert "upgrade" in caught.value.hint


async def test_a_failed_migration_is_undone(empty_postgres_url: str) -> None:
    settings = connection_settings(empty_postgres_url)
    bad = replace(TWO, sql="CREATE TABLE b (x int); SELECT 1 / 0;")
    with pytest.raises(PlatformError, match=r"migration 2 \(two\) failed and was undone"):
        await migrate(settings, [ONE, bad])
    assert tables(empty_postgres_url) == {"a", "migrations"}
    assert await migrate(settings, [ONE, TWO]) == [TWO]


async def test_numbers_have_no_gap(empty_postgres_url: str) -> None:
    with pytest.raises(PlatformError, match="not numbered"):
        await migrate(connection_settings(empty_postgres_url), [ONE, replace(TWO, number=3)])


async def test_documents_of_an_older_database_are_kept(empty_postgres_url: str) -> None:
    """Before 9 each task had its own; afterwards the members of an array share one."""
    settings = connection_settings(empty_postgres_url)
    known = load_migrations()
    before = [migration for migration in known if migration.number < 9]
    await migrate(settings, before)
    columns = (
        "id, chain_id, user_name, name, group_name, nodes, spec, submitted_at, priority, state, "
        "held, custom_rank, whole_life_state, attempts, suspend_count, why, version, array_id"
    )
    rows = [(1, "a", None), (2, "b", 2), (3, "b", 2)]
    with psycopg.connect(empty_postgres_url) as connection:
        for task_id, text, array_id in rows:
            connection.execute(
                f"INSERT INTO tasks ({columns}) VALUES (%s, 'c', 'alice', %s, 'g', 1, %s, now(), "  # noqa: S608
                "10, 'stopped', false, 0, 0, 0, 0, '', 0, %s)",
                (task_id, f"n{task_id}", f'{{"spec": "{text}"}}', array_id),
            )
    assert [one.number for one in await migrate(settings)] == list(range(9, len(known) + 1))
    store = PostgresStore(empty_postgres_url, 2)
    await store.open()
    try:
        tasks = await store.tasks([TaskId(one) for one in (1, 2, 3)])
        assert [task.spec for task in tasks] == [{"spec": "a"}, {"spec": "b"}, {"spec": "b"}]
    finally:
        await store.close()
    with psycopg.connect(empty_postgres_url) as connection:
        found = connection.execute("SELECT id FROM documents ORDER BY id").fetchall()
        assert found == [(1,), (2,)]
