"""Log streams over a memory store: attempts in order, resumable cursors, tails, gaps."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hai.bus.local import LocalBus
from hai.core.lifecycle import attempt_protocol, transitions
from hai.core.lifecycle.attempt_protocol import Timing, WorkerReport
from hai.core.plan import Start
from hai.core.task import Task, TaskChange
from hai.core.types import NodeName, Outcome, TaskState, WorkerState
from hai.errors import InvalidInput, NotFound
from hai.service import logstream, taskwatch
from hai.service.clock import SystemClock
from hai.service.logitems import End, Item, LogGap, LogLines, LogQuery, Quiet, StateNow
from hai.service.logstream import LogStreams
from hai.service.signals import announce
from hai.store.memory import MemoryStore
from tests.factories import task_draft
from tests.waiting import PATIENCE_SECONDS, async_wait_until


class Site:
    """A store with one task, a folder for its logs, and the verbs of a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryStore()
        self.bus = LocalBus(SystemClock())
        self.closing = asyncio.Event()
        self.reader = LogStreams(self.store, self.bus, folder, self.closing)

    async def submit(self, nodes: int = 1) -> Task:
        [task] = await self.store.add_tasks([task_draft(nodes=nodes)], 1.0)
        assert isinstance(task, Task)
        return task

    async def save(self, change: TaskChange | None) -> Task:
        assert change is not None
        [task] = await self.store.save([change])
        await announce(self.bus, [task])
        return task

    async def begin(self, task: Task) -> Task:
        nodes = tuple(NodeName(f"n{rank}") for rank in range(task.nodes))
        return await self.save(transitions.begin(task, Start(task.id, nodes, task.priority), 2.0))

    async def end(self, task: Task, outcome: Outcome) -> Task:
        """All workers leave; suspended or failed by decree, succeeded by their exit codes."""
        if outcome is not Outcome.SUCCEEDED:
            change = TaskChange(transitions.condemn(task, outcome, why="", now=3.0), ())
            task = await self.save(change)
        reports = [
            WorkerReport(rank=rank, attempt=task.attempts, state=state, exit_code=0)
            for state in (WorkerState.READY, WorkerState.EXITED)
            for rank in range(task.nodes)
        ]
        for report in reports:
            change_or_none = attempt_protocol.fold(task, [report], 4.0, Timing())
            if change_or_none is not None:
                task = await self.save(change_or_none)
        return task

    def write(self, task: Task, *texts: str, rank: int = 0, attempt: int = 1) -> None:
        directory = self.folder / str(task.id) / str(attempt)
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{rank}.{0:020d}.log"
        before = path.read_text() if path.exists() else ""
        count = before.count("\n")
        stamps = (f"[2026-01-01 00:00:{attempt:02d}.{count + i:06d}] " for i in range(len(texts)))
        path.write_text(before + "".join(f"{s}{t}\n" for s, t in zip(stamps, texts, strict=True)))

    async def read(self, task: Task, **query: object) -> list[Item]:
        items: list[Item] = []
        await self.collect(items, task, **query)
        return items

    async def collect(self, items: list[Item], task: Task, **query: object) -> None:
        """Append what comes, as it comes."""
        asked = replace(LogQuery(), **query)  # type: ignore[arg-type]
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for item in self.reader.stream(task, asked):
                items.append(item)  # noqa: PERF401 - as it comes


def texts(items: Sequence[Item]) -> list[str]:
    return [line.text for item in items if isinstance(item, LogLines) for line in item.lines]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


async def two_attempts(site: Site) -> Task:
    task = await site.begin(await site.submit())
    site.write(task, "a", "b")
    suspended = transitions.suspend(
        replace(task, state=TaskState.RUNNING), actor="s", why="", hold=False, now=3.0
    )
    task = await site.end(await site.save(suspended), Outcome.SUSPENDED_CLEAN)
    task = await site.begin(task)
    site.write(task, "c", "d", attempt=2)
    return task


async def test_all_attempts_in_order_then_the_end(site: Site) -> None:
    task = await two_attempts(site)
    items = await site.read(task)
    assert texts(items) == ["a", "b", "c", "d"]
    assert isinstance(items[-1], End)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({"attempt": 1}, ["a", "b"], id="one attempt"),
        pytest.param({"previous": True}, ["a", "b"], id="the one before the last"),
        pytest.param({"tail": 3}, ["b", "c", "d"], id="a tail over attempts"),
        pytest.param({"tail": 0}, [], id="no tail at all"),
        pytest.param({"tail": 99}, ["a", "b", "c", "d"], id="a tail longer than the log"),
        pytest.param({"since": 1767225602.0}, ["c", "d"], id="since a time"),
        pytest.param({"ranks": None}, ["a", "b", "c", "d"], id="all ranks"),
    ],
)
async def test_what_is_asked_for(site: Site, query: dict[str, object], expected: list[str]) -> None:
    task = await two_attempts(site)
    assert texts(await site.read(task, **query)) == expected


async def test_a_rank_that_does_not_exist_is_named(site: Site) -> None:
    task = await two_attempts(site)
    with pytest.raises(NotFound, match="has no rank 7"):
        await site.read(task, ranks=frozenset({0, 7, 9}))


async def test_a_cursor_goes_on_where_it_was(site: Site) -> None:
    task = await two_attempts(site)
    first = next(item for item in await site.read(task) if isinstance(item, LogLines))
    assert [line.text for line in first.lines] == ["a", "b"]
    assert texts(await site.read(task, cursor=first.cursor)) == ["c", "d"]
    with pytest.raises(InvalidInput):
        await site.read(task, cursor="nonsense")


async def test_attempts_that_never_were(site: Site) -> None:
    task = await site.submit()
    for query in ({"attempt": 1}, {"previous": True}):
        with pytest.raises(NotFound):
            await site.read(task, **query)


async def test_following_goes_through_a_suspension_to_the_end(site: Site) -> None:
    task = await site.submit()
    items: list[Item] = []
    following = asyncio.create_task(site.collect(items, task, follow=True))
    await async_wait_until(lambda: items, what="the first state")
    task = await site.begin(task)
    site.write(task, "a")
    leaving = transitions.suspend(
        replace(task, state=TaskState.RUNNING), actor="s", why="", hold=False, now=3.0
    )
    task = await site.end(await site.save(leaving), Outcome.SUSPENDED_CLEAN)
    task = await site.begin(task)
    site.write(task, "b", attempt=2)
    await site.end(task, Outcome.SUCCEEDED)
    await following
    assert texts(items) == ["a", "b"]
    states = [item.task.state for item in items if isinstance(item, StateNow)]
    assert states[0] is TaskState.QUEUED
    assert isinstance(items[-1], End)
    assert items[-1].task.state is TaskState.SUCCEEDED


async def test_a_closing_server_ends_the_stream_without_an_end(site: Site) -> None:
    task = await site.begin(await site.submit())
    site.write(task, "a")
    following = asyncio.create_task(site.read(task, follow=True))
    await asyncio.sleep(0)
    site.closing.set()
    assert not any(isinstance(item, End) for item in await following)


async def test_what_rotation_took_is_said(site: Site) -> None:
    task = await site.begin(await site.submit())
    site.write(task, "a", "b")
    directory = site.folder / str(task.id) / "1"
    (directory / f"0.{0:020d}.log").rename(directory / f"0.{1000:020d}.log")
    items = await site.read(task)
    assert LogGap(1, 0, 1000) in items
    assert texts(items) == ["a", "b"]


async def test_a_reader_too_slow_for_what_the_tail_keeps_reads_the_rest_itself(site: Site) -> None:
    """One reader rests after each item while another takes all; both get every line once, in
    order, from both ranks."""
    task = await site.begin(await site.submit(nodes=2))
    site.write(task, "begin")
    quick: list[Item] = []
    slow: list[Item] = []
    asked = replace(LogQuery(), ranks=None, follow=True)
    resting = asyncio.Event()

    async def rest_often() -> None:
        async for item in site.reader.stream(task, asked):
            slow.append(item)
            await resting.wait()

    jobs = [
        asyncio.create_task(site.collect(quick, task, ranks=None, follow=True)),
        asyncio.create_task(rest_often()),
    ]
    await async_wait_until(lambda: slow, what="the slow one's first item")
    for number in range(40):  # more batches than are kept
        for rank in (0, 1):
            site.write(task, f"{rank} {number}", rank=rank)
        await async_wait_until(
            lambda: f"1 {number}" in texts(quick),  # noqa: B023 - it is waited for here
            what="the quick one",
        )
    resting.set()
    await site.end(task, Outcome.SUCCEEDED)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*jobs)
    for rank in (0, 1):
        wanted = [f"{rank} {number}" for number in range(40)]
        for items in (quick, slow):
            assert [text for text in texts(items) if text.startswith(f"{rank} ")] == wanted
    assert len(texts(slow)) == len(texts(quick)) == 81


@pytest.mark.parametrize("cursor", ["1;0:999999999", "1;0:-7", "9;0:5"])
async def test_a_made_up_cursor_costs_nobody_else_a_line(site: Site, cursor: str) -> None:
    task = await site.begin(await site.submit())
    site.write(task, "a")
    first: list[Item] = []
    other: list[Item] = []
    jobs = [asyncio.create_task(site.collect(first, task, follow=True, cursor=cursor))]
    await async_wait_until(lambda: first, what="the one who made it up")
    jobs.append(asyncio.create_task(site.collect(other, task, follow=True)))
    await async_wait_until(lambda: texts(other) == ["a"], what="what there was")
    site.write(task, "b")
    await async_wait_until(lambda: texts(other) == ["a", "b"], what="what came")
    await site.end(task, Outcome.SUCCEEDED)
    await asyncio.gather(*jobs)
    assert texts(other) == ["a", "b"]


@pytest.mark.parametrize("runs", [False, True])
async def test_a_quiet_stream_says_so_now_and_then(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, runs: bool
) -> None:
    """Whether the task waits or runs without a word: its reader can tell that from a dead one."""
    monkeypatch.setattr(logstream, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(taskwatch, "PULSE_SECONDS", 0.05)
    task = await site.submit()
    if runs:
        task = await site.begin(task)
    items: list[Item] = []
    job = asyncio.create_task(site.collect(items, task, follow=True))
    await async_wait_until(
        lambda: sum(isinstance(item, Quiet) for item in items) >= 2, what="a sign of life"
    )
    site.closing.set()
    await job
