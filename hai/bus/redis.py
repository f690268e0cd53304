"""The bus over Redis, for servers that share one.

Every process listens to all topics of the platform on one connection and hands messages out to its
own subscribers, so a subscription costs no round trip and no connection. While Redis does not
answer, hints and live values stay inside the process, as on the local bus: nothing is raised, one
line is logged, and the listener keeps trying to come back.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import RedisError

from hai.bus.access import ANYBODY, RedisAccess
from hai.bus.local import LocalBus
from hai.errors import InvalidInput
from hai.ports import Clock, Message

log = structlog.get_logger("hai.bus")

ANSWER_SECONDS = 1.0  # for Redis to answer one command; then it counts as down
OPEN_SECONDS = 2.0  # for the first connection, before the server goes on without
HEALTH_SECONDS = 10  # between checks of a silent connection
RETRY_SECONDS = (0.05, 2.0)  # first and longest pause between attempts to come back


class RedisBus:
    """hai.ports.Bus by publish/subscribe and keys that expire."""

    def __init__(self, url: str, clock: Clock, access: RedisAccess = ANYBODY) -> None:
        self._here = LocalBus(clock)
        self._clock = clock
        access.check(url)
        more: dict[str, Any] = dict(access.tls(url))
        if access.has_password:
            more["credential_provider"] = _Password(access)
        try:
            self._client = Redis.from_url(
                url,
                decode_responses=True,
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                # no health_check_interval: where Redis refuses the login, the client's own checks
                # call each other without end
                retry=Retry(NoBackoff(), 1),  # once more, for a connection that a restart cut
                **more,
            )
        except ValueError as error:  # its text repeats the URL, which may hold a password
            raise InvalidInput(
                "the Redis URL cannot be understood", hint="redis://[:PASSWORD@]HOST:PORT/DB"
            ) from error
        # publish/subscribe knows no database numbers; two platforms on one Redis do
        database = self._client.connection_pool.connection_kwargs.get("db") or 0
        self._topics = f"hai:{database}:topic:"
        self._live = "hai:live:"
        self._listening = asyncio.Event()
        self._connected_since: float | None = None
        self._tried = asyncio.Event()  # the first attempt to connect has ended, either way
        self._listener: asyncio.Task[None] | None = None
        self._down = False
        self._quiet_until = 0.0  # loop time; no command is tried before

    async def open(self) -> None:
        """Start listening; the server goes on without a Redis that is down."""
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen(), name="bus-listener")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._tried.wait(), OPEN_SECONDS)

    async def close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            with suppress(asyncio.CancelledError):
                await listener
        await self._here.close()
        with suppress(RedisError, OSError):
            await self._client.aclose()

    async def publish(self, topic: str, data: Mapping[str, object] | None = None) -> None:
        sent = None
        if self._listening.is_set():
            text = _dump(data or {})
            sent = await self._try(lambda: self._client.publish(self._topics + topic, text))
        if sent is None:
            await self._here.publish(topic, data)

    @property
    def connected_since(self) -> float | None:
        return self._connected_since if self._listening.is_set() else None

    async def hint(self, topic: str, data: Mapping[str, object] | None = None) -> None:
        await self._here.publish(topic, data)

    def subscribe(self, *topics: str) -> AbstractAsyncContextManager[AsyncIterator[Message]]:
        return self._here.subscribe(*topics)

    async def put_live(self, key: str, value: Mapping[str, object], ttl_seconds: float) -> None:
        await self._here.put_live(key, value, ttl_seconds)
        text, milliseconds = _dump(value), max(1, round(ttl_seconds * 1000))
        await self._try(lambda: self._client.set(self._live + key, text, px=milliseconds))

    async def get_live(self, keys: Sequence[str]) -> dict[str, Mapping[str, object]]:
        """What Redis knows, and for the rest what this process put: a restart of Redis makes no
        worker look silent."""
        found = await self._here.get_live(keys)
        if keys:
            names = [self._live + key for key in keys]
            texts = await self._try(lambda: self._client.mget(names))
            for key, text in zip(keys, texts or [], strict=False):
                value = _load(text)
                if value is not None:
                    found[key] = value
        return found

    async def _try(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """The command's answer; None while Redis does not give one."""
        if asyncio.get_running_loop().time() < self._quiet_until:
            return None
        try:
            return await command()
        except (RedisError, OSError) as error:
            self._note_down(error)
            return None

    async def _listen(self) -> None:
        pause, longest = RETRY_SECONDS
        while True:
            try:
                async with self._client.pubsub() as channel:
                    await channel.psubscribe(self._topics + "*")
                    await self._hand_out(channel)
            except (RedisError, OSError) as error:
                pause = RETRY_SECONDS[0] if self._listening.is_set() else min(2 * pause, longest)
                self._note_down(error)
            finally:
                self._listening.clear()
                self._tried.set()
            await asyncio.sleep(pause)

    async def _hand_out(self, channel: PubSub) -> None:
        was_asked = False
        while True:
            seconds = ANSWER_SECONDS if was_asked else HEALTH_SECONDS
            message = await channel.get_message(timeout=seconds)
            if message is None:
                if was_asked:
                    raise ConnectionError("a silent connection does not answer")
                await channel.ping()
                was_asked = True
                continue
            was_asked = False
            if message["type"] == "psubscribe":
                self._note_up()
            elif message["type"] == "pmessage":
                data = _load(message["data"])
                if data is not None:
                    topic = str(message["channel"]).removeprefix(self._topics)
                    await self._here.publish(topic, data)

    def _note_up(self) -> None:
        self._listening.set()
        self._connected_since = self._clock.steady()
        self._tried.set()
        self._quiet_until = 0.0
        if self._down:
            self._down = False
            log.info("redis_back")

    def _note_down(self, error: Exception) -> None:
        self._quiet_until = asyncio.get_running_loop().time() + ANSWER_SECONDS
        if not self._down:
            self._down = True
            log.warning("redis_down", error=type(error).__name__)


class _Password(CredentialProvider):
    """Asked for each connection."""

    def __init__(self, access: RedisAccess) -> None:
        self._access = access

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        return self._access.credentials()

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Else the library warns at each connection."""
        return self.get_credentials()


def _dump(value: Mapping[str, object]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _load(text: object) -> Mapping[str, object] | None:
    """Whatever else writes to this Redis is not ours to stumble over."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
