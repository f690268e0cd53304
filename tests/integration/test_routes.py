"""The client's table of routes is the server's."""

import re

from hai.client.routes import ROUTES
from tests.integration.api import Client

# Asked by agents, health checks, scrapers and people alone.
OF_OTHERS = re.compile(r"/api/v1/(agent|workers)|/(healthz|readyz|metrics|docs)")


def answers(served: str, asked: str) -> bool:
    """A name in the server's path stands for any part of one, verbs too."""
    parts = zip(served.split("/"), asked.split("/"), strict=False)
    return served.count("/") == asked.count("/") and all(
        mine == theirs or mine.startswith("{") for mine, theirs in parts
    )


async def test_each_side_knows_the_routes_of_the_other(alice: Client) -> None:
    paths = (await alice.get("/openapi.json")).json()["paths"]
    served = [(verb.upper(), path) for path in paths for verb in paths[path]]
    asked = [(route.method, route.path) for route in ROUTES.values()]
    missing = [
        one for one in asked if not any(one[0] == v and answers(p, one[1]) for v, p in served)
    ]
    assert missing == []
    unused = [
        one for one in served if not any(one[0] == v and answers(one[1], p) for v, p in asked)
    ]
    assert {path for _, path in unused if not OF_OTHERS.match(path)} == set()
