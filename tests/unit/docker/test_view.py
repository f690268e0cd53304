"""A copy of an engine's containers that follows it, over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from hai.docker import view as view_module
from hai.docker.client import DockerClient
from hai.docker.view import Container, ContainerView
from hai.errors import Conflict, Denied, HaiError, InvalidInput, NotFound, Unavailable
from tests.unit.docker.fake_engine import FakeEngine
from tests.waiting import async_wait_until


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    made = FakeEngine(tmp_path / "docker.sock")
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
async def watch(engine: FakeEngine) -> AsyncIterator[Watch]:
    async with DockerClient(engine.socket) as client:
        made = Watch(client)
        yield made
        await made.view.close()


async def test_a_list_then_its_events(engine: FakeEngine, watch: Watch) -> None:
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
    engine: FakeEngine, watch: Watch, monkeypatch: pytest.MonkeyPatch
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


async def test_what_we_remove_ourselves_is_no_news(engine: FakeEngine, watch: Watch) -> None:
    engine.containers = {"a": "running", "b": "running"}
    await watch.view.start()
    await watch.view.require()
    watch.view.drop("a")
    watch.view.note(Container("id-c", "c"))
    await engine.tell("destroy", "a")
    await engine.tell("destroy", "b")
    await watch.until({"c": "created"})
    assert watch.gone == ["b"]


async def test_events_that_come_while_it_lists_win(engine: FakeEngine, watch: Watch) -> None:
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


async def test_what_ended_while_the_engine_was_away(engine: FakeEngine, watch: Watch) -> None:
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
    engine: FakeEngine, watch: Watch, monkeypatch: pytest.MonkeyPatch
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
async def test_the_newest_version_that_both_know(
    engine: FakeEngine, theirs: str, asked: str
) -> None:
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
async def test_refusals(engine: FakeEngine, status: int, kind: type[HaiError]) -> None:
    async with DockerClient(engine.socket) as client:
        await client.get("/info")
        engine.answer = (status, b'{"message": "so it\\nis"}')
        with pytest.raises(kind, match=r"^so it is$"):
            await client.post("/containers/create", {})


async def test_an_answer_that_is_no_json(engine: FakeEngine) -> None:
    async with DockerClient(engine.socket) as client:
        await client.get("/info")
        engine.answer = (200, b"<html>")
        with pytest.raises(Unavailable, match="something else than JSON"):
            await client.get("/info")


async def test_a_file_beyond_all_bounds_is_no_report(engine: FakeEngine) -> None:
    async with DockerClient(engine.socket) as client:
        await client.get("/info")
        engine.answer = (200, b"x" * 2**20)
        assert await client.read_file("c", "/hai/worker/exit.json") is None
        engine.answer = (200, b"no archive")
        assert await client.read_file("c", "/hai/worker/exit.json") is None
