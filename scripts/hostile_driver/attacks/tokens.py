"""Tokens that should not be, or not for so long."""

import math
from typing import Any

import httpx2

from hai.core.moments import unix_seconds
from scripts.chaos_driver.site import LocalSite
from scripts.chaos_driver.waiting import Violation
from scripts.hostile_driver.attacks import ATTACKER, VICTIM, Scene, local


def _make(client: httpx2.Client, **body: object) -> dict[str, Any]:
    reply = client.post(f"/users/{ATTACKER}/tokens", json=body).raise_for_status()
    made: dict[str, Any] = reply.json()
    return made


def _works(site: LocalSite, token: str) -> bool:
    with site.client(token) as client:
        return client.get("/whoami").status_code == 200


@local("minted-tokens", "a token's children never outlive it, and end with it")
def minted_tokens(scene: Scene[LocalSite]) -> str:
    site = scene.site
    with site.client(scene.tokens[ATTACKER]) as own:
        short = _make(own, expires_in_seconds=600)
        with site.client(short["token"]) as client:
            child = _make(client)
            longer = client.post(
                f"/users/{ATTACKER}/tokens", json={"expires_in_seconds": 1_000_000}
            )
        with site.client(child["token"]) as client:
            grandchild = _make(client)
        for made in (child, grandchild):
            if _at(made) > _at(short):
                raise Violation(f"made for ever by a token that ends at {short['expires_at']}")
        if longer.status_code < 400:
            raise Violation("a token that is to outlive its parent is made")
        own.delete(f"/tokens/{short['id']}").raise_for_status()
    alive = [made["id"] for made in (short, child, grandchild) if _works(site, made["token"])]
    if alive:
        raise Violation(f"tokens {alive} live on after their parent was revoked")
    return "children end when their parent does, or is revoked"


def _at(made: dict[str, Any]) -> float:
    """When it ends, as Unix seconds; for ever is later than everything."""
    text = made["expires_at"]
    return math.inf if text is None else unix_seconds(text)


@local("token-flood", "tokens of one user are bounded, and locked away from others")
def token_flood(scene: Scene[LocalSite]) -> str:
    with scene.site.client(scene.tokens[ATTACKER]) as client:
        statuses = [
            client.post(f"/users/{ATTACKER}/tokens", json={}).status_code for _ in range(110)
        ]
        others = client.get(f"/users/{VICTIM}/tokens").status_code
        for_others = client.post(f"/users/{VICTIM}/tokens", json={}).status_code
    if 403 not in statuses:
        raise Violation(f"{len(statuses)} tokens were made at once")
    if others != 403 or for_others != 403:
        raise Violation(f"another's tokens: listed {others}, made {for_others}")
    return f"{statuses.count(201)} of {len(statuses)} were made; another's are not shown"
