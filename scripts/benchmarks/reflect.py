"""The process that is measured: reflectors of pods, and of nodes, and nothing else.

usage: python -m scripts.benchmarks.reflect KUBECONFIG NODES PODS EVENTS      It prints JSON.
"""

import asyncio
import gc
import json
import sys
import time
from pathlib import Path

import psutil

from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.reflector import Reflector

_NODES = "/api/v1/nodes"
_PODS = "/api/v1/namespaces/hai-tasks/pods"


async def reflect(kubeconfig: Path, nodes: int, pods: int, events: int) -> dict[str, float]:
    """CPU seconds, MiB above the imported program, wall seconds."""
    process = psutil.Process()
    gc.collect()
    memory, cpu, began = process.memory_info().rss, _cpu(), time.monotonic()
    async with await KubernetesClient.open(kubeconfig) as client:
        changes = 0

        def count(_: object) -> None:
            nonlocal changes
            changes += 1

        of_pods = Reflector(client, _PODS, on_change=count)
        of_nodes = Reflector(client, _NODES)
        await of_pods.start()
        await of_pods.wait_synced()
        listed = _cpu() - cpu
        if nodes:
            await of_nodes.start()
            await of_nodes.wait_synced()
        await of_pods.wait_for(lambda _: changes >= pods + events)
        figures = {
            "list_cpu_seconds": listed,
            "cpu_seconds": _cpu() - cpu,
            "memory_mib": (process.memory_info().rss - memory) / 2**20,
            "peak_mib": _peak_mib() - memory / 2**20,
            "seconds": time.monotonic() - began,
        }
        assert len(of_pods.items) == pods
        assert len(of_nodes.items) == nodes
        assert changes == pods + events, "lost or repeated"
        await of_pods.close()
        await of_nodes.close()
    return figures


def _peak_mib() -> float:
    """Of this program; getrusage tells that of who started it, if it was larger."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 2**10


def _cpu() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[2:5]]
    print(json.dumps(asyncio.run(reflect(Path(sys.argv[1]), *numbers))))
