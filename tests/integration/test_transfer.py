"""Dumps and loads of real databases: from one place to another, by the programs that do it."""

import gzip
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hai.core.lifecycle.restored import WHY
from hai.errors import Conflict, InvalidInput, NotFound
from hai.server.transfer import load_database, migrate_database
from hai.settings import Settings, load_settings
from hai.store.migrate import load_migrations
from hai.store.transfer.dump import dump
from hai.store.transfer.format import Header, line_of, read_header
from hai.store.transfer.load import LoadOrder, load
from tests.conftest import PostgresServer
from tests.old_databases import fill


@pytest.fixture
def old_url(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[str]:
    """A database of schema 4 with tasks."""
    with postgres_server.database("template1") as url:
        fill(url, "schema_0004", tmp_path)
        yield url


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def do(url: str, query: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(query.encode())


def dumped(url: str) -> bytes:
    sink = io.BytesIO()
    dump(url, sink, version="1.2.3+gtest")
    return sink.getvalue()


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    text = gzip.decompress(data)
    assert old in text
    return gzip.compress(text.replace(old, new))


def settings_of(url: str) -> Settings:
    return load_settings(store={"url": url}, server={"port": 1})


def everything(url: str) -> dict[str, list[tuple[Any, ...]]]:
    names = [
        row[0] for row in rows(url, "SELECT tablename FROM pg_tables WHERE schemaname='public'")
    ]
    return {name: sorted(rows(url, f"TABLE {name}"), key=repr) for name in names}


FRESH = """
INSERT INTO users (name, role, uid, active, created_at) VALUES ('here', 'admin', 7, true, now()),
                                                       ('root', 'user', 7, true, now());
INSERT INTO tokens (id, hash, user_name, label, created_at) VALUES ('t', 'h', 'here', '', now());
INSERT INTO groups VALUES ('cluster', 'of here');
INSERT INTO nodes VALUES ('n1', 'cluster', 'kubernetes', 8, 1, 1, '', '', 'ready', '');
INSERT INTO quotas VALUES ('*', 'cluster', 20, 4), ('*', 'training', 20, 99);
"""


async def test_an_old_database_moves_into_a_fresh_place(old_url: str, postgres_url: str) -> None:
    """It is migrated; what ran goes back to its line; the place keeps what is its own."""
    do(postgres_url, FRESH)
    before = dict(rows(old_url, "SELECT id, state FROM tasks"))
    data = dumped(old_url)
    order = {"users": ["here", "root"], "size": len(data)}
    done = await load_database(settings_of(postgres_url), order, io.BytesIO(data + b"more"))
    assert (done["schema"], done["waiting"], done["ended"]) == (4, [3], [])

    now = dict(rows(postgres_url, "SELECT id, state FROM tasks"))
    assert before == {**now, 3: "running"}
    assert now[3] == "suspended"
    assert rows(postgres_url, "SELECT held, first, why FROM tasks WHERE id = 3") == [
        (False, True, WHY)
    ]
    states = rows(postgres_url, "SELECT DISTINCT state FROM workers WHERE task_id = 3")
    assert states == [("lost",)]
    assert rows(postgres_url, "SELECT ended_at IS NOT NULL FROM attempts WHERE task_id = 3") == [
        (True,)
    ]
    assert rows(postgres_url, "SELECT name FROM nodes") == [("n1",)]
    assert rows(postgres_url, "SELECT name FROM users ORDER BY 1") == [
        ("bob",),
        ("here",),
        ("root",),
    ]
    assert rows(postgres_url, "SELECT nodes FROM quotas WHERE user_name = 'bob'") == [(1,)]
    assert rows(postgres_url, "SELECT nodes FROM quotas WHERE group_name = 'cluster'") == [(4,)]
    assert rows(postgres_url, "SELECT count(*) FROM quotas WHERE nodes = 99") == [(0,)]
    assert rows(postgres_url, "SELECT role, uid FROM users WHERE name = 'root'") == [("admin", 7)]
    assert rows(postgres_url, "SELECT count(*) FROM tokens WHERE id = 't'") == [(1,)]
    assert rows(postgres_url, "SELECT nextval('task_ids')") == [(6,)]
    old_events = rows(old_url, "SELECT id, kind, why FROM events ORDER BY id")
    assert (
        rows(postgres_url, "SELECT id, kind, why FROM events ORDER BY id")[: len(old_events)]
        == old_events
    )
    assert rows(postgres_url, "SELECT kind FROM events ORDER BY id DESC LIMIT 1") == [
        ("platform.restored",)
    ]
    assert rows(postgres_url, "SELECT max(number) FROM migrations") == [(len(load_migrations()),)]
    assert await migrate_database(settings_of(postgres_url)) == {"applied": []}


def test_exact_is_exact(old_url: str, postgres_url: str) -> None:
    """As an upgrade that is taken back: its own schema, its own tasks, a new term."""
    data = dumped(postgres_url)
    do(postgres_url, "INSERT INTO groups VALUES ('since', '')")
    term = rows(postgres_url, "SELECT term FROM leadership")[0][0]
    load(postgres_url, io.BytesIO(data), LoadOrder(exact=True))
    assert rows(postgres_url, "SELECT count(*) FROM groups WHERE name = 'since'") == [(0,)]
    assert rows(postgres_url, "SELECT term FROM leadership") == [(term + 1,)]

    wanted = everything(old_url)
    load(postgres_url, io.BytesIO(dumped(old_url)), LoadOrder(exact=True))
    found = everything(postgres_url)
    for moved in (wanted, found):
        moved["migrations"] = [row[:2] for row in moved["migrations"]]
    assert found == wanted


def test_people_s_things_are_not_overwritten(old_url: str, postgres_url: str) -> None:
    data = dumped(old_url)
    do(postgres_url, FRESH)
    before = everything(postgres_url)
    with pytest.raises(Conflict, match="is not fresh, it holds user root"):
        load(postgres_url, io.BytesIO(data), LoadOrder(["here"]))
    assert everything(postgres_url) == before
    with psycopg.connect(postgres_url) as leader:
        leader.execute("SELECT pg_advisory_lock(7420, 2)")
        with pytest.raises(Conflict, match="a server works on this database"):
            load(postgres_url, io.BytesIO(data), LoadOrder(["here", "root"]))
    load(postgres_url, io.BytesIO(data), LoadOrder(["here"], replace=True))
    assert rows(postgres_url, "SELECT count(*) FROM tasks") == [(5,)]


def test_bad_dumps_change_nothing(old_url: str, postgres_url: str) -> None:
    data = dumped(old_url)
    before = everything(postgres_url)
    later = [[99, "of_a_later_day", "0" * 64]]
    header = gzip.decompress(data).partition(b"\n")[0] + b"\n"
    newer = line_of({**json.loads(header), "migrations": later})
    bad = {
        "is newer than this HAI": changed(data, header, newer),
        "format 2": changed(data, b'{"hai_dump":1', b'{"hai_dump":2'),
        "is not one of its schema": changed(data, b'{"table":"groups"', b'{"table":"pg_authid"'),
        "is not the one that this HAI has": changed(data, b'"initial","1', b'"initial","f'),
        "not whole": changed(data, b'"rows":{', b'"rows":{"more":1,'),
        "damaged": data[:-300],
        "Not a gzipped file": b"SELECT 1;" * 100,
    }
    for why, spoilt in bad.items():
        with pytest.raises(InvalidInput, match=why):
            load(postgres_url, io.BytesIO(spoilt), LoadOrder())
        assert everything(postgres_url) == before, why


def test_a_dump_is_of_one_moment(postgres_url: str) -> None:
    """While somebody goes on writing two tables together."""
    do(
        postgres_url,
        "INSERT INTO groups VALUES ('n', '0'); INSERT INTO images VALUES ('n', '0', '{}', '')",
    )
    over = threading.Event()

    def write() -> None:
        with psycopg.connect(postgres_url) as connection:
            number = 0
            while not over.is_set():
                number += 1
                with connection.transaction():
                    connection.execute("UPDATE groups SET description = %s", (str(number),))
                    connection.execute("UPDATE images SET ref = %s", (str(number),))

    writing = threading.Thread(target=write)
    writing.start()
    try:
        dumps = [gzip.decompress(dumped(postgres_url)) for _ in range(5)]
    finally:
        over.set()
        writing.join()
    for text in dumps:
        lines = text.decode().splitlines()
        row = {
            json.loads(line)["table"]: lines[at + 1]
            for at, line in enumerate(lines)
            if line.startswith('{"table"')
        }
        assert row["groups"].split("\t")[1] == row["images"].split("\t")[1]


def test_other_peoples_tables_are_left_alone(old_url: str, postgres_url: str) -> None:
    do(postgres_url, "CREATE TABLE theirs (x int); INSERT INTO theirs VALUES (42)")
    assert b"theirs" not in gzip.decompress(dumped(postgres_url))
    load(postgres_url, io.BytesIO(dumped(old_url)), LoadOrder())
    assert rows(postgres_url, "TABLE theirs") == [(42,)]


def test_headers(old_url: str, empty_postgres_url: str) -> None:
    header = read_header(io.BytesIO(dumped(old_url)))
    assert (header.version, header.schema, len(header.migrations)) == ("1.2.3+gtest", 4, 4)
    assert Header.of({"hai_dump": 1, **asdict(header)}) == header
    with pytest.raises(InvalidInput, match="no dump of HAI"):
        Header.of({})
    with pytest.raises(NotFound, match="nothing to back up"):
        dumped(empty_postgres_url)


async def test_a_look_changes_nothing(old_url: str, postgres_url: str) -> None:
    """Before anybody is asked or anything is stopped."""
    header = asdict(read_header(io.BytesIO(dumped(old_url))))
    do(postgres_url, FRESH)
    before = everything(postgres_url)
    order = {"users": ["here"], "check": {"hai_dump": 1, **header}}
    found = await load_database(settings_of(postgres_url), order, io.BytesIO())
    assert found == {
        "tasks": 0,
        "others": ["root"],
        "fresh": False,
        "schema": len(load_migrations()),
    }
    for change, why in (
        ({"migrations": [[99, "of_a_later_day", "0" * 64]]}, "is newer than this HAI"),
        ({"hai_dump": 2}, "has format 2"),
    ):
        newer = {"users": [], "check": {**order["check"], **change}}  # type: ignore[dict-item]
        with pytest.raises(InvalidInput, match=why):
            await load_database(settings_of(postgres_url), newer, io.BytesIO())
    assert everything(postgres_url) == before
