"""What every bus does, over the one in this process and over a real Redis server."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hai.bus.local import QUEUE_MESSAGES, LocalBus
from hai.bus.open import open_bus
from hai.bus.redis import RedisBus
from hai.errors import InvalidInput
from hai.ports import Bus, Message
from tests.clocks import VirtualClock
from tests.redis_server import RedisServer, running_redis
from tests.waiting import PATIENCE_SECONDS

NEVER_EXPIRES = 1000.0


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(params=["local", "redis"])
async def bus(request: pytest.FixtureRequest, clock: VirtualClock) -> AsyncIterator[Bus]:
    url = ""
    if request.param == "redis":
        url = request.getfixturevalue("redis_server").url
    opened = open_bus(url, clock)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def redis_bus(redis_server: RedisServer, clock: VirtualClock) -> AsyncIterator[RedisBus]:
    opened = RedisBus(redis_server.url, clock)
    await opened.open()
    yield opened
    await opened.close()


async def hear(messages: AsyncIterator[Message]) -> Message:
    return await asyncio.wait_for(anext(messages), PATIENCE_SECONDS)


async def until_heard(sender: Bus, topic: str, messages: AsyncIterator[Message]) -> Message:
    """Repeat a hint until it arrives, as after a reconnection."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            await sender.publish(topic, {"again": True})
            with suppress(TimeoutError):
                return await asyncio.wait_for(anext(messages), 0.1)


async def test_a_message_reaches_every_subscriber_of_its_topic(bus: Bus) -> None:
    async with bus.subscribe("a", "b") as both, bus.subscribe("b") as one:
        await bus.publish("a", {"n": 1})
        await bus.publish("b", {"n": [2, {"deep": None}]})
        await bus.publish("c", {"n": 3})
        await bus.publish("b")
        expected = [Message("a", {"n": 1}), Message("b", {"n": [2, {"deep": None}]}), Message("b")]
        assert [await hear(both) for _ in expected] == expected
        assert [await hear(one) for _ in expected[1:]] == expected[1:]


async def test_order_is_kept(bus: Bus) -> None:
    async with bus.subscribe("t") as messages:
        for number in range(200):
            await bus.publish("t", {"n": number})
        assert [(await hear(messages)).data["n"] for _ in range(200)] == list(range(200))


async def test_a_slow_reader_loses_the_oldest(bus: Bus) -> None:
    async with bus.subscribe("t", "end") as slow, bus.subscribe("end") as end:
        for number in range(QUEUE_MESSAGES + 5):
            await bus.publish("t", {"n": number})
        await bus.publish("end")
        await hear(end)  # everything is through
        assert (await hear(slow)).data == {"n": 6}


async def test_what_nobody_hears_is_in_nobodys_way(bus: Bus) -> None:
    await bus.publish("t", {"n": 1})
    async with bus.subscribe("t") as messages:
        await bus.publish("t", {"n": 2})
        heard = (await hear(messages)).data
        if heard == {"n": 1}:  # it was on its way still
            heard = (await hear(messages)).data
        assert heard == {"n": 2}


async def test_what_was_published_is_not_changed_afterwards(bus: Bus) -> None:
    data: dict[str, object] = {"n": 1}
    async with bus.subscribe("t") as messages:
        await bus.publish("t", data)
        data["n"] = 2
        assert (await hear(messages)).data == {"n": 1}


async def test_an_ended_subscription_leaves_the_others_alone(bus: Bus) -> None:
    async with bus.subscribe("t") as stays:
        async with bus.subscribe("t"):
            pass
        await bus.publish("t")
        assert await hear(stays) == Message("t")


async def test_close_ends_every_subscription(bus: Bus) -> None:
    async with bus.subscribe("t", "u") as messages:
        await bus.close()
        assert [message async for message in messages] == []
        assert [message async for message in messages] == []


async def test_opening_twice_is_harmless(bus: Bus) -> None:
    await bus.open()
    async with bus.subscribe("t") as messages:
        await bus.publish("t", {"n": 1})
        await bus.publish("t", {"n": 2})
        assert [(await hear(messages)).data["n"] for _ in range(2)] == [1, 2]


async def test_live_values_are_kept_by_key_and_replaced(bus: Bus) -> None:
    await bus.put_live("a", {"cpu": 1.5}, NEVER_EXPIRES)
    await bus.put_live("b", {"cpu": 2}, NEVER_EXPIRES)
    await bus.put_live("a", {"cpu": 3.5, "why": "später"}, NEVER_EXPIRES)
    assert await bus.get_live(["a", "b", "c"]) == {
        "a": {"cpu": 3.5, "why": "später"},
        "b": {"cpu": 2},
    }
    assert await bus.get_live([]) == {}


async def test_live_values_expire(bus: Bus, clock: VirtualClock) -> None:
    await bus.put_live("short", {"n": 1}, 0.05)
    await bus.put_live("long", {"n": 2}, NEVER_EXPIRES)
    await clock.advance(0.06)

    async with asyncio.timeout(PATIENCE_SECONDS):  # Redis has its own clock
        while "short" in await bus.get_live(["short", "long"]):
            pass
    assert await bus.get_live(["short", "long"]) == {"long": {"n": 2}}


async def test_expired_values_do_not_pile_up(clock: VirtualClock) -> None:
    bus = LocalBus(clock)
    for number in range(10_000):
        await bus.put_live(f"k{number}", {}, 1.0)
        if number % 1000 == 0:
            await clock.advance(2.0)
    assert len(bus._live) <= 3000


async def test_servers_that_share_a_redis_hear_each_other(
    redis_server: RedisServer, redis_bus: RedisBus
) -> None:
    other = RedisBus(redis_server.url, VirtualClock())
    await other.open()
    async with other.subscribe("t") as messages:
        await redis_bus.publish("t", {"n": 1})
        assert await hear(messages) == Message("t", {"n": 1})
    await redis_bus.put_live("k", {"n": 2}, NEVER_EXPIRES)
    assert await other.get_live(["k"]) == {"k": {"n": 2}}
    await other.close()


async def test_another_database_of_the_same_redis_is_another_platform(
    redis_server: RedisServer, redis_bus: RedisBus
) -> None:
    other = RedisBus(f"{redis_server.url}?db=1", VirtualClock())
    await other.open()
    async with redis_bus.subscribe("t") as messages:
        await other.publish("t", {"from": 1})
        await redis_bus.publish("t", {"from": 0})
        assert (await hear(messages)).data == {"from": 0}
    await other.put_live("k", {}, NEVER_EXPIRES)
    assert await redis_bus.get_live(["k"]) == {}
    await other.close()


async def test_what_others_write_to_redis_is_ignored(
    redis_server: RedisServer, redis_bus: RedisBus
) -> None:
    async with redis_bus.subscribe("t") as messages:
        with redis_server.client() as client:
            client.set("hai:live:k", "[1]")
            client.publish("hai:0:topic:t", "not json")
            client.publish("hai:0:topic:t", "[1]")
        await redis_bus.publish("t", {"n": 1})
        assert (await hear(messages)).data == {"n": 1}
    assert await redis_bus.get_live(["k"]) == {}


async def test_redis_dies_and_comes_back_under_a_subscriber(
    redis_server: RedisServer, redis_bus: RedisBus
) -> None:
    other = RedisBus(redis_server.url, VirtualClock())
    await other.open()
    with capture_logs() as logs:
        async with redis_bus.subscribe("t") as messages:
            await redis_bus.put_live("k", {"n": 1}, NEVER_EXPIRES)
            redis_server.kill()
            for number in range(20):  # nothing raises, and this process still hears itself
                await redis_bus.publish("t", {"n": number})
                assert (await hear(messages)).data == {"n": number}
            assert await redis_bus.get_live(["k"]) == {"k": {"n": 1}}
            redis_server.start()
            assert (await until_heard(other, "t", messages)).data == {"again": True}
            assert await redis_bus.get_live(["k"]) == {"k": {"n": 1}}
    await other.close()
    events = [line["event"] for line in logs]
    # once for each bus that noticed, not once for each message
    assert 1 <= events.count("redis_down") == events.count("redis_back") <= 2


async def test_redis_is_down_from_the_start(tmp_path: Path) -> None:
    bus = RedisBus(f"unix://{tmp_path}/nobody.sock", VirtualClock())
    with capture_logs() as logs:
        await bus.open()
        async with bus.subscribe("t") as messages:
            await bus.publish("t", {"n": 1})
            assert (await hear(messages)).data == {"n": 1}
        await bus.put_live("k", {"n": 1}, NEVER_EXPIRES)
        assert await bus.get_live(["k"]) == {"k": {"n": 1}}
        await bus.close()
    assert [line["event"] for line in logs] == ["redis_down"]


def test_open_bus_chooses(clock: VirtualClock) -> None:
    assert isinstance(open_bus("", clock), LocalBus)
    assert isinstance(open_bus("redis://localhost:1/0", clock), RedisBus)


@pytest.mark.parametrize(
    "url", ["amqp://u:hunter2@host", "hunter2", "redis://u:hunter2@host:port:more/x"]
)
def test_open_bus_refuses_without_repeating_secrets(url: str, clock: VirtualClock) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_bus(url, clock)
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_the_local_bus_needs_no_redis_client() -> None:
    code = "import sys, hai.bus.open; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
