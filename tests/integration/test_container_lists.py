"""What a page of dev containers asks for: one request with services and nodes, and the environments
that one's tasks recorded."""

from typing import Any

from hai.server.compose import Platform
from tests.integration.api import Client, connect, document, submit, until

TASKS = "/api/v1/tasks"
ASKED = {"user": "all", "services": "1", "nodes": "1"}
WEB = {"name": "web", "port": 8000, "startup_script": "serve"}


def lab(name: str, *services: dict[str, Any], nodes: int = 1) -> dict[str, Any]:
    return document(name, nodes, 600.0, task_type="jupyter", services=list(services))


async def asked(client: Client, **params: str) -> dict[str, Any]:
    reply = await client.get(TASKS, params=params)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def test_a_list_tells_services_and_nodes_on_request(alice: Client) -> None:
    sync = {"name": "sync", "type": "local", "startup_script": "copy"}
    reply = await alice.post(TASKS, json=lab("lab", WEB, sync))
    ids = [int(reply.json()["id"]), await submit(alice, "without", seconds=600.0)]
    await until(alice, ids[0], "running")
    plain = await asked(alice)
    assert not {"services", "nodes"} & set(plain)
    found = await asked(alice, **ASKED)
    detail = (await alice.get(f"{TASKS}/{ids[0]}")).json()
    assert found["services"] == {str(ids[0]): detail["services"]}, "as the detail has them"
    assert [one["name"] for one in detail["services"]] == ["jupyter", "web", "sync"]
    assert found["nodes"] == (await alice.get("/api/v1/nodes")).json()["nodes"]
    for one in ids:
        await alice.post(f"{TASKS}/{one}/stop")
        await until(alice, one, "stopped")
    assert (await asked(alice, **ASKED))["services"] == {}, "they have ended"


async def test_services_are_told_to_those_who_may_see_into_the_task(
    platform: Platform, admin: Client, alice: Client
) -> None:
    made = await admin.post("/api/v1/users", json={"name": "bob", "uid": 12346})
    one = str((await alice.post(TASKS, json=lab("lab", WEB))).json()["id"])
    async with connect(platform, made.json()["token"]["token"]) as bob:
        theirs = await asked(bob, **ASKED)
        assert [str(task["id"]) for task in theirs["tasks"]] == [one]
        assert theirs["services"] == {}
    assert list((await asked(admin, **ASKED))["services"]) == [one]


async def test_services_in_lists_are_bounded(alice: Client) -> None:
    many = {"type": "local", "startup_script": "copy", "rank": [0, 1, 2, 3]}
    services = [{**many, "name": f"sync-{letter}"} for letter in "abcdefghijklmnop"]
    wide = (await alice.post(TASKS, json=lab("wide", WEB, *services[1:], nodes=4))).json()["id"]
    shown = (await asked(alice, **ASKED))["services"][str(wide)]
    detail = (await alice.get(f"{TASKS}/{wide}")).json()["services"]
    assert len(detail) == 62, "the built-in jupyter is one"
    assert shown == detail[:32]


async def test_environments_are_those_of_ones_own_tasks(
    platform: Platform, admin: Client, alice: Client
) -> None:
    def options(name: str, identity: str) -> dict[str, Any]:
        recorded = {"name": name, "owner": "ann", "identity": identity, "follow": True}
        return {"py_venv": f"/envs/{name}", "environment": recorded}

    vision, audio = options("vision", "3fa4c0ffee12"), options("audio", "3fa4c0ffee13")
    for number, one in enumerate((vision, audio, {}, vision)):
        last = await submit(alice, f"train-{number}", options={**one, "watchdog_time": 60})
    found = (await alice.get("/api/v1/environments")).json()["environments"]
    assert [(one["label"], one["options"]) for one in found] == [
        ("vision[ann] 3fa4c0ffee12, follows", vision),
        ("audio[ann] 3fa4c0ffee13, follows", audio),
    ]
    assert found[0]["task_id"] == last
    assert (await admin.get("/api/v1/environments")).json()["environments"] == []
