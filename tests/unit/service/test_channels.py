"""Who may open a channel, how many, and how its two ends find each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from hai.bus.local import LocalBus
from hai.core.identity import Role, User
from hai.core.task import Task, Worker, WorkerKey
from hai.core.types import NodeName, TaskId, TaskState, UserName, WorkerState
from hai.errors import AuthRequired, Conflict, Denied, InvalidInput, NotFound, Unavailable
from hai.service.channels import ChannelLimits, Channels, running_worker
from hai.service.clock import SystemClock
from hai.service.signals import channel_topic
from hai.service.workers import WorkerTokens
from hai.store.memory import MemoryStore
from tests import factories as make

ALICE, BOB = User(UserName("alice")), User(UserName("bob"))
LIMITS = ChannelLimits(per_worker=2, per_user=3, in_all=5, open_seconds=0.3)


class Side:
    """A connection that says nothing."""

    reason = ""

    async def receive(self) -> bytes | None:
        return None

    async def send(self, data: bytes) -> None: ...

    async def close(self, reason: str) -> None: ...


def running(number: int = 7, user: str = "alice", ranks: int = 2) -> Task:
    workers = tuple(
        Worker(rank, NodeName(f"node-{rank}"), WorkerState.RUNNING) for rank in range(ranks)
    )
    attempt = replace(make.attempt(), number=3, workers=workers)
    return replace(
        make.task(id=TaskId(number), user=UserName(user), nodes=ranks),
        state=TaskState.RUNNING,
        attempt=attempt,
    )


@pytest.fixture
async def bus() -> AsyncIterator[LocalBus]:
    bus = LocalBus(SystemClock())
    yield bus
    await bus.close()


def channels_at(bus: LocalBus, url: str = "http://here") -> Channels:
    clock = SystemClock()
    return Channels(MemoryStore(), bus, clock, WorkerTokens(b"key"), LIMITS, url)


async def test_only_the_owner_and_admins_come_in(bus: LocalBus) -> None:
    channels = channels_at(bus)
    with pytest.raises(Denied):
        async with channels.opened(BOB, running(), 0):
            pass
    async with channels.opened(User(UserName("root"), Role.ADMIN), running(), 1) as channel:
        assert channel.key == WorkerKey(TaskId(7), 3, 1)
    assert channels.figures.open == 0


def test_a_worker_has_to_run() -> None:
    task = running()
    with pytest.raises(InvalidInput, match="no rank 2"):
        running_worker(task, 2)
    with pytest.raises(Conflict, match="the task is queued"):
        running_worker(replace(task, state=TaskState.QUEUED, attempt=None), 0)
    assert task.attempt is not None
    left = replace(task.attempt.workers[0], state=WorkerState.EXITED)
    half = replace(task, attempt=replace(task.attempt, workers=(left, task.attempt.workers[1])))
    with pytest.raises(Conflict):
        running_worker(half, 0)
    assert running_worker(half, 1).rank == 1


async def test_channels_are_bounded_three_ways(bus: LocalBus) -> None:
    channels = channels_at(bus)
    async with AsyncExitStack() as stack:
        for rank in (0, 0, 1):
            await stack.enter_async_context(channels.opened(ALICE, running(), rank))
        with pytest.raises(Conflict, match="2 channels into rank 0"):
            await stack.enter_async_context(channels.opened(ALICE, running(), 0))
        with pytest.raises(Conflict, match="3 channels of alice"):
            await stack.enter_async_context(channels.opened(ALICE, running(), 1))
        for number in (8, 9):
            await stack.enter_async_context(channels.opened(BOB, running(number, "bob"), 0))
        with pytest.raises(Unavailable, match="as many channels as it may"):
            await stack.enter_async_context(channels.opened(BOB, running(10, "bob"), 0))
        with pytest.raises(Unavailable):
            await stack.enter_async_context(channels.passing_on())
    async with channels.opened(ALICE, running(), 0):
        assert channels.figures.open == 1


async def test_an_agent_is_called_until_it_comes(bus: LocalBus) -> None:
    channels = channels_at(bus)
    async with (
        channels.opened(ALICE, running(), 0) as channel,
        bus.subscribe(channel_topic(channel.key)) as calls,
    ):
        called = asyncio.create_task(channels.called(channel))
        for _ in range(2):  # a call that nobody heard is repeated
            message = await anext(calls)
        assert message.data == {"id": channel.id}
        side = Side()
        assert channels.join(channel.id, channel.key, side) is channel
        channel.accepted.set()
        assert await called is side
        with pytest.raises(AuthRequired, match="joined already"):
            channels.join(channel.id, channel.key, Side())


async def test_nobody_comes(bus: LocalBus) -> None:
    channels = channels_at(bus)
    async with channels.opened(ALICE, running(), 0) as channel:
        with pytest.raises(Unavailable, match=r"did not answer within 0\.3 s"):
            await channels.called(channel)


async def test_a_token_is_of_one_channel_and_one_worker(bus: LocalBus) -> None:
    channels, tokens = channels_at(bus), WorkerTokens(b"key")
    key, other = WorkerKey(TaskId(7), 3, 0), WorkerKey(TaskId(7), 3, 1)
    token = tokens.channel(key, "one")
    channels.check("one", key, token)
    for channel_id, worker, said in (
        ("two", key, token),
        ("one", other, token),
        ("one", key, tokens.token(key)),
        ("one", key, WorkerTokens(b"other").channel(key, "one")),
    ):
        with pytest.raises(AuthRequired):
            channels.check(channel_id, worker, said)


async def test_the_agent_of_another_worker_is_not_let_in(bus: LocalBus) -> None:
    channels = channels_at(bus)
    async with channels.opened(ALICE, running(), 0) as channel:
        with pytest.raises(AuthRequired):
            channels.join(channel.id, WorkerKey(TaskId(8), 1, 0), Side())


async def test_another_process_is_told_where_the_client_is(bus: LocalBus) -> None:
    here, there = channels_at(bus), channels_at(bus, "http://there")
    async with here.opened(ALICE, running(), 0) as channel:
        waiting = asyncio.create_task(here.called(channel))
        async with bus.subscribe(channel_topic(channel.key)) as calls:
            await anext(calls)
        assert there.join(channel.id, channel.key, Side()) is None
        assert await there.home_of(channel.id) == "http://here"
        with pytest.raises(NotFound):
            await here.home_of(channel.id)  # it would go round in circles
        with pytest.raises(NotFound):
            await there.home_of("unknown")
        waiting.cancel()


async def test_a_channel_is_over_when_its_task_is_unknown_or_not_running(bus: LocalBus) -> None:
    channels = channels_at(bus)
    async with channels.opened(ALICE, running(), 0) as channel:
        assert await channels.until_over(channel) == "rank 0 of task 7 has ended"
