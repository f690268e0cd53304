"""What a server costs that has nothing to do."""

import time

import psutil

from scripts.benchmarks.figures import Figure, figure
from scripts.benchmarks.platform import platform

SETTLE_SECONDS = 5
WINDOWS = 4
WINDOW_SECONDS = 10


def idle() -> list[Figure]:
    """CPU share of one core and resident memory of hai-server; PostgreSQL is counted apart."""
    with platform() as live:
        server = psutil.Process(live.server_pid())
        time.sleep(SETTLE_SECONDS)
        shares, sizes = [], []
        for _ in range(WINDOWS):
            before = _cpu_seconds(server)
            time.sleep(WINDOW_SECONDS)
            shares.append((_cpu_seconds(server) - before) / WINDOW_SECONDS * 100)
            sizes.append(server.memory_info().rss / 2**20)
    return [
        figure("idle server, CPU", shares, "% core", "<=", 2),
        figure("idle server, memory", sizes, "MiB", "<=", 150),
    ]


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
