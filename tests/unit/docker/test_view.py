"""A copy of an engine's containers that follows it, over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hai.docker import view as view_module
from hai.docker.client import DockerClient
from hai.docker.view import Container, ContainerView
from hai.errors import Conflict, Denied, HaiError, InvalidInput, NotFound, Unavailable
from tests.waiting import async_wait_until

_LABELS = {"hai.platform": "p"}


class Engine:
    """As much of an engine as a view asks for; `answer` decides about everything else."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.containers: dict[str, str] = {}  # state by name
        self.asked: list[str] = []
        self.api = "1.41"
        self.answer: tuple[int, bytes] = (200, b"{}")
        self.during_list: Callable[[], Awaitable[None]] | None = None
        self._followers: list[asyncio.StreamWriter] = []
        self._all: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.socket)

    async def stop(self) -> None:
        """Away, with all that was open."""
        assert self._server is not None
        self._server.close()
        for writer in self._all:
            writer.close()
        self._followers, self._all = [], []
        self.socket.unlink(missing_ok=True)

    async def tell(self, action: str, name: str, **more: str) -> None:
        attributes = {"name": name, **_LABELS, **more}
        actor = {"ID": f"id-{name}", "Attributes": attributes}
        line = json.dumps({"Action": action, "Actor": actor}).encode() + b"\n"
        for writer in self._followers:
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await writer.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._all.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                target = head.split()[1]
                self.asked.append(f"{head.split()[0]} {target.partition('?')[0]}")
                if "/events" in target:
                    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    self._followers.append(writer)
                    await writer.drain()
                    continue
                status, body = await self._body(target)
                writer.write(
                    b"HTTP/1.1 %d X\r\nApi-Version: %s\r\nContent-Length: %d\r\n\r\n%s"
                    % (status, self.api.encode(), len(body), body)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _body(self, target: str) -> tuple[int, bytes]:
        if not target.partition("?")[0].endswith("/containers/json"):
            return self.answer
        listed: list[dict[str, Any]] = [
            {"Id": f"id-{name}", "Names": [f"/{name}"], "Labels": _LABELS, "State": state}
            for name, state in self.containers.items()
        ]
        if self.during_list is not None:
            await self.during_list()
        return 200, json.dumps(listed).encode()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    made = Engine(tmp_path / "docker.sock")
    await made.start()
    yield made
    await made.stop()


class Watch:
    def __init__(self, client: DockerClient) -> None:
        self.client = client
        self.gone: list[str] = []
        self.leaving: list[str] = []
        self.view = ContainerView(
            client,
            "hai.platform=p",
            lambda one: self.gone.append(one.name),
            lambda one: self.leaving.append(one.name),
        )

    def states(self) -> dict[str, str]:
        return {one.name: one.state for one in self.view.all()}

    async def until(self, states: dict[str, str]) -> None:
        await async_wait_until(lambda: self.states() == states, what=f"{states}")


@pytest.fixture
async def watch(engine: Engine) -> AsyncIterator[Watch]:
    async with DockerClient(engine.socket) as client:
        made = Watch(client)
        yield made
        await made.view.close()


async def test_a_list_then_its_events(engine: Engine, watch: Watch) -> None:
    engine.containers = {"a": "running", "b": "exited"}
    await watch.view.start()
    await watch.view.require()
    assert watch.states() == {"a": "running", "b": "exited"}
    await engine.tell("create", "c", image="x")
    await engine.tell("start", "c")
    await engine.tell("die", "a", exitCode="3")
    await watch.until({"a": "exited", "b": "exited", "c": "running"})
    found = watch.view.get("c")
    assert found is not None
    assert found.labels["hai.platform"] == "p"
    await engine.tell("destroy", "b")
    await watch.until({"a": "exited", "c": "running"})
    assert watch.gone == ["b"]


async def test_who_was_asked_to_leave_stays_so(
    engine: Engine, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "LIST_SECONDS", 0.05)
    engine.containers = {"a": "running", "b": "running"}
    await watch.view.start()
    await watch.view.require()
    await engine.tell("kill", "a", signal="15")
    await engine.tell("kill", "b", signal="9")
    await async_wait_until(lambda: watch.leaving == ["a"], what="the event")
    lists = engine.asked.count("GET /v1.41/containers/json")
    await async_wait_until(
        lambda: engine.asked.count("GET /v1.41/containers/json") > lists + 1, what="another list"
    )
    assert {one.name: one.is_leaving for one in watch.view.all()} == {"a": True, "b": False}


async def test_what_we_remove_ourselves_is_no_news(engine: Engine, watch: Watch) -> None:
    engine.containers = {"a": "running", "b": "running"}
    await watch.view.start()
    await watch.view.require()
    watch.view.drop("a")
    watch.view.note(Container("id-c", "c"))
    await engine.tell("destroy", "a")
    await engine.tell("destroy", "b")
    await watch.until({"c": "created"})
    assert watch.gone == ["b"]


async def test_events_that_come_while_it_lists_win(engine: Engine, watch: Watch) -> None:
    engine.containers = {"a": "running"}

    async def meanwhile() -> None:
        engine.during_list = None
        await engine.tell("die", "a")
        await engine.tell("create", "b")
        await async_wait_until(lambda: "b" in watch.states(), what="the event")

    engine.during_list = meanwhile
    await watch.view.start()
    await watch.view.require()
    assert watch.states() == {"a": "exited", "b": "created"}


async def test_what_ended_while_the_engine_was_away(engine: Engine, watch: Watch) -> None:
    engine.containers = {"a": "running", "b": "running", "c": "exited"}
    await watch.view.start()
    await watch.view.require()
    await engine.stop()
    with pytest.raises(Unavailable, match="Docker engine"):
        await async_raises(watch.view.require)
    engine.containers = {"a": "exited", "b": "running", "c": "exited"}
    await engine.start()
    await watch.view.require()
    cut_off = {one.name: one.is_cut_off for one in watch.view.all()}
    assert cut_off == {"a": True, "b": False, "c": False}


async def async_raises(look: Callable[[], Awaitable[None]]) -> None:
    """What it raises as soon as it raises anything."""
    while True:
        await look()
        await asyncio.sleep(0.01)


async def test_a_list_from_time_to_time_heals_what_was_missed(
    engine: Engine, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "LIST_SECONDS", 0.05)
    engine.containers = {"a": "running", "b": "running"}
    await watch.view.start()
    await watch.view.require()
    engine.containers = {"a": "exited"}
    await watch.until({"a": "exited"})
    assert watch.gone == ["b"]
    found = watch.view.get("a")
    assert found is not None
    assert not found.is_cut_off  # the engine was there all the time


async def test_an_engine_that_is_not_there(tmp_path: Path) -> None:
    async with DockerClient(tmp_path / "none.sock") as client:
        with pytest.raises(Unavailable, match=r"none\.sock cannot be reached"):
            await client.get("/info")


@pytest.mark.parametrize(
    ("theirs", "asked"), [("1.41", "/v1.41/info"), ("1.55", "/v1.47/info"), ("1.24", "")]
)
async def test_the_newest_version_that_both_know(engine: Engine, theirs: str, asked: str) -> None:
    engine.api = theirs
    async with DockerClient(engine.socket) as client:
        if not asked:
            with pytest.raises(Unavailable, match=r"version 1\.24"):
                await client.get("/info")
            return
        await client.get("/info")
    assert engine.asked == ["GET /_ping", f"GET {asked}"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidInput),
        (403, Denied),
        (404, NotFound),
        (409, Conflict),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
async def test_refusals(engine: Engine, status: int, kind: type[HaiError]) -> None:
    async with DockerClient(engine.socket) as client:
        await client.get("/info")
        engine.answer = (status, b'{"message": "so it\\nis"}')
        with pytest.raises(kind, match=r"^so it is$"):
            await client.post("/containers/create", {})


async def test_an_answer_that_is_no_json(engine: Engine) -> None:
    async with DockerClient(engine.socket) as client:
        await client.get("/info")
        engine.answer = (200, b"<html>")
        with pytest.raises(Unavailable, match="something else than JSON"):
            await client.get("/info")


async def test_a_file_beyond_all_bounds_is_no_report(engine: Engine) -> None:
    async with DockerClient(engine.socket) as client:
        await client.get("/info")
        engine.answer = (200, b"x" * 2**20)
        assert await client.read_file("c", "/hai/worker/exit.json") is None
        engine.answer = (200, b"no archive")
        assert await client.read_file("c", "/hai/worker/exit.json") is None
