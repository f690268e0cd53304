"""Tokens of tokens: none outlives or survives the one that it was made with."""

from hai.server.compose import Platform
from tests.integration.api import Client, connect


async def make(client: Client, name: str, **body: object) -> dict[str, str]:
    reply = await client.post(f"/api/v1/users/{name}/tokens", json=body)
    assert reply.status_code == 201, reply.text
    made: dict[str, str] = reply.json()
    return made


async def works(platform: Platform, secret: str) -> bool:
    async with connect(platform, secret) as client:
        return (await client.get("/api/v1/whoami")).status_code == 200


async def test_a_short_lived_token_makes_none_for_ever(platform: Platform, alice: Client) -> None:
    short = await make(alice, "alice", expires_in_seconds=600)
    async with connect(platform, short["token"]) as client:
        child = await make(client, "alice")
        assert child["expires_at"] == short["expires_at"]
        longer = await client.post(
            "/api/v1/users/alice/tokens", json={"expires_in_seconds": 100_000}
        )
        assert longer.status_code == 422
        assert short["expires_at"][:19] in longer.json()["message"]
        assert (await make(client, "alice", expires_in_seconds=60))["expires_at"] is not None


async def test_an_admins_short_token_makes_no_user_for_ever(
    platform: Platform, admin: Client
) -> None:
    short = await make(admin, "root", expires_in_seconds=600)
    async with connect(platform, short["token"]) as client:
        added = await client.post("/api/v1/users", json={"name": "carol", "uid": 12346})
        assert added.json()["token"]["expires_at"] == short["expires_at"]
        assert (await make(client, "carol"))["expires_at"] == short["expires_at"]


async def test_children_end_with_their_parent(platform: Platform, alice: Client) -> None:
    parent = await make(alice, "alice", label="laptop")
    async with connect(platform, parent["token"]) as client:
        child = await make(client, "alice")
    async with connect(platform, child["token"]) as client:
        grandchild = await make(client, "alice")
    listed = (await alice.get("/api/v1/users/alice/tokens")).json()["tokens"]
    assert [row["parent"] for row in listed][-2:] == [parent["id"], child["id"]]
    assert all("token" not in row for row in listed)
    reply = await alice.delete(f"/api/v1/tokens/{parent['id']}")  # one's own needs no admin
    assert reply.status_code == 204
    for made in (parent, child, grandchild):
        assert not await works(platform, made["token"])
    assert (await alice.get("/api/v1/whoami")).status_code == 200


async def test_others_tokens_are_not_shown_or_ended(
    platform: Platform, admin: Client, alice: Client
) -> None:
    other = await make(admin, "root")
    assert (await alice.get("/api/v1/users/root/tokens")).status_code == 403
    assert (await alice.delete(f"/api/v1/tokens/{other['id']}")).status_code == 403
    assert (await alice.delete("/api/v1/tokens/no-such-token")).status_code == 403
    assert await works(platform, other["token"])
    assert (await admin.get("/api/v1/users/alice/tokens")).status_code == 200


async def test_what_an_admin_makes_for_others_stays_when_the_admins_token_goes(
    platform: Platform, admin: Client, alice: Client
) -> None:
    laptop = await make(admin, "root")
    async with connect(platform, laptop["token"]) as client:
        made = await make(client, "alice")
    await admin.delete(f"/api/v1/tokens/{laptop['id']}")
    assert await works(platform, made["token"])


async def test_there_is_a_most_of_tokens(alice: Client) -> None:
    for _ in range(99):
        await make(alice, "alice")
    reply = await alice.post("/api/v1/users/alice/tokens", json={})
    assert reply.status_code == 403
    assert reply.json()["code"] == "over_quota"
