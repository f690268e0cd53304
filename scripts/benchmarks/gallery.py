"""Pictures for the documents, taken from a live platform with hollow nodes: scripts/screenshots.

The platform is real, its work is simulated: some users, gangs of several sizes, one drained node.
"""

import asyncio
import os
import time
import uuid
from pathlib import Path
from typing import Any

import httpx2

from hai.client.http import HaiClient
from hai.client.profile import Profile
from hai.tui.actions import Mode
from hai.tui.app import HaiTop, Opening
from hai.tui.glyphs import UNICODE
from hai.tui.main import wall_clock
from hai.tui.preferences import Preferences
from scripts.benchmarks.platform import Platform, platform
from tests.tui.pictures import picture

FOLDER = Path(__file__).parents[2] / "docs" / "images"
SIZE = (110, 30)
NODES = 96
USERS = ("ada", "grace", "edsger", "barbara")
SETTLE_SECONDS = 100  # some points of the last hour
_PROGRAM = """
import random, time
for step in range(10000):
    print(f"step {step:5d}  loss {2.3 * 0.999 ** step + random.random() / 20:.4f}", flush=True)
    time.sleep(0.2)
"""


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with platform(NODES) as live:
        tokens = _people(live)
        log_of = _work(live, tokens)
        time.sleep(SETTLE_SECONDS)
        _work(live, tokens, waves=1)
        asyncio.run(_pictures(live, tokens["ada"], log_of))


def _client(live: Platform, token: str) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.Client(base_url=f"{live.url}/api/v1", headers=headers, timeout=30)


def _people(live: Platform) -> dict[str, str]:
    """Tokens by name; as root everybody needs a Unix account of a person."""
    tokens = {}
    with _client(live, live.token) as admin:
        for number, name in enumerate(USERS):
            uid = 64_400 + number if os.getuid() == 0 else None
            reply = admin.post("/users", json={"name": name, "uid": uid})
            tokens[name] = reply.json()["token"]["token"]
    return tokens


def _work(live: Platform, tokens: dict[str, str], waves: int = 3) -> int:
    """Gangs of several sizes and levels; the id of a real task that writes a log."""
    sizes = (16, 4, 8, 2, 1, 24, 1, 6)
    levels = ("NORMAL", "HIGH", "NORMAL", "LOW", "ABOVE_NORMAL", "NORMAL", "LOW", "NORMAL")
    for wave in range(waves):
        for number, (name, token) in enumerate(tokens.items()):
            for step in range(4):
                pick = (wave + number * 3 + step) % len(sizes)
                _submit(live, token, f"{name}-{_words(pick)}-{uuid.uuid4().hex[:3]}", sizes[pick],
                        levels[pick], 30 + 40 * pick)  # fmt: skip
    (live.folder / "train.py").write_text(_PROGRAM)
    with _client(live, live.token) as root:
        spec = {"entrypoint": "train.py", "workspace": str(live.folder)}
        body = {"version": 2, "name": f"digits-{uuid.uuid4().hex[:3]}", "spec": spec,
                "priority": "NORMAL", "resource": {"node_count": 2}}  # fmt: skip
        return int(root.post("/tasks", json=body).json()["id"])


def _words(pick: int) -> str:
    return ("gpt", "eval", "vit", "probe", "debug", "llm", "sweep", "bert")[pick]


def _submit(live: Platform, token: str, name: str, nodes: int, level: str, seconds: int) -> None:
    body: dict[str, Any] = {
        "version": 2,
        "name": name,
        "priority": level,
        "spec": {"entrypoint": "train.py"},
        "resource": {"group": "hollow", "node_count": nodes},
        "options": {"simulate": {"seconds": seconds}},
    }
    with _client(live, token) as client:
        client.post("/tasks", json=body)


async def _pictures(live: Platform, token: str, log_of: int) -> None:
    for name, view, who in (
        ("cluster", "cluster", token),
        ("queue", "queue", token),
        ("users", "users", token),
        ("events", "events", token),
        ("task", f"task {log_of}", live.token),
        ("logs", f"logs {log_of}", live.token),
    ):
        client = HaiClient(Profile(live.url, who))
        app = HaiTop(client, Opening(Mode(), Preferences(), UNICODE, wall_clock, view=view))
        app.server_name = "hai.example"
        async with app.run_test(size=SIZE) as pilot:
            while not app.model.complete:
                await pilot.pause(0.05)
            await pilot.pause(2)
            (FOLDER / f"{name}.svg").write_text(picture(app))
            print(f"docs/images/{name}.svg")


if __name__ == "__main__":
    main()
