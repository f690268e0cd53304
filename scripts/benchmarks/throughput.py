"""What one server takes: submits per second, and short tasks finished per second."""

import json
import subprocess
import sys
import time
import uuid
from typing import Any

import httpx2

from scripts.benchmarks.figures import Figure, figure
from scripts.benchmarks.platform import Platform, platform

ROUNDS = 3
SUBMITS = 4000
FINISHED = 3000
CONNECTIONS = 16
HOLLOW_NODES = 500


def submits() -> list[Figure]:
    """Submits of tasks that then wait: every node is taken."""
    with platform(HOLLOW_NODES) as live:
        _load(live, HOLLOW_NODES, seconds=3600)
        rates = []
        for _ in range(ROUNDS):
            result = _load(live, SUBMITS, seconds=3600)
            rates.append(SUBMITS / result["seconds"])
    return [figure("submits", rates, "/s", ">=", 500)]


def finished() -> list[Figure]:
    """Short tasks (0.1 s) from the first submit until the last has ended, on hollow nodes."""
    with platform(HOLLOW_NODES) as live:
        rates = []
        for number in range(1, ROUNDS + 1):
            began = time.perf_counter()
            _load(live, FINISHED, seconds=0.1)
            _wait_for(live, number * FINISHED)
            rates.append(FINISHED / (time.perf_counter() - began))
    return [figure("short tasks submitted, run and finished", rates, "/s", ">=", 100)]


def _load(live: Platform, count: int, seconds: float) -> dict[str, Any]:
    run = uuid.uuid4().hex[:6]
    bodies = [
        {
            "version": 2,
            "name": f"bench-{run}-{index}",
            "priority": "NORMAL",
            "spec": {"entrypoint": "train.py"},
            "resource": {"group": "hollow", "node_count": 1},
            "options": {"simulate": {"seconds": seconds}},
        }
        for index in range(count)
    ]
    order = {
        "host": "127.0.0.1",
        "port": live.port,
        "token": live.token,
        "connections": CONNECTIONS,
        "bodies": bodies,
    }
    done = subprocess.run(
        [sys.executable, "-m", "scripts.benchmarks.load"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    if result["refused"]:
        raise SystemExit(f"{result['refused']} submits were refused")
    return result


def _wait_for(live: Platform, count: int) -> None:
    headers = {"Authorization": f"Bearer {live.token}"}
    query = {"user": "all", "state": "succeeded", "page_size": "1"}
    with httpx2.Client(base_url=f"{live.url}/api/v1", headers=headers, timeout=30) as client:
        while client.get("/tasks", params=query).json()["total"] < count:
            time.sleep(0.05)
