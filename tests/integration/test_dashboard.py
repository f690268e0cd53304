"""The dashboard's feed over the whole API in one process: pieces add up to the truth."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hai.core.node import NodeHealth
from hai.core.task import EventDraft
from hai.core.types import NodeName
from hai.server.compose import Platform
from hai.service import dashboard as module
from tests.integration.api import Client, connect
from tests.integration.dashboard_reader import ROOT, Reader
from tests.waiting import async_wait_until


def document(name: str, seconds: float = 60, **values: Any) -> dict[str, Any]:
    return {
        "version": 2,
        "name": name,
        "priority": "NORMAL",
        "spec": {"entrypoint": "train.py"},
        "resource": {"group": "hollow", "node_count": 1},
        "options": {"simulate": {"seconds": seconds}},
        **values,
    }


async def submit(client: Client, name: str, **values: Any) -> int:
    reply = await client.post("/api/v1/tasks", json=document(name, **values))
    assert reply.status_code == 201, reply.text
    return int(reply.json()["id"])


@pytest.fixture
async def reader(platform: Platform, admin: Client) -> AsyncIterator[Reader]:
    found = Reader(platform.services.dashboard)
    yield found
    await found.close()


async def test_the_whole_in_one_piece(admin: Client) -> None:
    task_id = await submit(admin, "first")
    answer = (await admin.get("/api/v1/dashboard")).json()
    assert answer["whole"] is True
    assert answer["more"] == 0
    assert answer["you"] == {"name": "root", "role": "admin"}
    assert [row["id"] for row in answer["tasks"]] == [task_id]
    assert {node["name"] for node in answer["nodes"]} == {f"hollow-{i}" for i in range(4)}
    assert answer["events"][-1]["kind"] in ("task.submitted", "task.starting", "task.running")
    assert len(answer["quotas"]) == 3


async def test_it_needs_a_token(platform: Platform, admin: Client) -> None:
    async with connect(platform) as nobody:
        assert (await nobody.get("/api/v1/dashboard")).status_code == 401
        assert (await nobody.get("/api/v1/dashboard/stream")).status_code == 401


async def test_tasks_appear_change_and_go(reader: Reader, admin: Client) -> None:
    await reader.until(lambda model: model.complete)
    ids = [await submit(admin, f"t{n}", seconds=3600) for n in range(6)]
    await reader.until(lambda m: sum(t.state == "running" for t in m.tasks.values()) == 4)
    await reader.until(lambda m: m.order.get("hollow") == ids[4:])
    assert reader.model.tasks[ids[5]].position == 2
    assert len(reader.model.holders()) == 4
    await admin.post(f"/api/v1/tasks/{ids[0]}/stop")
    await reader.until(lambda m: m.tasks[ids[0]].state == "stopped")
    await reader.until(lambda m: m.tasks[ids[4]].state == "running")
    await reader.until(lambda m: m.order.get("hollow") == [ids[5]])
    assert sum(piece["whole"] for piece in reader.pieces) == 1
    kinds = [event["kind"] for event in reader.model.events]
    assert kinds.count("task.submitted") == 6
    numbers = [event["id"] for event in reader.model.events]
    assert numbers == sorted(set(numbers))


async def test_nodes_and_quotas_are_news_when_they_change(
    reader: Reader, admin: Client, platform: Platform
) -> None:
    await reader.until(lambda model: model.complete)
    services = platform.services
    event = EventDraft(kind="node.drained", actor="root", at=services.clock.now())
    await platform.store.set_node_health(NodeName("hollow-1"), NodeHealth.DRAINED, "noisy", event)
    await services.bus.publish("events")
    await reader.until(lambda m: m.nodes["hollow-1"].health == "drained")
    rows = {"quotas": [{"user": "*", "resource": "node-hollow-LOW", "nodes": 1}]}
    assert (await admin.put("/api/v1/quotas", json=rows)).status_code == 200
    await reader.until(lambda m: any(q["nodes"] == 1 for q in m.quotas))


async def test_a_reader_goes_on_where_it_was(
    reader: Reader, admin: Client, platform: Platform
) -> None:
    first = await submit(admin, "before", seconds=3600)
    await reader.until(lambda m: first in m.tasks and m.tasks[first].state == "running")
    await reader.until(lambda m: bool(reader.cursor))
    await reader.close()
    second = await submit(admin, "meanwhile", seconds=3600)
    again = Reader(platform.services.dashboard, reader.cursor)
    await again.until(lambda m: second in m.tasks)
    assert not again.pieces[0]["whole"]
    assert first not in again.model.tasks
    await again.close()
    stranger = Reader(platform.services.dashboard, "other-1.1.1.1.1.1")
    await stranger.until(lambda m: {first, second} <= set(m.tasks))
    assert stranger.pieces[0]["whole"]
    await stranger.close()


@pytest.mark.parametrize("rest", ["²", "1.2", "9" * 5000])
async def test_an_odd_cursor_is_a_new_reader(platform: Platform, rest: str) -> None:
    served = platform.services.dashboard
    epoch = served._cursor(module._Seen()).partition("-")[0]
    odd = Reader(served, f"{epoch}-{rest}.1.1.1.1.1")
    await odd.until(lambda _: bool(odd.pieces))
    assert odd.pieces[0]["whole"]
    await odd.close()


async def test_many_tasks_come_in_several_pieces(
    admin: Client, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_PIECE", 3)
    monkeypatch.setattr(module, "_PIECE", 4)
    ids = [await submit(admin, f"m{n}", seconds=3600) for n in range(12)]
    served = platform.services.dashboard
    pieces = [piece async for piece in served._pieces(ROOT, module._Seen(), size=3)]
    assert [len(piece["tasks"]) for piece in pieces] == [3, 4, 4, 1]
    assert [piece["more"] for piece in pieces] == [9, 5, 1, 0]
    assert [bool(piece["cursor"]) for piece in pieces] == [False, False, False, True]
    assert sorted(row["id"] for piece in pieces for row in piece["tasks"]) == ids


async def test_so_much_news_that_all_is_read_anew(
    reader: Reader, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await reader.until(lambda model: model.complete)
    monkeypatch.setattr(module, "_PAGE", 5)
    ids = [await submit(admin, f"n{n}", seconds=3600) for n in range(12)]
    await reader.until(lambda m: set(ids) <= set(m.tasks))


async def test_the_last_hour_is_sampled(platform: Platform, admin: Client) -> None:
    served = platform.services.dashboard
    for n in range(5):
        await submit(admin, f"h{n}", seconds=3600)

    async def is_busy() -> bool:
        answer = (await admin.get("/api/v1/dashboard")).json()
        return bool(sum(row["state"] == "running" for row in answer["tasks"]) == 4)

    await async_wait_until(is_busy)
    served._history.sampled_at = float("-inf")  # as half a minute later
    assert await served.run_once() > 0
    history = (await admin.get("/api/v1/dashboard")).json()["history"]
    assert history["busy"][""][-1] == 4
    assert history["busy"]["hollow"][-1] == 4
    assert history["waiting"]["hollow"][-1] == 1
