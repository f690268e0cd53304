"""Changes that are only checked: refused as the change itself is, and nothing is written."""

from typing import Any

from hai.core.allowance import Membership
from hai.core.rowset import RowSet
from hai.core.task import EventDraft
from hai.server.compose import Platform
from tests.integration.api import Client, connect

API = "/api/v1"
BOB = {"name": "bob", "uid": 2001, "team": "vision", "groups": ["ops"]}
QUOTA = {"user": "vision", "resource": "node-hollow-HIGH", "nodes": 2}
ALLOWED = {"owner": "ops", "resource": "cap:IPC_LOCK"}

CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "/users", BOB),
    ("PATCH", "/users/bob", {"team": "audio", "groups": ["big"]}),
    ("PUT", "/images", {"name": "torch", "ref": "r/t:1", "owners": ["audio"]}),
    ("PUT", "/images", {"name": "torch", "ref": "r/t:2", "owners": ["alice", "internal"]}),
    ("PUT", "/mounts", {"source": "/d", "mount_path": "/d", "name": "d", "owners": ["big"]}),
    ("PUT", "/allowances", {"allowances": [{**ALLOWED, "owner": "big"}]}),
    ("PUT", "/quotas", {"quotas": [{**QUOTA, "user": "audio"}, {**QUOTA, "user": "*"}]}),
    ("DELETE", "/images/torch", None),
    ("DELETE", "/mounts/d", None),
]
REFUSED: list[tuple[str, str, Any, int]] = [
    ("POST", "/users", {"name": "alice", "uid": 2002}, 409),
    ("POST", "/users", {"name": "a b"}, 422),
    ("POST", "/users", {"name": "all"}, 422),
    ("POST", "/users", {"name": "eve", "uid": -1}, 422),
    ("POST", "/users", {"name": "eve", "groups": ["a b"]}, 422),
    ("POST", "/users", {"name": "eve", "surprise": 1}, 422),
    ("PATCH", "/users/nobody", {"team": "x"}, 404),
    ("PATCH", "/users/alice", {"gid": -1}, 422),
    ("PATCH", "/users/root", {"role": "user"}, 409),
    ("PUT", "/images", {"name": "t", "ref": "r/t", "owners": ["vison"]}, 404),
    ("PUT", "/images", {"name": "a b", "ref": "r/t"}, 422),
    ("PUT", "/images", {"name": "t", "ref": "r/t", "rank": 0}, 422),
    ("DELETE", "/images/torch", None, 404),
    ("PUT", "/mounts", {"source": "/a", "mount_path": "/b", "owners": ["public", "vison"]}, 404),
    ("PUT", "/mounts", {"source": "a", "mount_path": "/b"}, 422),
    ("PUT", "/mounts", {"source": "/a", "mount_path": "/b", "type": "Symlink"}, 422),
    ("DELETE", "/mounts/d", None, 404),
    ("PUT", "/allowances", {"allowances": [{**ALLOWED, "owner": "vison"}]}, 404),
    ("PUT", "/allowances", {"allowances": [{**ALLOWED, "resource": "cap:ipc"}]}, 422),
    ("PUT", "/quotas", {"quotas": [{**QUOTA, "user": "vison"}]}, 404),
    ("PUT", "/quotas", {"quotas": [{**QUOTA, "resource": "node-moon-HIGH"}]}, 422),
    ("PUT", "/quotas", {"quotas": [{**QUOTA, "nodes": 1_000_001}]}, 422),
]


async def written(platform: Platform) -> list[object]:
    """All that such a change could leave behind."""
    store = platform.store
    users = await store.users()
    rows = [await store.memberships(), await store.allowances(), await store.images()]
    tokens = [await store.tokens(user.name) for user in users]
    told = [one for one in await store.events(0) if one.draft.actor in {"root", "alice"}]
    return [users, *rows, tokens, await store.storage(), await store.quotas(), told]


async def ask(client: Client, verb: str, path: str, body: object) -> tuple[int, Any]:
    """Status and answer, without what is never twice the same."""
    reply = await client.request(verb, f"{API}{path}", json=body)
    answer = reply.json() if reply.content else {}
    answer.pop("request_id", None)
    answer.pop("token", None)
    answer.get("user", {}).pop("created_at", None)
    return reply.status_code, answer


async def test_a_dry_run_answers_as_the_change_and_writes_nothing(
    platform: Platform, admin: Client, alice: Client
) -> None:
    for verb, path, body in CHANGES:
        before = await written(platform)
        by_path = await ask(admin, verb, f"/dry-run{path}", body)
        by_query = await ask(admin, verb, f"{path}?dry_run=true", body)
        assert await written(platform) == before, (verb, path)
        status, answer = await ask(admin, verb, path, body)
        assert await written(platform) != before, (verb, path)
        assert by_path == by_query == (200 if status == 201 else status, answer)
        assert status in (200, 201, 204)


async def test_a_dry_run_is_refused_as_the_change_is(
    platform: Platform, admin: Client, alice: Client
) -> None:
    before = await written(platform)
    for verb, path, body, status in REFUSED:
        refused = await ask(admin, verb, path, body)
        assert refused[0] == status, refused
        for way in (f"/dry-run{path}", f"{path}?dry_run=true"):
            assert await ask(admin, verb, way, body) == refused
    for verb, path, body in CHANGES:
        denied = await ask(alice, verb, path, body)
        assert denied[0] == 403
        assert await ask(alice, verb, f"/dry-run{path}", body) == denied
        async with connect(platform, "hai_none") as stranger:
            assert (await ask(stranger, verb, f"/dry-run{path}", body))[0] == 401
    assert await written(platform) == before


async def test_a_dry_run_tells_no_groups_of_who_has_no_team(
    platform: Platform, admin: Client, alice: Client
) -> None:
    """Rows of an import may name the group of nobody."""
    event = EventDraft(kind="rows.imported", actor="import", at=0.0)
    rows = RowSet(memberships=(Membership("", "secret"),))
    await platform.store.put_rows(rows, event)
    _, answer = await ask(admin, "PATCH", "/dry-run/users/alice", {"groups": ["ops"]})
    assert answer["user"]["groups"] == ["ops"]
