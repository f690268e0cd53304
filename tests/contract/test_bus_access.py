"""The bus over a Redis that asks for a password and speaks TLS."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hai.bus.access import RedisAccess
from hai.bus.open import open_bus
from hai.errors import InvalidInput
from hai.ports import Bus
from tests.clocks import VirtualClock
from tests.redis_server import Certificates, RedisServer, running_redis
from tests.waiting import async_wait_until

PASSWORD = "correct-horse-battery"  # noqa: S105 - made up


@pytest.fixture(scope="module")
def closed_redis() -> Iterator[RedisServer]:
    with running_redis(password=PASSWORD, tls=True) as server:
        yield server


@asynccontextmanager
async def opened(url: str, access: RedisAccess) -> AsyncIterator[Bus]:
    bus = open_bus(url, VirtualClock(), access)
    await bus.open()
    try:
        yield bus
    finally:
        await bus.close()


async def reaches(sender: Bus, receiver: Bus) -> bool:
    async with receiver.subscribe("t") as messages:
        for _ in range(100):
            await sender.publish("t", {})
            with suppress(TimeoutError):
                await asyncio.wait_for(anext(messages), 0.05)
                return True
    return False


def password_file(folder: Path, text: str) -> Path:
    path = folder / "password"
    path.write_text(text)
    return path


async def test_two_processes_hear_each_other(
    closed_redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One takes the password from the settings, one from a file; both know the authority."""
    authority = closed_redis.folder / "ca.pem"
    by_settings = RedisAccess(password=PASSWORD, ca_file=authority)
    file = password_file(tmp_path, f"{PASSWORD}\n")
    by_file = RedisAccess("default", password_file=file, ca_file=authority)
    url = closed_redis.tls_url
    async with opened(url, by_settings) as one, opened(url, by_file) as other:
        assert one.connected_since is not None
        assert await reaches(one, other)
        assert await reaches(other, one)
        await one.put_live("k", {"n": 1}, 100.0)
        assert await other.get_live(["k"]) == {"k": {"n": 1}}
    assert not [one for one in caplog.records if one.name.startswith("redis")]


@pytest.mark.parametrize("trouble", ["another authority", "another name", "no authority"])
async def test_a_server_that_nobody_vouches_for_is_not_trusted(
    tmp_path: Path, trouble: str, closed_redis: RedisServer
) -> None:
    access = RedisAccess(password=PASSWORD, ca_file=closed_redis.folder / "ca.pem")
    url = closed_redis.tls_url
    if trouble == "another authority":
        access = RedisAccess(password=PASSWORD, ca_file=Certificates(tmp_path).make().authority)
    elif trouble == "another name":
        url = url.replace("127.0.0.1", "localhost")
    else:
        access = RedisAccess(password=PASSWORD)
    with capture_logs() as lines:
        async with opened(url, access) as bus:
            assert bus.connected_since is None
    assert [line["event"] for line in lines] == ["redis_down"]


@pytest.mark.parametrize("access", [RedisAccess(), RedisAccess(password="wrong")])  # noqa: S106
async def test_without_the_password_the_bus_stays_down_and_tells_no_secret(
    closed_redis: RedisServer, access: RedisAccess
) -> None:
    with capture_logs() as lines:
        async with opened(closed_redis.url, access) as bus:
            assert bus.connected_since is None
            await bus.publish("t", {})  # and nothing is raised
    assert [line["event"] for line in lines] == ["redis_down"]
    assert "wrong" not in repr(lines) + repr(access)


async def test_a_changed_password_counts_from_the_next_connection(tmp_path: Path) -> None:
    file = password_file(tmp_path, "first")
    with running_redis(password="first") as server:  # noqa: S106 - made up
        async with opened(server.url, RedisAccess(password_file=file)) as bus:
            since = bus.connected_since
            assert since is not None
            server.kill()
            await async_wait_until(lambda: bus.connected_since is None)
            server.password = "second"  # noqa: S105 - made up
            server.start()
            file.write_text("second")
            await async_wait_until(lambda: bus.connected_since is not None)
            assert await reaches(bus, bus)


async def test_a_hint_stays_in_the_process(closed_redis: RedisServer) -> None:
    access = RedisAccess(password=PASSWORD)
    url = closed_redis.url
    async with (
        opened(url, access) as one,
        opened(url, access) as other,
        one.subscribe("t") as here,
        other.subscribe("t") as there,
    ):
        await one.hint("t", {"n": 1})
        await one.publish("t", {"n": 2})
        assert [(await anext(here)).data["n"] for _ in range(2)] == [1, 2]
        assert (await anext(there)).data["n"] == 2


@pytest.mark.parametrize(
    ("url", "more", "words"),
    [
        ("redis://:secret@h:1/0", {"password": "secret"}, "more than one password"),
        ("redis://h:1/0", {"password": "secret", "password_file": "pw"}, "more than one"),
        ("redis://h:1/0", {"username": "hai"}, "username needs"),
        ("redis://h:1/0", {"ca_file": "pw"}, "rediss://"),
        ("rediss://h:1/0", {"ca_file": "missing"}, "No such file"),
        ("redis://h:1/0", {"password_file": "missing"}, "No such file"),
        ("redis://h:1/0", {"password_file": "empty"}, "is empty"),
    ],
)
def test_what_can_never_work_is_refused_at_the_start(
    tmp_path: Path, url: str, more: dict[str, str], words: str
) -> None:
    (tmp_path / "pw").write_text("secret")
    (tmp_path / "empty").write_text("\n")
    paths = {k: tmp_path / v for k, v in more.items() if k.endswith("_file")}
    access = RedisAccess(**{**more, **paths})  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=words) as caught:
        open_bus(url, VirtualClock(), access)
    assert "secret" not in str(caught.value) + caught.value.hint
