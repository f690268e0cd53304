"""Talking to a whole server in one process."""

from collections.abc import Collection
from typing import Any

import httpx2

from hai.server.app import build_app
from hai.server.compose import Platform
from tests.waiting import async_wait_until

Client = httpx2.AsyncClient


def first_document() -> dict[str, Any]:
    nodes = [
        {"name": f"hollow-{i}", "group": "hollow", "launcher": "hollow", "gpus": 8}
        for i in range(4)
    ]
    rows = [("*", "HIGH", 4), ("*", "NORMAL", 4), ("*", "LOW", 2)]
    return {
        "user": {"name": "root", "role": "admin", "uid": 0},
        "groups": [{"name": "hollow", "description": "simulated"}],
        "nodes": nodes,
        "quotas": [
            {"user": user, "resource": f"node-hollow-{level}", "nodes": n}
            for user, level, n in rows
        ],
    }


def connect(platform: Platform, token: str = "") -> Client:
    transport = httpx2.ASGITransport(app=build_app(platform.services))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Client(transport=transport, base_url="http://hai", headers=headers)


def document(name: str, nodes: int = 1, seconds: float = 0.0, **more: Any) -> dict[str, Any]:
    simulate = {"seconds": seconds, **more.pop("simulate", {})}
    return {
        "version": 2,
        "name": name,
        "spec": {"entrypoint": "train.py"},
        "resource": {"group": "hollow", "node_count": nodes},
        "priority": "NORMAL",
        "options": {"simulate": simulate},
        **more,
    }


async def submit(client: Client, *args: Any, **more: Any) -> int:
    reply = await client.post("/api/v1/tasks", json=document(*args, **more))
    assert reply.status_code == 201, reply.text
    task_id: int = reply.json()["id"]
    return task_id


async def until(client: Client, task_id: int, *states: str) -> dict[str, Any]:
    """The task's detail once it is in one of these states."""
    return await until_one_of(client, task_id, "state", states)


async def until_one_of(
    client: Client, task_id: int, field: str, values: Collection[object]
) -> dict[str, Any]:
    """The task's detail once the field has one of these values."""
    detail: dict[str, Any] = {}

    async def has_one() -> bool:
        detail.update((await client.get(f"/api/v1/tasks/{task_id}")).json())
        return detail[field] in values

    await async_wait_until(has_one, what=lambda: f"{field} {values} of {detail}")
    return detail
