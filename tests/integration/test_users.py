"""Users over the live API: what admins say of them, and what their teams and groups mean."""

from typing import Any

import pytest

from hai.server.compose import Platform
from tests.integration.api import Client, submit, until

API = "/api/v1"


async def patch(client: Client, name: str, status: int = 200, /, **body: Any) -> dict[str, Any]:
    reply = await client.patch(f"{API}/users/{name}", json=body)
    assert reply.status_code == status, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


async def test_a_user_has_a_team_groups_and_a_gid(admin: Client) -> None:
    body = {"name": "bob", "uid": 2001, "gid": 2002, "team": "vision", "groups": ["ops"]}
    made = await admin.post(f"{API}/users", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["user"]["gid"] == 2002
    assert made.json()["user"]["groups"] == ["ops"]
    changed = (await patch(admin, "bob", groups=["big"], nick_name="Bob 爱"))["user"]
    assert (changed["groups"], changed["nick_name"]) == (["big"], "Bob 爱")
    assert (changed["uid"], changed["gid"], changed["team"]) == (2001, 2002, "vision")
    assert (await patch(admin, "bob", groups=[]))["user"]["groups"] == []


async def test_a_team_shares_quotas_and_a_change_counts_at_once(
    admin: Client, alice: Client
) -> None:
    await patch(admin, "alice", team="vision")
    rows = [
        {"user": "vision", "resource": "node-hollow-VERY_HIGH", "nodes": 2},
        {"user": "alice", "resource": "node-hollow-LOW", "nodes": 0},
    ]
    reply = await admin.put(f"{API}/quotas", json={"quotas": rows})
    assert reply.status_code == 200, reply.text
    mine = (await alice.get(f"{API}/whoami")).json()["quotas"]
    assert {row["resource"]: row["nodes"] for row in mine}["node-hollow-VERY_HIGH"] == 2
    task = await submit(alice, "of-a-team", nodes=2, priority="VERY_HIGH")
    await until(alice, task, "succeeded")
    await patch(admin, "alice", team="")
    mine = (await alice.get(f"{API}/whoami")).json()["quotas"]
    assert "node-hollow-VERY_HIGH" not in {row["resource"] for row in mine if row["nodes"]}


async def test_quotas_of_nobody_are_refused(admin: Client) -> None:
    row = {"user": "vison", "resource": "node-hollow-LOW", "nodes": 2}
    reply = await admin.put(f"{API}/quotas", json={"quotas": [row]})
    assert reply.status_code == 404
    assert "no user or group 'vison'" in reply.text


async def test_who_is_not_active_can_do_nothing(admin: Client, alice: Client) -> None:
    await patch(admin, "alice", active=False)
    assert (await alice.get(f"{API}/whoami")).status_code == 401
    await patch(admin, "alice", active=True)
    assert (await alice.get(f"{API}/whoami")).status_code == 200


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("nobody", {"team": "x"}, 404),
        ("alice", {"uid": -1}, 422),
        ("alice", {"gid": -1}, 422),
        ("alice", {"gid": 2**31}, 422),
        ("alice", {"team": "../x"}, 422),
        ("alice", {"groups": ["a b"]}, 422),
        ("alice", {"groups": [""]}, 422),
        ("alice", {"nick_name": "a\nb"}, 422),
        ("alice", {"name": "eve"}, 422),
        ("alice", {"role": "god"}, 422),
        ("root", {"role": "user"}, 409),
        ("root", {"active": False}, 409),
    ],
)
async def test_a_change_that_makes_no_sense_changes_nothing(
    platform: Platform, admin: Client, alice: Client, name: str, body: dict[str, Any], status: int
) -> None:
    before = await platform.store.users()
    await patch(admin, name, status, **body)
    assert await platform.store.users() == before
    await patch(alice, name, 403, team="x")


async def test_system_accounts_are_nobodys(platform: Platform, admin: Client) -> None:
    platform.services.users.needs_uid = True
    await admin.post(f"{API}/users", json={"name": "bob", "uid": 2001})
    for body in ({"uid": 0}, {"uid": 65534}, {"gid": 0}, {"gid": 42}):
        await patch(admin, "bob", 422, **body)
    await patch(admin, "bob", 200, uid=2002, gid=100)
    await patch(admin, "root", 200, team="ops")  # its uid is what bootstrap said
