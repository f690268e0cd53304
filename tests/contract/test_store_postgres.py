"""What only the PostgreSQL store promises: order of commits, restarts, the leader's lease."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import psycopg
import pytest

from hai.core.task import Task, TaskChange
from hai.core.types import UserName
from hai.errors import InvalidInput, Unavailable
from hai.store.postgres import PostgresStore
from tests import factories as make
from tests.conftest import PostgresServer
from tests.waiting import async_wait_until

ALICE = UserName("alice")


@asynccontextmanager
async def opened(url: str, pool_size: int = 4) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(url, pool_size)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def test_a_reader_with_a_cursor_misses_nothing(postgres_url: str) -> None:
    writers, rounds = 6, 15
    seen: list[int] = []
    async with opened(postgres_url, pool_size=writers + 1) as store:
        results = await store.add_tasks([make.task_draft() for _ in range(writers)], make.NOW)

        async def write(task: Task) -> None:
            for number in range(rounds):
                change = TaskChange(replace(task, why=str(number)), (make.event("saved"),) * 3)
                (task,) = await store.save([change])
                await store.append([make.event("appended")])
                await store.add_tasks([make.task_draft()], make.NOW)

        async def follow(stop: asyncio.Event) -> None:
            while True:
                last = stop.is_set()
                batch = await store.events(seen[-1] if seen else 0, limit=7)
                seen.extend(event.id for event in batch)
                if last and not batch:
                    return

        done = asyncio.Event()
        reader = asyncio.create_task(follow(done))
        await asyncio.gather(*(write(task) for task in results if isinstance(task, Task)))
        done.set()
        await reader
        stored = [event.id for event in await store.events(0, limit=10_000)]
    assert seen == stored
    assert len(seen) == writers + writers * rounds * 5


async def test_a_writer_waits_for_an_earlier_one_that_has_not_committed(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        with psycopg.connect(postgres_url) as slow:
            slow.execute("SELECT ledger_lock()")
            slow.execute(
                "INSERT INTO events (at, kind, actor, why, data) VALUES (now(), 's', 'x', '', '{}')"
            )
            fast = asyncio.create_task(store.append([make.event("f")]))
            with psycopg.connect(postgres_url, autocommit=True) as watcher:
                query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                await async_wait_until(lambda: watcher.execute(query).fetchone() == (1,))
            assert await store.events(0) == []
            slow.commit()
        await fast
        assert [event.draft.kind for event in await store.events(0)] == ["s", "f"]


@pytest.mark.parametrize(
    "sql", ["UPDATE events SET why = 'x'", "DELETE FROM events", "TRUNCATE events"]
)
async def test_the_ledger_can_not_be_rewritten(postgres_url: str, sql: str) -> None:
    async with opened(postgres_url) as store:
        await store.append([make.event()])
    with (
        psycopg.connect(postgres_url) as connection,
        pytest.raises(psycopg.errors.RaiseException, match="append-only"),
    ):
        connection.execute(sql.encode())


async def test_one_bad_draft_does_not_spoil_the_others(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        good, bad, infinite = await store.add_tasks(
            [
                make.task_draft(),
                make.task_draft(spec={"options": {"x": "a\0b"}}),
                make.task_draft(spec={"options": {"x": float("inf")}}),
            ],
            make.NOW,
        )
        assert isinstance(good, Task)
        assert isinstance(bad, InvalidInput)
        assert isinstance(infinite, InvalidInput)
        with pytest.raises(InvalidInput):
            await store.task_named(ALICE, "a\0b")
        with pytest.raises(InvalidInput):
            await store.task_named(ALICE, "\ud800")


async def test_one_member_that_can_not_be_kept_spoils_its_array_only(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        names = ["a_[0]", "nul\0byte", "a_[2]"]
        array = [make.task_draft(name=name, array="key") for name in names]
        *refused, kept = await store.add_tasks([*array, make.task_draft()], make.NOW)
        assert [type(one) for one in refused] == [InvalidInput] * 3
        assert isinstance(kept, Task)


async def test_whatever_a_program_reports_can_be_saved(postgres_url: str) -> None:
    async with opened(postgres_url) as store:
        (task,) = await store.add_tasks([make.task_draft()], make.NOW)
        assert isinstance(task, Task)
        attempt = make.attempt("n1")
        usage = {"cpu": float("nan"), "gpu": 1.0}
        worker = replace(attempt.workers[0], detail="a\0b\ud800", usage=usage)
        hurt = replace(task, attempts=1, attempt=replace(attempt, workers=(worker,)))
        event = make.event(data={"x": float("inf"), "y": "\0"})
        await store.save([TaskChange(hurt, (event,))])
        saved = await store.task(task.id)
        assert saved is not None
        assert saved.attempt is not None
        assert saved.attempt.workers[0].detail == "a\ufffdb\ufffd"
        assert saved.attempt.workers[0].usage == {"gpu": 1.0}
        assert (await store.events(0))[-1].draft.data == {"x": None, "y": "\ufffd"}


async def test_calls_work_after_a_restart(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    async with opened(postgres_url) as store:
        (before,) = await store.add_tasks([make.task_draft()], make.NOW)
        assert await store.lead()
        await asyncio.gather(*(store.ping() for _ in range(20)))  # the pool is full
        await asyncio.to_thread(postgres_server.postgres.restart)
        results = await store.add_tasks([make.task_draft() for _ in range(3)], make.NOW)
        assert all(isinstance(result, Task) for result in results)
        assert isinstance(before, Task)
        assert await store.task(before.id) == before
        assert await store.lead()


async def test_a_server_that_is_down_is_unavailable_and_comes_back(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    async with opened(postgres_url) as store:
        await store.ping()
        await asyncio.to_thread(postgres_server.postgres.stop)
        try:
            with pytest.raises(Unavailable) as caught:
                await store.ping()
            assert caught.value.hint
            with pytest.raises(Unavailable):
                await store.lead()
        finally:
            await asyncio.to_thread(postgres_server.postgres.start)

        async def works() -> bool:
            try:
                await store.ping()
            except Unavailable:
                return False
            return bool(await store.lead())

        await async_wait_until(works)


async def test_nothing_is_lost_or_doubled_by_restarts_under_load(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    confirmed: list[Task] = []
    async with opened(postgres_url) as store:
        stop = asyncio.Event()

        async def submit(writer: int) -> None:
            number = 0
            while not stop.is_set():
                draft = make.task_draft(request_id=f"{writer}.{number}")
                try:
                    (result,) = await store.add_tasks([draft], make.NOW)
                except Unavailable:
                    await asyncio.sleep(0.01)
                    continue
                assert isinstance(result, Task)
                confirmed.append(result)
                number += 1

        writers = [asyncio.create_task(submit(writer)) for writer in range(3)]

        async def progress() -> None:
            reached = len(confirmed) + 20
            await async_wait_until(lambda: len(confirmed) >= reached)

        for _ in range(2):
            await progress()
            await asyncio.to_thread(postgres_server.postgres.restart)
        await progress()
        stop.set()
        await asyncio.gather(*writers)
        ids = {task.id for task in confirmed}
        assert len(ids) == len(confirmed)
        assert {claim.task_id for claim in await store.claims()} == ids


async def test_a_broken_pool_is_unavailable_at_once_when_closed(postgres_url: str) -> None:
    store = PostgresStore(postgres_url, 2)
    await store.open()
    await store.close()
    with pytest.raises(Unavailable):
        await store.ping()


async def test_no_server_at_all_is_unavailable_and_tells_no_secret() -> None:
    store = PostgresStore("postgresql://alice:secret@/hai?host=/nowhere", 2)
    with pytest.raises(Unavailable) as caught:
        await store.open()
    assert "secret" not in str(caught.value)
    await store.close()


_LEADER = """
import asyncio, sys
from hai.store.open import open_store

async def main():
    store = open_store(sys.argv[1], 2)
    print(await store.lead(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_only_one_leads(postgres_url: str) -> None:
    async with opened(postgres_url) as first, opened(postgres_url) as second:
        assert await first.lead()
        assert not await second.lead()
        assert await first.lead()
        await first.close()
        await async_wait_until(second.lead)


async def test_the_lease_ends_with_its_holder(postgres_url: str) -> None:
    argv = [sys.executable, "-c", _LEADER, postgres_url]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    leader = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert leader.stdout is not None
    try:
        assert await leader.stdout.readline() != b"0\n"
        async with opened(postgres_url) as store:
            assert not await store.lead()
            leader.send_signal(signal.SIGKILL)
            await async_wait_until(store.lead)
    finally:
        with contextlib.suppress(ProcessLookupError):
            leader.kill()
        await leader.wait()


async def test_a_leader_whose_connection_broke_says_so(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    async with opened(postgres_url) as first, opened(postgres_url) as second:
        assert await first.lead()
        postgres_server.run(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'hai-leader'"
        )
        assert await second.lead()
        assert not await first.lead()
