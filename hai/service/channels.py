"""Channels into running workers: a client here, an agent that is called, and what bounds both.

The agent comes to whichever api process its address leads to; that process asks the bus where the
client waits (docs/decisions/0026-channels.md). What is carried is none of this module's business.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from hai.core.identity import User
from hai.core.task import EventDraft, Task, WorkerKey
from hai.core.types import TaskState, UserName, WorkerState
from hai.errors import AuthRequired, Conflict, HaiError, InvalidInput, NotFound, Unavailable
from hai.ports import Bus, Clock, EventLog, Tasks
from hai.service.access import require_owner
from hai.service.signals import EVENTS, channel_topic, heard, task_topic
from hai.service.workers import WorkerTokens

_CALL_SECONDS = 0.25  # an agent between two polls does not hear a call
_BEGIN_SECONDS, _BEGIN_LOOK_SECONDS = 10.0, 0.1  # for a program whose gang was told to go
_LOOK_SECONDS = 2.0  # for the worker's end, without a hint
_NO_ONE = "the agent of rank {rank} did not answer within {seconds:g} s"


class Carrier(Protocol):
    """One side's connection: whole messages, in order. Both calls may wait for the other side."""

    @property
    def reason(self) -> str:
        """What the other side said when it closed."""

    async def receive(self) -> bytes | None:
        """None once it is over."""

    async def send(self, data: bytes) -> None: ...

    async def close(self, reason: str) -> None:
        """`reason` is told; harmless when it is over already."""


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """Numbers of channels at once, the last one per process; seconds."""

    per_worker: int = 16
    per_user: int = 64
    in_all: int = 2000
    open_seconds: float = 15.0
    idle_seconds: float = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class ChannelFigures:
    """`open` now; since the start `carried` with their client here, `passed_on` to where it is."""

    open: int
    carried: int
    passed_on: int


@dataclass(frozen=True, slots=True)
class Channel:
    """One client's way into one worker."""

    id: str
    key: WorkerKey
    user: UserName
    owner: UserName  # of the task
    agent: asyncio.Future[Carrier] = field(compare=False)
    accepted: asyncio.Event = field(default_factory=asyncio.Event, compare=False)
    over: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


class ChannelStore(Tasks, EventLog, Protocol):
    """What is needed of the store here."""


class Channels:
    """All that have their client at this process. `own_url`: where other processes find it."""

    def __init__(
        self,
        store: ChannelStore,
        bus: Bus,
        clock: Clock,
        tokens: WorkerTokens,
        limits: ChannelLimits,
        own_url: str,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._tokens = tokens
        self.limits = limits
        self._own_url = own_url
        self._open: dict[str, Channel] = {}
        self._passing = 0  # now
        self._carried = self._passed_on = 0  # so far

    @property
    def figures(self) -> ChannelFigures:
        return ChannelFigures(len(self._open) + self._passing, self._carried, self._passed_on)

    @asynccontextmanager
    async def opened(self, user: User, task: Task, rank: int) -> AsyncIterator[Channel]:
        """A place for one channel, as long as the context is open. Denied, InvalidInput, Conflict,
        Unavailable."""
        require_owner(user, task, "open a channel into it")
        key = await self.begun(task, rank)
        self._admit(user.name, key)
        future: asyncio.Future[Carrier] = asyncio.get_running_loop().create_future()
        channel = Channel(secrets.token_hex(16), key, user.name, task.user, future)
        self._open[channel.id] = channel
        try:
            yield channel
        finally:
            del self._open[channel.id]
            channel.over.set()

    async def begun(self, task: Task, rank: int) -> WorkerKey:
        """As running_worker, but for a rank that has just been told to go: its task is shown as
        running, and its program is waited for."""
        until = self._clock.steady() + _BEGIN_SECONDS
        while True:
            try:
                return running_worker(task, rank)
            except Conflict:
                if not _is_about_to_run(task, rank) or self._clock.steady() >= until:
                    raise
            await self._clock.sleep(_BEGIN_LOOK_SECONDS)
            task = await self._store.task(task.id) or task

    def _admit(self, user: UserName, key: WorkerKey) -> None:
        limits = self.limits
        self._require_room()
        if sum(one.key == key for one in self._open.values()) >= limits.per_worker:
            raise Conflict(
                f"{limits.per_worker} channels into rank {key.rank} of task {key.task_id} are open",
                hint="close one of them: shells, port-forwards, ssh connections",
            )
        if sum(one.user == user for one in self._open.values()) >= limits.per_user:
            raise Conflict(
                f"{limits.per_user} channels of {user} are open",
                hint="close one of them: shells, port-forwards, ssh connections",
            )

    def _require_room(self) -> None:
        if self.figures.open >= self.limits.in_all:
            raise Unavailable("this server carries as many channels as it may")

    async def called(self, channel: Channel) -> Carrier:
        """The agent's side, once it is there. Unavailable when nobody comes."""
        limit = self.limits.open_seconds
        home = {"url": self._own_url}
        await self._bus.put_live(_home_key(channel.id), home, limit * 2)
        until = self._clock.steady() + limit
        while self._clock.steady() < until:
            await self._bus.publish(channel_topic(channel.key), {"id": channel.id})
            done, _ = await asyncio.wait({channel.agent}, timeout=_CALL_SECONDS)
            if done:
                await channel.accepted.wait()
                await self._record(channel)
                return channel.agent.result()
        raise Unavailable(
            _NO_ONE.format(rank=channel.key.rank, seconds=limit),
            hint="`hai-cli status` shows its node; simulated nodes and agents of an older release "
            "have no channel",
        )

    async def _record(self, channel: Channel) -> None:
        """Whoever enters a task of somebody else stands in its events, or does not enter."""
        if channel.user == channel.owner:
            return
        key = channel.key
        entered = EventDraft(
            kind="task.entered",
            actor=channel.user,
            at=self._clock.now(),
            task_id=key.task_id,
            user=channel.owner,
            why=f"{channel.user} opened a channel into rank {key.rank}",
            data={"rank": key.rank, "attempt": key.attempt},
        )
        await self._store.append([entered])
        await self._bus.publish(EVENTS)

    def check(self, channel_id: str, key: WorkerKey, token: str) -> None:
        """AuthRequired unless the agent was called for this channel."""
        self._tokens.check_channel(key, channel_id, token)

    def join(self, channel_id: str, key: WorkerKey, carrier: Carrier) -> Channel | None:
        """The agent is there; None when its client is not at this process. AuthRequired when
        somebody else was first."""
        channel = self._open.get(channel_id)
        if channel is None:
            return None
        if channel.key != key or channel.agent.done():
            raise AuthRequired("this channel was joined already")
        channel.agent.set_result(carrier)
        self._carried += 1
        return channel

    async def home_of(self, channel_id: str) -> str:
        """The address of the process that has the client. NotFound."""
        known = await self._bus.get_live([_home_key(channel_id)])
        url = str(known.get(_home_key(channel_id), {}).get("url") or "")
        if not url or url == self._own_url:
            raise NotFound("nobody waits for this channel any more")
        return url

    @asynccontextmanager
    async def passing_on(self) -> AsyncIterator[None]:
        """A place for a channel that another process has the client of. Unavailable."""
        self._require_room()
        self._passing += 1
        self._passed_on += 1
        try:
            yield
        finally:
            self._passing -= 1

    async def until_over(self, channel: Channel) -> str:
        """Returns when the worker's program has ended; why the channel is over."""
        key = channel.key
        async with self._bus.subscribe(task_topic(key.task_id)) as messages:
            while await self._runs(key):
                await heard(messages, _LOOK_SECONDS)
        return f"rank {key.rank} of task {key.task_id} has ended"

    async def _runs(self, key: WorkerKey) -> bool:
        try:
            task = await self._store.task(key.task_id)
            return task is not None and running_worker(task, key.rank) == key
        except Unavailable:  # the database is away: nobody can tell
            return True
        except HaiError:
            return False


def _is_about_to_run(task: Task, rank: int) -> bool:
    workers = task.attempt.workers if task.attempt is not None else ()
    states = {worker.state for worker in workers if worker.rank == rank}
    return task.state is TaskState.RUNNING and WorkerState.READY in states


def running_worker(task: Task, rank: int) -> WorkerKey:
    """The worker of that rank. InvalidInput if there is none, Conflict if its program does not
    run."""
    if not 0 <= rank < task.nodes:
        raise InvalidInput(
            f"task {task.id} has no rank {rank}", hint=f"ranks are 0 to {task.nodes - 1}"
        )
    attempt = task.attempt
    workers: Sequence[WorkerState] = (
        [worker.state for worker in attempt.workers if worker.rank == rank] if attempt else []
    )
    if attempt is None or WorkerState.RUNNING not in workers:
        is_or_has = "has" if task.state.is_final else "is"
        raise Conflict(
            f"rank {rank} of task {task.id} does not run: the task {is_or_has} {task.state.value}",
            hint=f"`hai-cli why {task.id}` tells why a task waits, `hai-cli logs {task.id}` what "
            "it printed",
        )
    return WorkerKey(task.id, attempt.number, rank)


def _home_key(channel_id: str) -> str:
    return f"channel.{channel_id}"
