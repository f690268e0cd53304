"""Who leads, and what becomes of what a former leader still wants to write."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from hai.core.node import NodeHealth
from hai.core.replay import Record
from hai.core.task import Task, TaskChange
from hai.core.types import NodeName
from hai.errors import HaiError, Unavailable
from hai.ports import Pause, Store, Timebase
from hai.store.lease import LEASE_SECONDS
from hai.store.postgres import PostgresStore
from tests import factories as make
from tests.conftest import PostgresServer
from tests.waiting import async_wait_until


@asynccontextmanager
async def process(url: str, *, may_lead: bool = True) -> AsyncIterator[tuple[Store, Store]]:
    """What a process has: the store that its requests use, and that of its loops."""
    store = PostgresStore(url, 4, may_lead=may_lead)
    await store.open()
    loops = store.for_loops(2)
    await loops.open()
    try:
        yield store, loops
    finally:
        await loops.close()
        await store.close()


async def saved(store: Store) -> Task:
    (task,) = await store.add_tasks([make.task_draft()], make.NOW)
    assert isinstance(task, Task)
    return task


def is_sure(store: Store) -> bool:
    return store.is_leading


async def leads(store: Store) -> bool:
    return bool(await store.lead())


async def test_each_leader_has_a_larger_term(postgres_url: str) -> None:
    terms = []
    for _ in range(3):
        async with process(postgres_url) as (_, loops):
            terms.append(await loops.lead())
            assert await loops.lead() == terms[-1]
            assert loops.is_leading
    assert terms == sorted(set(terms))
    assert min(terms) > 0


async def test_who_only_serves_never_leads(postgres_url: str) -> None:
    async with process(postgres_url, may_lead=False) as (store, _):
        assert not await store.lead()
        assert not store.is_leading


async def test_a_leader_without_signs_of_life_is_followed_by_another(postgres_url: str) -> None:
    """As when its process is stopped: its connection stays open, and nobody speaks on it."""
    async with process(postgres_url) as (_, first), process(postgres_url) as (_, second):
        term = await first.lead()
        assert term
        assert not await second.lead()
        assert is_sure(first)
        await async_wait_until(lambda: leads(second), what="the second one leads")
        assert not is_sure(first)
        assert await first.lead() == 0, "it follows"
        assert await second.lead() > term


async def test_signs_of_life_keep_the_lease(postgres_url: str) -> None:
    async with process(postgres_url) as (_, first), process(postgres_url) as (_, second):
        term = await first.lead()
        loop = asyncio.get_running_loop()
        until = loop.time() + 1.5 * LEASE_SECONDS
        while loop.time() < until:
            assert await first.lead() == term
            assert await second.lead() == 0
            await asyncio.wait([loop.create_future()], timeout=0.2)


_bases = itertools.count(1.0)
Write = Callable[[Store, Task], Awaitable[object]]


def _save(store: Store, task: Task) -> Awaitable[object]:
    return store.save([TaskChange(replace(task, why="by a former leader"), (make.event(),))])


def _append(store: Store, _: Task) -> Awaitable[object]:
    return store.append([make.event()])


def _journal(store: Store, _: Task) -> Awaitable[object]:
    record = Record(at=make.NOW, kind="tick", policy="p", digest="d", body={"inputs": []})
    return store.append_journal(record)


def _prune(store: Store, _: Task) -> Awaitable[object]:
    return store.prune_journal(0.0)


def _health(store: Store, _: Task) -> Awaitable[object]:
    name = NodeName("node-1")
    return store.set_node_health(name, NodeHealth.SUSPECT, "late", make.event())


def _step(store: Store, _: Task) -> Awaitable[object]:
    return store.step(None, Timebase("boot", next(_bases)), 5.0, (), lambda: None)


@pytest.mark.parametrize("write", [_save, _append, _journal, _prune, _health, _step])
async def test_a_former_leader_writes_nothing(
    postgres_url: str, postgres_server: PostgresServer, write: Write
) -> None:
    async with process(postgres_url) as (store, first), process(postgres_url) as (_, second):
        task = await saved(store)
        await store.put_nodes([make.node("node-1")])
        await store.append_journal(
            Record(at=make.NOW, kind="snapshot", policy="p", digest="d", body={"inputs": []})
        )
        assert await first.lead()
        await write(first, task)  # while it leads it may
        task = replace(task, version=task.version + 1)
        before = await contents(store)
        await take_over(postgres_url, postgres_server, second)
        with pytest.raises(Unavailable, match="another process leads"):
            await write(first, task)
        assert await contents(store) == before
        await store.append([make.event()])  # requests are nobody's leader, and go on
        assert await first.tasks([task.id])  # reading is free


async def take_over(url: str, server: PostgresServer, second: Store) -> None:
    """The first one's lease breaks while it is in the middle of a run. In a task of its own, as
    every loop: what one loop claims is not claimed by another."""
    server.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608 - ours
        f"WHERE application_name = 'hai-leader' AND datname = '{urlsplit(url).path[1:]}'"
    )
    await asyncio.create_task(async_wait_until(lambda: leads(second)))


async def contents(store: Store) -> object:
    nodes = await store.nodes()
    journal = await store.journal(0.0, 2e9)
    tasks = await store.claims()
    return await store.last_event_id(), nodes, journal, tasks, await store.timebase()


async def test_a_run_goes_on_under_the_term_that_it_began_with(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    """Even if its process leads anew meanwhile: somebody else led in between."""
    async with process(postgres_url) as (store, first), process(postgres_url) as (_, second):
        task = await saved(store)
        assert await first.lead()
        await take_over(postgres_url, postgres_server, second)
        await take_over(postgres_url, postgres_server, first)
        assert first.is_leading
        with pytest.raises(Unavailable, match="another process leads"):
            await _save(first, task)
        assert await first.lead()  # the next run
        assert await _save(first, task)


class Cable:
    """A Unix socket in front of PostgreSQL's that can be cut off: connections stay open, and
    nothing goes through them any more."""

    def __init__(self, url: str, folder: Path) -> None:
        self._behind = Path(parse_qs(urlsplit(url).query)["host"][0]) / ".s.PGSQL.5432"
        self.url = url.replace(urlsplit(url).query, f"host={folder}&user=hai")
        self._front = folder / ".s.PGSQL.5432"
        self._is_whole = asyncio.Event()
        self._is_whole.set()
        self._pipes: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        self._is_whole.clear()

    def mend(self) -> None:
        self._is_whole.set()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[None]:
        server = await asyncio.start_unix_server(self._serve, self._front)
        try:
            yield
        finally:
            server.close()
            for pipe in self._pipes:
                pipe.cancel()
            await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._behind)
        for one in (self._pipe(reader, back), self._pipe(there, writer)):
            self._pipes.add(asyncio.create_task(one))

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while chunk := await reader.read(65_536):
                    await self._is_whole.wait()
                    writer.write(chunk)
                    await writer.drain()
        finally:
            writer.close()


async def test_a_leader_that_is_cut_off_is_followed_by_another(
    postgres_url: str, public_dir: Path
) -> None:
    cable = Cable(postgres_url, public_dir)
    async with (
        cable.laid(),
        process(cable.url) as (store, first),
        process(postgres_url) as (_, second),
    ):
        task = await saved(store)
        assert await first.lead()
        cable.cut()
        with suppress(HaiError):  # it hangs, and says so after a while
            await first.lead()
        await async_wait_until(lambda: not first.is_leading, what="it is not sure any more")
        late = asyncio.create_task(_attempt(first, task))
        await async_wait_until(lambda: leads(second), what="the second one leads")
        cable.mend()
        await late
        found = await second.task(task.id)
        assert found is not None
        assert found.why == task.why, "what came late was refused"
        await async_wait_until(lambda: _follows(first), what="the first one follows")


async def _attempt(store: Store, task: Task) -> None:
    with suppress(Unavailable):
        await _save(store, task)


async def _follows(store: Store) -> bool:
    with suppress(Unavailable):
        return await store.lead() == 0
    return False


async def test_readers_do_not_starve_the_loops(postgres_url: str) -> None:
    """All connections of the requests are held by somebody: the loops have theirs."""
    async with process(postgres_url) as (store, loops):
        task = await saved(store)
        assert await loops.lead()
        assert isinstance(store, PostgresStore)
        pool = store._database._pool
        held = [await pool.getconn() for _ in range(4)]
        try:
            assert await loops.tasks([task.id])
            assert await _save(loops, task)
            assert await loops.lead()
        finally:
            for connection in held:
                await pool.putconn(connection)


async def test_a_pause_is_seen_by_all(store: Store) -> None:
    assert await store.pause() == Pause(0, is_on=False)
    assert await store.renew_pause(is_on=True) == Pause(1, is_on=True)
    assert await store.for_loops(2).lead() > 0
    assert (await store.renew_pause(is_on=True)).renewals == 2
    assert await store.renew_pause(is_on=False) == Pause(3, is_on=False)
    assert await store.pause() == Pause(3, is_on=False)
