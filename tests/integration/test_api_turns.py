"""The API of dependencies, arrays, time limits, retries and nodes."""

from typing import Any

import pytest

from tests.integration.api import Client, document, submit, until, until_one_of

API = "/api/v1"


def with_options(name: str, **options: Any) -> dict[str, Any]:
    made = document(name)
    return {**made, "options": {**made["options"], **options}}


async def kinds_of(client: Client, task_id: int) -> list[str]:
    events = (await client.get(f"{API}/tasks/{task_id}/events")).json()["events"]
    return [event["kind"] for event in events]


async def test_a_failed_task_is_tried_again_by_its_rule(alice: Client) -> None:
    retry = {"max": 1, "backoff": 0, "on": [7]}
    body = with_options("flaky", retry=retry, simulate={"seconds": 0, "exit_code": 7})
    task_id = (await alice.post(f"{API}/tasks", json=body)).json()["id"]
    done = await until(alice, task_id, "failed")
    assert (done["attempts"], done["failures"], done["exit_code"]) == (2, 1, 7)
    assert (await kinds_of(alice, task_id)).count("task.retry") == 1


async def test_time_is_limited(alice: Client) -> None:
    body = with_options("slow", time_limit=0.3, simulate={"seconds": 1000})
    reply = (await alice.post(f"{API}/tasks", json=body)).json()
    assert reply["time_limit_seconds"] == 0.3
    done = await until(alice, reply["id"], "failed")
    assert (done["exit_code"], done["why"]) == (124, "its time limit of 0.3s is over")
    assert done["ran_seconds"] >= 0.3


async def test_tasks_wait_for_others(alice: Client) -> None:
    first = await submit(alice, "first", seconds=1000)
    body = with_options("second", after=f"afterok:{first},afterany:first")
    second = (await alice.post(f"{API}/tasks", json=body)).json()
    assert second["waits_for"] == [first, first]
    detail = (await alice.get(f"{API}/tasks/{second['id']}")).json()
    assert detail["spec"]["options"]["after"] == [f"afterok:{first}", f"afterany:{first}"]
    third = with_options("third", after="second")
    third_id = (await alice.post(f"{API}/tasks", json=third)).json()["id"]
    await alice.post(f"{API}/tasks/{first}/stop")
    done = await until(alice, third_id, "stopped")
    assert done["why"] == f"its dependency task {second['id']} was stopped"


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"after": 10**9}, 404, "there is no task"),
        ({"after": "nobody"}, 404, "there is no task 'nobody'"),
        ({"after": "99_[*]"}, 404, "there is no array 99"),
        ({"after": "afternever:1"}, 422, "'afternever' is unknown"),
        ({"array": "0-99999"}, 422, "100,000 tasks"),
        ({"array": "3-1"}, 422, "is empty"),
        ({"retry": {"on": "segfault"}}, 422, "'segfault' is none of"),
        ({"time_limit": "soon"}, 422, "is no duration"),
    ],
)
async def test_options_that_make_no_sense_queue_nothing(
    alice: Client, options: dict[str, Any], status: int, words: str
) -> None:
    reply = await alice.post(f"{API}/tasks", json=with_options("train", **options))
    assert reply.status_code == status, reply.text
    assert words in reply.json()["message"]
    assert (await alice.get(f"{API}/tasks")).json()["total"] == 0


async def test_who_failed_already_is_nobody_to_wait_for(alice: Client) -> None:
    first = await submit(alice, "first", simulate={"exit_code": 3})
    await until(alice, first, "failed")
    reply = await alice.post(f"{API}/tasks", json=with_options("second", after=first))
    assert reply.status_code == 422
    assert f"afterok:{first} can never be met" in reply.json()["message"]
    anyhow = with_options("second", after=f"afterany:{first}")
    reply = await alice.post(f"{API}/tasks", json=anyhow)
    assert reply.json()["waits_for"] == []


async def test_an_array_is_one_submit_and_many_tasks(alice: Client, admin: Client) -> None:
    body = with_options("sweep", array="0-4:2%1", simulate={"seconds": 1000})
    reply = await alice.post(f"{API}/tasks", json={**body, "request_id": "r-1"})
    first = reply.json()
    assert (first["name"], first["array_id"]) == ("sweep_[0]", first["id"])
    assert (first["array_index"], first["array_size"]) == (0, 3)
    again = await alice.post(f"{API}/tasks", json={**body, "request_id": "r-1"})
    assert again.json()["id"] == first["id"]
    listed = (await alice.get(f"{API}/tasks", params={"array": first["id"]})).json()
    assert listed["total"] == 3
    assert [task["name"] for task in listed["tasks"]] == ["sweep_[4]", "sweep_[2]", "sweep_[0]"]
    taken = await alice.post(f"{API}/tasks", json=body)
    assert taken.status_code == 409
    after = with_options("eval", after=f"{first['id']}_[*]")
    child = (await alice.post(f"{API}/tasks", json=after)).json()
    assert len(child["waits_for"]) == 3
    path = f"{API}/arrays/{first['id']}"
    held = (await alice.post(f"{path}/suspend")).json()
    assert (len(held["tasks"]), held["total"]) == (3, 3)
    assert all(task["held"] for task in held["tasks"])
    assert len((await alice.post(f"{path}/resume")).json()["tasks"]) == 3
    assert len((await alice.post(f"{path}/stop", json={"why": "enough"})).json()["tasks"]) == 3
    for task in listed["tasks"]:
        assert (await until(alice, task["id"], "stopped"))["why"] == "enough"
    await until(alice, child["id"], "stopped")
    assert (await alice.post(f"{path}/stop")).json()["tasks"] == []
    assert (await alice.post(f"{API}/arrays/{child['id']}/stop")).status_code == 404
    assert (await alice.post(f"{path}/dance")).status_code == 422
    bobs = await admin.post(f"{API}/tasks", json={**body, "name": "other"})
    theirs = f"{API}/arrays/{bobs.json()['id']}/stop"
    assert (await alice.post(theirs)).status_code == 403


async def test_a_rank_orders_the_own_tasks_of_a_user(alice: Client, admin: Client) -> None:
    holder = await submit(admin, "holder", 4, seconds=1000)
    await until(admin, holder, "running")
    first = await submit(alice, "first", 4)
    second = await submit(alice, "second", 4, seconds=1000)
    path = f"{API}/tasks/{second}/priority"
    ranked = await alice.post(path, json={"custom_rank": -1.5})
    assert ranked.json()["custom_rank"] == -1.5
    assert (await alice.post(path, json={})).status_code == 422
    assert (await alice.post(path, json={"custom_rank": "inf"})).status_code == 422
    await admin.post(f"{API}/tasks/{holder}/stop")
    await until(alice, second, "running")
    assert (await alice.get(f"{API}/tasks/{first}")).json()["state"] == "queued"
    assert "task.rank" in await kinds_of(alice, second)


async def test_admins_take_nodes_out_and_back(alice: Client, admin: Client) -> None:
    task_id = await submit(alice, "train", seconds=1000)
    (node,) = (await until(alice, task_id, "running"))["assigned_nodes"]
    path = f"{API}/nodes/{node}"
    assert (await alice.post(f"{path}/drain")).status_code == 403
    assert (await admin.post(f"{API}/nodes/nowhere/drain")).status_code == 404
    changed = (await admin.post(f"{path}/cordon", json={"why": "noise"})).json()
    assert (changed["node"]["health"], changed["node"]["health_why"]) == ("cordoned", "noise")
    assert changed["suspended"] == []
    assert (await alice.get(f"{API}/tasks/{task_id}")).json()["state"] == "running"
    changed = (await admin.post(f"{path}/drain", json={"why": "fans"})).json()
    assert (changed["node"]["health"], changed["suspended"]) == ("drained", [task_id])
    assert (await admin.post(f"{path}/drain", json={"why": "fans"})).json()["suspended"] == []
    await until_one_of(alice, task_id, "attempts", [2])
    moved = await until(alice, task_id, "running")
    assert moved["assigned_nodes"] != [node]
    assert moved["attempt_list"][0]["why"] == f"node {node} is drained: fans"
    changed = (await admin.post(f"{path}/resume")).json()
    assert (changed["node"]["health"], changed["node"]["health_why"]) == ("ready", "")
    assert (await admin.post(f"{path}/explode")).status_code == 422
