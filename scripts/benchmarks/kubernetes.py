"""What it costs to follow a cluster's pods and nodes."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from scripts.benchmarks.figures import Figure, figure

ROUNDS = 3
PODS = 10_000
LARGE_NODES = 10_000
LARGE_PODS = 50_000


def reflector() -> list[Figure]:
    """Listed, and then each pod changes once; against a recorded API in a process of its own."""
    rounds = [measure(0, PODS, PODS) for _ in range(ROUNDS)]
    large = measure(LARGE_NODES, LARGE_PODS, LARGE_PODS)
    name = f"reflector, {PODS} pods listed and changed"
    huge = f"reflector, {LARGE_NODES} nodes and {LARGE_PODS} pods"
    return [
        figure(f"{name}, CPU", [one["cpu_seconds"] for one in rounds], "s", "<=", 3),
        figure(f"{name}, memory", [one["memory_mib"] for one in rounds], "MiB", "<=", 150),
        figure(f"{name}, peak", [one["peak_mib"] for one in rounds], "MiB", "<=", 150),
        figure(f"{huge}, CPU", [large["cpu_seconds"]], "s", "<=", 18),
        figure(f"{huge}, memory", [large["memory_mib"]], "MiB", "<=", 900),
    ]


def measure(nodes: int, pods: int, events: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, _served(nodes, pods, events) as port:
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(_kubeconfig(port)))
        command = [sys.executable, "-m", "scripts.benchmarks.reflect", str(kubeconfig)]
        done = subprocess.run(
            [*command, str(nodes), str(pods), str(events)],
            check=True,
            capture_output=True,
            text=True,
            timeout=600,
        )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


@contextmanager
def _served(nodes: int, pods: int, events: int) -> Iterator[int]:
    command = [sys.executable, "-m", "scripts.benchmarks.recorded_api"]
    with subprocess.Popen(
        [*command, str(nodes), str(pods), str(events)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        yield int(server.stdout.readline())
        server.stdin.close()


def _kubeconfig(port: int) -> dict[str, object]:
    return {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
