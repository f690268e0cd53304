"""What people read of quotas, of what admins did, and of starts to come: over the whole API."""

import json
from typing import Any

from hai.server.compose import Platform
from tests.integration.api import Client, submit, until
from tests.integration.dashboard_reader import Reader
from tests.waiting import async_wait_until


async def used(client: Client, **params: str) -> dict[tuple[str, str], Any]:
    rows = (await client.get("/api/v1/quotas", params=params)).json()["quotas"]
    return {(row["user"], row["priority"]): row.get("used") for row in rows}


async def test_quotas_tell_what_is_used_of_them(admin: Client, alice: Client) -> None:
    row = {"user": "alice", "resource": "node-hollow-HIGH", "nodes": 3}
    assert (await admin.put("/api/v1/quotas", json={"quotas": [row]})).status_code == 200
    for client, nodes, priority in ((admin, 1, "NORMAL"), (alice, 2, "HIGH")):
        task_id = await submit(client, "works", nodes, seconds=3600, priority=priority)
        await until(client, task_id, "running")
    of_root = await used(admin)
    assert of_root["alice", "HIGH"] == 2
    assert of_root["*", "NORMAL"] == 1  # what whoever asks holds
    assert (await used(admin, user="alice"))["*", "NORMAL"] == 0
    assert (await used(alice))["*", "NORMAL"] == 0
    assert (await used(alice))["alice", "HIGH"] == 2
    assert (await used(alice)).get(("*", "HIGH")) is None  # her own row counts, not that one
    mine = (await alice.get("/api/v1/whoami")).json()["quotas"]
    assert {row["priority"]: row["used"] for row in mine}["HIGH"] == 2


async def told(client: Client, kind: str) -> dict[str, Any]:
    """The last event of the kind."""
    text = (await client.get("/api/v1/events", params={"follow": "false"})).text
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    found: dict[str, Any] = [one for one in map(json.loads, data) if one.get("kind") == kind][-1]
    return found


async def test_what_admins_did_names_whom_and_what(admin: Client) -> None:
    first = await told(admin, "quota.set")
    assert first["why"].startswith("everybody node-hollow-")
    await admin.post("/api/v1/users", json={"name": "bob", "role": "user", "uid": 1234})
    assert (await told(admin, "user.added"))["why"] == "bob: user, uid 1234"
    row = {"user": "bob", "resource": "node-hollow-HIGH", "nodes": 3}
    for nodes, was in ((3, "new"), (2, "was 3")):
        await admin.put("/api/v1/quotas", json={"quotas": [{**row, "nodes": nodes}]})
        line = await told(admin, "quota.set")
        assert (line["user"], line["why"]) == ("bob", f"bob node-hollow-HIGH={nodes} ({was})")
    await admin.post("/api/v1/users/bob/tokens", json={"label": "ci", "expires_in_seconds": 60})
    made = await told(admin, "token.made")
    token_id = made["data"]["id"]
    assert made["why"].startswith(f"token {token_id} (ci) of bob, until 20")
    assert (await admin.delete(f"/api/v1/tokens/{token_id}")).status_code < 300
    gone = await told(admin, "token.revoked")
    assert (gone["user"], gone["why"]) == ("bob", f"token {token_id} of bob")
    node = (await admin.get("/api/v1/nodes")).json()["nodes"][0]["name"]
    await admin.post(f"/api/v1/nodes/{node}/cordon", json={"why": "new disk"})
    line = await told(admin, "node.cordoned")
    assert line["why"] == f"node {node}: cordoned, was ready: new disk"
    await admin.post(f"/api/v1/nodes/{node}/resume", json={})
    assert (await told(admin, "node.ready"))["why"] == f"node {node}: ready, was cordoned"
    assert (await told(admin, "nodes.changed"))["why"].startswith(("nodes put: ", "group "))


async def test_the_first_of_a_line_is_told_when_it_may_start(
    platform: Platform, admin: Client, alice: Client
) -> None:
    """Only while somebody looks, and of the first one alone."""
    holder = await submit(admin, "holder", 3, seconds=3600)
    await until(admin, holder, "running")
    first = await submit(alice, "wide", 4, seconds=1)
    second = await submit(alice, "wider", 4, seconds=1)
    reader = Reader(platform.services.dashboard)
    try:
        await reader.until(lambda model: first in model.tasks and model.tasks[first].estimate)
        told = reader.model.tasks[first].estimate
        assert told is not None
        assert told["earliest"] >= (await admin.get("/api/v1/dashboard")).json()["at"][:10]
        assert reader.model.tasks[second].estimate is None
    finally:
        await reader.close()
    lists = (await alice.get("/api/v1/tasks")).json()["tasks"]
    estimates = {task["id"]: task["estimate"] for task in lists}
    assert estimates[first]
    assert estimates[second] is None
    await async_wait_until(lambda: len(platform.services.last_tick.estimates) == 1)
