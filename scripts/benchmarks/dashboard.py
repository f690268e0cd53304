"""How long the whole dashboard takes when 30,000 tasks wait."""

import time

import httpx2

from scripts.benchmarks.figures import Figure, figure
from scripts.benchmarks.platform import platform

TASKS = 30_000
_ARRAY = 10_000
_ASKED = 10


def dashboard() -> list[Figure]:
    """GET /dashboard, from the request to the last byte."""
    with platform(hollow_nodes=4) as live:
        headers = {"Authorization": f"Bearer {live.token}"}
        with httpx2.Client(base_url=f"{live.url}/api/v1", headers=headers, timeout=120) as client:
            for number in range(TASKS // _ARRAY):
                document = {
                    "version": 2,
                    "name": f"many-{number}",
                    "priority": "HIGH",
                    "spec": {"entrypoint": "train.py"},
                    "resource": {"group": "hollow", "node_count": 1},
                    "options": {"simulate": {"seconds": 3600}, "array": f"0-{_ARRAY - 1}"},
                }
                client.post("/tasks", json=document).raise_for_status()
            while len(client.get("/dashboard").json()["tasks"]) < TASKS:
                time.sleep(0.5)
            samples = []
            for _ in range(_ASKED):
                began = time.perf_counter()
                client.get("/dashboard").raise_for_status()
                samples.append((time.perf_counter() - began) * 1000)
                time.sleep(0.5)
    return [figure("GET /dashboard with 30,000 tasks", samples, "ms", "<=", 1000)]
