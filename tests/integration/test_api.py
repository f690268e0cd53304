"""The whole API in one process: memory store, in-process bus, hollow nodes, real clock."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hai.core.identity import Role, User
from hai.core.types import UserName
from hai.errors import InvalidInput
from hai.server.compose import Platform
from hai.service.users import UserService
from tests.integration.api import Client, connect, document, submit, until
from tests.waiting import PATIENCE_SECONDS, async_wait_until


def sse_events(text: str) -> list[tuple[str, Any]]:
    events = []
    for block in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")
        )
        if "data" in fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


async def test_a_task_runs_and_tells_its_story(alice: Client) -> None:
    task_id = await submit(alice, "train.py", 2)
    done = await until(alice, task_id, "succeeded")
    assert (done["exit_code"], done["attempts"], done["chain_status"]) == (0, 1, "finished")
    [attempt] = done["attempt_list"]
    assert attempt["outcome"] == "succeeded"
    assert [worker["state"] for worker in attempt["workers"]] == ["exited", "exited"]
    events = (await alice.get(f"/api/v1/tasks/{task_id}/events")).json()["events"]
    assert [event["kind"] for event in events] == [
        "task.submitted",
        "task.starting",
        "task.running",
        "task.succeeded",
    ]
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)


async def test_a_failing_task_keeps_its_exit_code(alice: Client) -> None:
    task_id = await submit(alice, "bad", simulate={"exit_code": 7})
    done = await until(alice, task_id, "failed")
    assert done["exit_code"] == 7
    assert "rank 0 on hollow-0 exited with code 7" in done["why"]


async def test_a_higher_priority_suspends_and_the_victim_resumes(
    alice: Client, admin: Client
) -> None:
    low = await submit(alice, "low", 4, seconds=3600)
    await until(alice, low, "running")
    high = await submit(admin, "high", 4, seconds=0.1, priority="HIGH")
    await until(admin, high, "succeeded")
    again = await until(alice, low, "running", "starting")
    assert again["suspend_count"] == 1
    assert again["attempt_list"][0]["outcome"] == "suspended-clean"
    assert (await alice.post(f"/api/v1/tasks/{low}/stop")).status_code == 200
    stopped = await until(alice, low, "stopped")
    assert stopped["why"] == "stopped by alice"


async def test_a_task_that_ignores_the_notice_is_suspended_dirty(alice: Client) -> None:
    task_id = await submit(alice, "deaf", 1, seconds=3600, simulate={"ignore_suspend": True})
    await until(alice, task_id, "running")
    await alice.post(f"/api/v1/tasks/{task_id}/suspend", json={"why": "lunch"})
    held = await until(alice, task_id, "suspended")
    assert held["attempt_list"][0]["outcome"] == "suspended-dirty"
    assert held["held"]
    assert held["reason"]["code"] == "held"
    assert (await alice.post(f"/api/v1/tasks/{task_id}/resume")).status_code == 200
    await until(alice, task_id, "running")


async def test_waiting_tasks_say_why(alice: Client, admin: Client) -> None:
    first = await submit(alice, "wide", 4, seconds=3600)
    await until(alice, first, "running")
    second = await submit(admin, "next", 1, seconds=3600)

    async def reason() -> dict[str, Any]:
        found: dict[str, Any] = (await admin.get(f"/api/v1/tasks/{second}")).json()["reason"]
        return found if found["code"] == "no_free_nodes" else {}

    assert str(first) in (await async_wait_until(reason))["text"]


async def test_names_ids_and_last_name_the_same_task(alice: Client, admin: Client) -> None:
    task_id = await submit(alice, "my train.py", seconds=3600)
    for ref in (str(task_id), "my%20train.py", "@last"):
        assert (await alice.get(f"/api/v1/tasks/{ref}")).json()["id"] == task_id
    assert (await admin.get("/api/v1/tasks/my%20train.py")).status_code == 404


async def test_a_repeated_request_id_submits_once(alice: Client) -> None:
    first = await submit(alice, "once", seconds=3600, request_id="r1")
    assert await submit(alice, "once", seconds=3600, request_id="r1") == first


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        pytest.param({"resource": {"group": "hollow", "node_count": 0}}, 422, "invalid_input"),
        pytest.param({"resource": {"group": "hollow", "node_count": 10**6}}, 422, "invalid_input"),
        pytest.param({"resource": {"group": "hollow", "node_count": 5}}, 422, "invalid_input"),
        pytest.param({"resource": {"group": "moon", "node_count": 1}}, 422, "invalid_input"),
        pytest.param({"priority": "URGENT"}, 422, "invalid_input"),
        pytest.param({"priority": "VERY_HIGH"}, 403, "over_quota"),
        pytest.param(
            {"priority": "LOW", "resource": {"group": "hollow", "node_count": 3}}, 403, "over_quota"
        ),
        pytest.param({"version": 1}, 422, "invalid_input"),
        pytest.param({"name": "x" * 4096}, 422, "invalid_input"),
        pytest.param({"unknown": 1}, 422, "invalid_input"),
    ],
)
async def test_bad_submits_change_nothing(
    alice: Client, change: dict[str, Any], status: int, code: str
) -> None:
    reply = await alice.post("/api/v1/tasks", json={**document("x"), **change})
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert "\n" not in reply.json()["message"]
    assert reply.headers["x-request-id"] == reply.json()["request_id"]
    assert (await alice.get("/api/v1/tasks")).json()["total"] == 0


async def test_a_name_in_use_is_refused_until_the_task_ends(alice: Client) -> None:
    task_id = await submit(alice, "train.py", seconds=3600)
    again = await alice.post("/api/v1/tasks", json=document("train.py"))
    assert (again.status_code, again.json()["code"]) == (409, "name_in_use")
    await alice.post(f"/api/v1/tasks/{task_id}/stop")
    await until(alice, task_id, "stopped")
    await submit(alice, "train.py")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/tasks/999", 404),
        ("GET", "/api/v1/tasks/99999999999999999999999", 404),
        ("POST", "/api/v1/tasks/none/stop", 404),
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/api/v1/tasks", 405),
        ("GET", "/api/v1/tasks?page=0", 422),
        ("GET", "/api/v1/tasks?state=happy", 422),
        ("GET", "/api/v1/tasks?user=alcie", 404),
        ("GET", "/api/v1/tasks?user=all&group=hllow", 404),
        ("GET", "/api/v1/events?user=alcie", 404),
        ("POST", "/api/v1/users", 422),
        ("POST", "/api/v1/admin/vacate", 403),
        ("POST", "/api/v1/admin/stop-all", 403),
        ("POST", "/api/v1/admin/go-on", 403),
        ("PUT", "/api/v1/quotas", 422),
        ("DELETE", "/api/v1/tokens/x", 403),
        ("GET", f"/api/v1/events?cursor={2**63}", 422),
        ("GET", "/api/v1/events?user=%00", 422),
    ],
)
async def test_errors_are_bodies_with_codes(
    alice: Client, method: str, path: str, status: int
) -> None:
    reply = await alice.request(method, path)
    assert reply.status_code == status
    assert set(reply.json()) >= {"code", "message", "hint", "request_id"}


async def test_who_may_do_what(platform: Platform, alice: Client, admin: Client) -> None:
    task_id = await submit(admin, "admins", seconds=3600)
    assert (await alice.post(f"/api/v1/tasks/{task_id}/stop")).status_code == 403
    assert (await alice.post("/api/v1/users", json={"name": "eve"})).status_code == 403
    rows = {"quotas": [{"user": "alice", "resource": "node-hollow-HIGH", "nodes": 99}]}
    assert (await alice.put("/api/v1/quotas", json=rows)).status_code == 403
    assert (await admin.put("/api/v1/quotas", json=rows)).status_code == 200
    me = (await alice.get("/api/v1/whoami")).json()
    assert {q["resource"]: q["nodes"] for q in me["quotas"]}["node-hollow-HIGH"] == 99
    every = (await alice.get("/api/v1/quotas")).json()["quotas"]  # and so may those of one user
    theirs = (await alice.get("/api/v1/quotas", params={"user": "root"})).json()["quotas"]
    for row in (*every, *theirs):
        row.pop("used", None)  # what is told of everybody's rows depends on who is asked for
    assert theirs == [row for row in every if row["user"] in ("root", "*")]
    async with connect(platform) as nobody, connect(platform, "wrong") as wrong:
        for client in (nobody, wrong):
            reply = await client.get("/api/v1/whoami")
            assert (reply.status_code, reply.json()["code"]) == (401, "auth_required")
        health = await nobody.get("/health")
        assert health.status_code == 200
        assert health.json()["environments"] == "in place"


async def test_documents_and_output_are_for_their_owner(alice: Client, admin: Client) -> None:
    admins = await submit(admin, "admins", seconds=3600)
    alices = await submit(alice, "alices", seconds=3600)
    assert (await alice.get(f"/api/v1/tasks/{admins}")).json()["spec"] == {}
    assert (await admin.get(f"/api/v1/tasks/{alices}")).json()["spec"]["name"] == "alices"
    assert (await alice.get(f"/api/v1/tasks/{admins}/logs")).status_code == 403
    assert (await admin.get(f"/api/v1/tasks/{alices}/logs")).status_code == 200


async def test_tokens_can_be_made_expire_and_be_revoked(
    platform: Platform, alice: Client, admin: Client
) -> None:
    made = (await alice.post("/api/v1/users/alice/tokens", json={"label": "ci"})).json()
    async with connect(platform, made["token"]) as other:
        assert (await other.get("/api/v1/whoami")).json()["user"]["name"] == "alice"
        assert (await admin.delete(f"/api/v1/tokens/{made['id']}")).status_code == 204
        assert (await other.get("/api/v1/whoami")).status_code == 401
    refused = await alice.post("/api/v1/users/root/tokens", json={})
    assert refused.status_code == 403
    unknown = await admin.delete("/api/v1/tokens/none")
    assert unknown.status_code == 404
    assert "hai-cli users tokens" in unknown.json()["hint"]
    store, clock = platform.store, platform.services.clock
    assert await store.user_of_token("0" * 64, clock.now()) is None


@pytest.mark.parametrize("path", ["events?follow=true", "dashboard/stream"])
async def test_a_stream_ends_with_its_token(
    platform: Platform, alice: Client, admin: Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("hai.server.sse.KEEP_ALIVE_SECONDS", 0.02)
    made = (await alice.post("/api/v1/users/alice/tokens", json={"label": "ci"})).json()
    async with connect(platform, made["token"]) as other, asyncio.timeout(PATIENCE_SECONDS):
        assert (await other.get("/api/v1/whoami")).status_code == 200
        stream = asyncio.create_task(other.get(f"/api/v1/{path}"))
        await submit(alice, "meanwhile")
        assert (await admin.delete(f"/api/v1/tokens/{made['id']}")).status_code == 204
        assert (await stream).status_code == 200
        assert (await other.get(f"/api/v1/{path}")).status_code == 401


@pytest.mark.parametrize("name", ["all", "me"])
async def test_no_user_is_called_like_a_word_for_users(admin: Client, name: str) -> None:
    refused = await admin.post("/api/v1/users", json={"name": name, "uid": 2000})
    assert refused.status_code == 422
    assert "no user name" in refused.json()["message"]


async def test_watch_and_events_are_streams_that_end(alice: Client) -> None:
    task_id = await submit(alice, "short", seconds=0.1)
    watched = sse_events((await alice.get(f"/api/v1/tasks/{task_id}/watch")).text)
    assert watched[-1] == ("end", {"state": "succeeded", "exit_code": 0, "why": ""})
    states = [data["state"] for kind, data in watched if kind == "state"]
    assert states[-1] == "succeeded"
    events = sse_events((await alice.get(f"/api/v1/events?task={task_id}")).text)
    assert events[0][1]["kind"] == "task.submitted"
    later = sse_events(
        (await alice.get(f"/api/v1/events?task={task_id}&cursor={events[0][1]['id']}")).text
    )
    assert later == events[1:]


async def test_vacate_suspends_everything_and_starts_nothing(alice: Client, admin: Client) -> None:
    running = await submit(alice, "runs", 2, seconds=3600)
    await until(alice, running, "running")
    assert (await admin.post("/api/v1/admin/vacate")).json() == {"active": 1}
    task = await until(alice, running, "suspended")
    assert not task["held"]
    waiting = await submit(alice, "waits")
    detail = (await alice.get(f"/api/v1/tasks/{waiting}")).json()
    assert (detail["state"], detail["reason"]["code"]) == ("queued", "paused")
    assert (await alice.get("/api/v1/platform")).json()["paused_seconds"] > 0
    assert (await admin.post("/api/v1/admin/go-on")).json() == {"was_paused": True}
    await until(alice, waiting, "running", "succeeded")
    assert (await admin.post("/api/v1/admin/go-on")).json() == {"was_paused": False}


async def test_stop_all_ends_what_runs_and_what_waits(alice: Client, admin: Client) -> None:
    running = await submit(alice, "runs", 2, seconds=3600)
    await until(alice, running, "running")
    waiting = [await submit(alice, f"waits-{number}", 4, seconds=3600) for number in range(3)]
    first = (await admin.post("/api/v1/admin/stop-all")).json()
    assert first == {"active": 1, "waiting": 0}
    for task_id in (running, *waiting):
        await until(alice, task_id, "stopped")
    assert (await admin.post("/api/v1/admin/stop-all")).json() == {"active": 0, "waiting": 0}


async def test_metrics_ready_and_the_description(alice: Client) -> None:
    await until(alice, await submit(alice, "m"), "succeeded")
    metrics = (await alice.get("/metrics")).text
    assert 'hai_tasks{state="succeeded"} 1.0' in metrics
    assert 'hai_nodes{group="hollow",health="ready"} 4.0' in metrics
    assert (await alice.get("/ready")).json()["status"] == "ready"


async def test_the_description_says_who_needs_a_token_and_what_errors_are(alice: Client) -> None:
    described = (await alice.get("/openapi.json")).json()
    schemes = described["components"]["securitySchemes"]
    assert schemes["token"]["scheme"] == "bearer"
    errors = {"$ref": "#/components/schemas/ErrorBody"}
    for path, verbs in described["paths"].items():
        for verb in verbs.values():
            is_open = path in ("/health", "/ready", "/metrics")
            assert verb.get("security") == (None if is_open else [{"token": []}]), path
            if not is_open:
                said = verb["responses"]["default"]["content"]["application/json"]
                assert said["schema"] == errors, path
    assert {"code", "message", "hint"} <= set(
        described["components"]["schemas"]["ErrorBody"]["properties"]
    )
    assert "/api/v1/tasks/{ref}/logs" in described["paths"]


async def test_the_page_for_people_loads_nothing_and_names_every_route(alice: Client) -> None:
    reply = await alice.get("/docs")
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "://" not in reply.text
    assert "<script" not in reply.text
    for path, verbs in (await alice.get("/openapi.json")).json()["paths"].items():
        for verb in verbs:
            assert f"<code>{verb.upper()} {path}</code>" in reply.text


async def test_too_large_a_body_is_refused(alice: Client) -> None:
    reply = await alice.post("/api/v1/tasks", content=b"x" * (2 << 20))
    assert reply.status_code == 413

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(32):
            yield b"x" * (1 << 16)

    reply = await alice.post("/api/v1/tasks", content=pieces())
    assert (reply.status_code, reply.json()["code"]) == (413, "invalid_input")


@pytest.mark.parametrize("last", [b"\xb2", b"-3", b"9" * 19, b"9" * 5000], ids=repr)
async def test_a_cursor_that_is_none_is_refused_before_the_stream(
    alice: Client, last: bytes
) -> None:
    reply = await alice.get("/api/v1/events", headers={b"Last-Event-ID": last})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_input")


async def test_a_list_of_ranks_is_no_bigger_than_a_gang_can_be(alice: Client) -> None:
    task_id = await submit(alice, "wide", 2)
    ranks = ",".join(["0-99999"] * 2)
    reply = await alice.get(f"/api/v1/tasks/{task_id}/logs?rank={ranks}")
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize("seconds", ["NaN", "1e999", "1e300", "1e11", "0"])
async def test_a_token_ends_at_a_time_that_there_is(alice: Client, seconds: str) -> None:
    reply = await alice.post(
        "/api/v1/users/alice/tokens",
        content=f'{{"expires_in_seconds": {seconds}}}',
        headers={"Content-Type": "application/json"},
    )
    assert reply.status_code == 422
    assert "expires_in_seconds" in reply.json()["message"]


@pytest.mark.parametrize(
    ("uid", "words"), [(None, "need a Unix user"), (0, "system"), (65534, "system")]
)
async def test_who_would_run_tasks_as_the_system_is_refused_where_the_server_can(
    platform: Platform, uid: int | None, words: str
) -> None:
    root = User(UserName("root"), Role.ADMIN, 0)
    as_root, as_somebody = (
        UserService(platform.store, platform.services.clock, needs_uid=needs)
        for needs in (True, False)
    )
    with pytest.raises(InvalidInput, match=words):
        await as_root.add(root, "bob", Role.USER, uid)
    assert "bob" not in [user.name for user in await platform.store.users()]
    user, _ = await as_somebody.add(root, "bob", Role.USER, uid)
    assert user.uid == uid
