"""Reasons, what-if, dry runs and estimates over the API, the real store and hollow nodes."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hai.server.compose import Platform, compose, opened
from hai.service.bootstrap import Bootstrap
from hai.settings import load_settings
from tests.integration.api import (
    Client,
    connect,
    document,
    first_document,
    submit,
    until,
    until_one_of,
)
from tests.waiting import async_wait_until


@pytest.fixture
async def platform(tmp_path: Path, postgres_url: str) -> AsyncIterator[Platform]:
    settings = load_settings(
        server={"data_dir": tmp_path, "port": 1},
        store={"url": postgres_url},
        suspend={"notice_seconds": 0.2},
        scheduler={"demote_after_seconds": 0.1},
    )
    made = compose(settings)
    async with opened(made):
        yield made


@pytest.fixture
async def root(platform: Platform) -> AsyncIterator[Client]:
    services = platform.services
    made = await Bootstrap(platform.store, services.users, services.clock).apply(first_document())
    assert made.secret
    async with connect(platform, made.secret) as client:
        yield client


@pytest.fixture
async def alice(platform: Platform, root: Client) -> AsyncIterator[Client]:
    reply = await root.post("/api/v1/users", json={"name": "alice", "uid": 12345})
    async with connect(platform, reply.json()["token"]["token"]) as client:
        yield client


async def why(client: Client, task_id: int) -> dict[str, Any]:
    reply = await client.get(f"/api/v1/tasks/{task_id}/why")
    assert reply.status_code == 200, reply.text
    view: dict[str, Any] = reply.json()
    assert view["task_id"] == task_id
    return view


async def told(client: Client, task_id: int, wanted: Callable[[dict[str, Any]], bool]) -> Any:
    """The task's why once a tick has seen what is wanted of it."""
    view: dict[str, Any] = {}

    async def is_told() -> bool:
        view.clear()
        view.update(await why(client, task_id))
        return wanted(view)

    await async_wait_until(is_told, what=lambda: f"what is wanted of {view}")
    return view


async def planned(client: Client, task_id: int, code: str) -> dict[str, Any]:
    """The task's why once a tick has found this reason, and its place in the line."""

    def wanted(view: dict[str, Any]) -> bool:
        has_place = any(line.startswith("place ") for line in view["lines"])
        return has_place and view["reason"]["code"] == code

    found: dict[str, Any] = await told(client, task_id, wanted)
    return found


async def reached(client: Client, task_id: int, state: str) -> None:
    """As `until`, by the list: nobody asks for an estimate."""

    async def is_listed() -> bool:
        tasks = (await client.get("/api/v1/tasks", params={"state": state})).json()["tasks"]
        return task_id in [task["id"] for task in tasks]

    await async_wait_until(is_listed, what=f"task {task_id} {state}")


async def test_a_waiting_task_is_told_who_holds_what_and_what_would_help(
    root: Client, alice: Client
) -> None:
    holder = await submit(root, "holder", 3, seconds=3600)
    await until(root, holder, "running")
    task_id = await submit(alice, "wide", 4, seconds=1)
    view = await planned(alice, task_id, "no_free_nodes")
    assert view["state"] == "queued"
    assert view["text"].startswith(f"task {task_id} waits for 4 nodes: 1 of 4 in hollow is free")
    assert "place 1 in the order of service of hollow: it is next" in view["lines"]
    (held,) = [line for line in view["lines"] if "holds" in line]
    assert held.startswith(f"task {holder} holder of root holds 3 nodes, safe for")
    found = {one["change"]: one for one in view["counterfactuals"]}
    assert set(found) == {"with 1 node (submitted anew)", "at priority HIGH"}
    assert found["with 1 node (submitted anew)"]["starts_now"]
    high = found["at priority HIGH"]
    assert not high["starts_now"]
    (victim,) = high["suspends"]
    assert (victim["task_id"], victim["name"], victim["user"]) == (holder, "holder", "root")
    assert 0 <= victim["lost_seconds"] < 3600
    assert view["estimate"]["latest"] is not None
    assert view["estimate"]["basis"].startswith("by slices at the latest")
    listed = (await alice.get("/api/v1/tasks")).json()["tasks"]
    assert listed[0]["estimate"] is None
    shown = (await alice.get(f"/api/v1/tasks/{task_id}")).json()
    assert shown["estimate"] == view["estimate"]


async def test_what_is_said_of_a_priority_is_what_happens(root: Client, alice: Client) -> None:
    holder = await submit(root, "holder", 4, seconds=3600)
    await until(root, holder, "running")
    task_id = await submit(alice, "urgent", 2, seconds=3600)
    await planned(alice, task_id, "no_free_nodes")
    path = f"/api/v1/tasks/{task_id}/what-if"
    foretold = (await alice.post(path, json={"priority": "HIGH"})).json()
    assert [victim["task_id"] for victim in foretold["suspends"]] == [holder]
    assert f"once task {holder} holder of root (loses" in foretold["text"]
    assert (await alice.post(path, json={"nodes": 3})).json()["text"].startswith("it still waits")
    await alice.post(f"/api/v1/tasks/{task_id}/priority", json={"priority": "HIGH"})
    await until(alice, task_id, "running")
    left = await until(root, holder, "suspended")
    assert left["attempt_list"][0]["for_task"] == task_id

    view = await why(root, holder)
    assert view["state"] == "suspended"
    assert f"its nodes went to task {task_id} urgent of alice" in view["lines"][0]
    assert "it saved before it left, so no work is lost" in view["lines"]
    running = await told(alice, task_id, lambda view: "safe from" in view["text"])
    assert running["text"].startswith(
        f"task {task_id} runs on 2 nodes at HIGH, safe from its equals for 30 min more"
    )
    assert running["reason"] is None
    assert running["counterfactuals"] == []
    lower = (await alice.post(path, json={"priority": "LOW"})).json()
    assert not lower["starts_now"]
    assert lower["text"] == f"it would be suspended for task {holder} holder of root"


async def test_a_dry_run_changes_nothing_and_tells_what_a_submit_would_do(
    root: Client, alice: Client
) -> None:
    holder = await submit(root, "holder", 3, seconds=3600)
    await told(root, holder, lambda view: "safe from" in view["text"])  # a tick knows that it runs
    url = "/api/v1/tasks?dry_run=true"
    reply = await alice.post(url, json=document("small", 1))
    assert reply.status_code == 200
    small = reply.json()
    assert small["task_id"] is None
    assert small["starts_now"]
    assert small["text"].startswith("the task starts now on hollow-")
    assert small["lines"] == []
    many = document("many", 1)
    many["options"]["array"] = "0-9%2"
    told_of_many = (await alice.post(url, json=many)).json()["lines"]
    assert told_of_many == [
        "this is told of the first of its array's 10 tasks, 2 of which may run at once"
    ]
    wide = (await alice.post(url, json=document("wide", 2))).json()
    assert not wide["starts_now"]
    assert wide["reason"]["code"] == "no_free_nodes"
    assert {one["change"] for one in wide["counterfactuals"]} == {
        "with 1 node",
        "at priority HIGH",
    }
    urgent = (await alice.post(url, json=document("urgent", 2, priority="HIGH"))).json()
    assert [victim["task_id"] for victim in urgent["suspends"]] == [holder]
    assert (await alice.post(url, json=document("huge", 9))).status_code == 422
    assert (await alice.post(url, json=document("low", 3, priority="LOW"))).status_code == 403
    assert (await root.post(url, json=document("holder", 1))).status_code == 409
    assert (await alice.get("/api/v1/tasks?user=all")).json()["total"] == 1


async def test_who_may_ask_what(root: Client, alice: Client) -> None:
    task_id = await submit(root, "roots", 1, seconds=3600)
    await until(root, task_id, "running")
    assert (await why(alice, task_id))["state"] == "running"
    path = f"/api/v1/tasks/{task_id}/what-if"
    assert (await alice.post(path, json={"priority": "LOW"})).status_code == 403
    assert (await root.post(path, json={"priority": "nonsense"})).status_code == 422
    assert (await root.post(path, json={"nodes": 2})).status_code == 409
    assert (await root.post("/api/v1/tasks/999/what-if", json={})).status_code == 404
    own = await submit(alice, "held", 1)
    await alice.post(f"/api/v1/tasks/{own}/suspend")
    path = f"/api/v1/tasks/{own}/what-if"
    assert (await alice.post(path, json={"group": "nowhere"})).status_code == 422


async def test_a_task_has_its_time_at_above_normal_once(root: Client, alice: Client) -> None:
    row = {"user": "*", "resource": "node-hollow-ABOVE_NORMAL", "nodes": 4}
    assert (await root.put("/api/v1/quotas", json={"quotas": [row]})).status_code == 200
    task_id = await submit(alice, "hasty", priority="ABOVE_NORMAL", seconds=3600)
    await until(alice, task_id, "running")
    await until_one_of(alice, task_id, "priority", ["NORMAL"])
    for action in ("priority", "what-if"):
        path = f"/api/v1/tasks/{task_id}/{action}"
        refused = await alice.post(path, json={"priority": "ABOVE_NORMAL"})
        assert refused.status_code == 409
        assert "ABOVE_NORMAL is for a task's first 1 s" in refused.text
    path = f"/api/v1/tasks/{task_id}/priority"
    assert (await alice.post(path, json={"priority": "HIGH"})).json()["priority"] == "HIGH"


async def test_an_ended_task_tells_how(alice: Client) -> None:
    task_id = await submit(alice, "bad", simulate={"exit_code": 7})
    await until(alice, task_id, "failed")
    view = await why(alice, task_id)
    assert view["text"].startswith(f"task {task_id} failed ")
    assert "with exit code 7: rank 0 on hollow-" in view["text"]
    assert view["lines"][0].startswith("it ran for")


async def test_estimates_go_by_earlier_runs_and_are_held_to_them(
    root: Client, alice: Client
) -> None:
    for number in range(3):
        done = await submit(root, f"train-{number}", 4, seconds=0.5)
        await reached(root, done, "succeeded")
    holder = await submit(root, "train-7", 4, seconds=3600)
    await reached(root, holder, "running")
    task_id = await submit(alice, "next", 1)
    view = await told(alice, task_id, lambda view: bool(view["estimate"] and view["reason"]))
    assert view["estimate"]["latest"] is not None
    assert view["estimate"]["basis"].startswith("running times by earlier runs of that name (1)")
    assert (await root.post(f"/api/v1/tasks/{holder}/stop")).status_code == 200
    await until(alice, task_id, "succeeded")
    record = (await alice.get("/api/v1/scheduler/estimates")).json()
    assert (record["given"], record["started"]) == (1, 1)
    assert record["inside_range"] + record["earlier"] + record["later"] == 1
