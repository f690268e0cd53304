"""What `hai-cli top` costs with 10,000 tasks and 2,000 hollow nodes, at a pseudo terminal."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from scripts.benchmarks.figures import Figure, figure
from scripts.benchmarks.platform import Platform, platform
from scripts.benchmarks.throughput import _load

NODES = 2000
TASKS = 10_000
STARTS = 10
KEYS = 400
IDLE_WINDOWS = 4
IDLE_SECONDS = 10
HOUR_SECONDS = 90  # of a busy hour, sped up: tasks come and go all the time
_TAKES_OVER = b"\x1b[?1049h"
_QUIET_SECONDS = 0.04


@dataclass
class Screen:
    """A dashboard at a terminal of 120 columns and 40 lines."""

    process: subprocess.Popen[bytes]
    terminal: int
    began: float
    seen: bytes = b""

    def read(self, seconds: float) -> bytes:
        """What came within `seconds`; b"" for nothing."""
        ready, _, _ = select.select([self.terminal], [], [], seconds)
        if not ready:
            return b""
        part = os.read(self.terminal, 1 << 20)
        self.seen += part
        return part

    def wait_for(self, text: bytes, seconds: float = 30) -> float:
        """When `text` was there, in seconds since the start."""
        deadline = time.perf_counter() + seconds
        while text not in self.seen:
            if time.perf_counter() > deadline:
                raise SystemExit(f"{text!r} did not appear: {self.seen[-2000:]!r}")
            self.read(0.5)
        return time.perf_counter() - self.began

    def settle(self) -> None:
        """Until nothing is drawn for a moment."""
        while self.read(_QUIET_SECONDS):
            pass

    def press(self, key: bytes) -> float:
        """Seconds from a key until its picture was complete."""
        self.settle()
        began = last = time.perf_counter()
        os.write(self.terminal, key)
        first = self.read(2.0)
        if first:
            last = time.perf_counter()
        while self.read(0.015):  # the rest of the same picture
            last = time.perf_counter()
        return last - began


@contextmanager
def _screen(live: Platform, *words: str) -> Iterator[Screen]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = {**live.environment, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    began = time.perf_counter()
    process = subprocess.Popen(
        live.command("hai-cli", "top", *words),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Screen(process, ours, began)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def top() -> list[Figure]:
    """First picture, keys, idle, and memory while everything changes."""
    with platform(NODES) as live:
        _load(live, TASKS, seconds=36_000)
        time.sleep(5)
        return [*_starts(live), *_keys(live), *_idle(live), *_memory(live)]


def _starts(live: Platform) -> list[Figure]:
    paints, datas, totals = [], [], []
    for _ in range(STARTS):
        with _screen(live, "queue") as screen:
            up = screen.wait_for(_TAKES_OVER)
            paint = screen.wait_for(b"queue")
            data = screen.wait_for(b"bench-")
            paints.append((paint - up) * 1000)
            datas.append((data - up) * 1000)
            totals.append(data * 1000)
    return [
        figure("hai top, start-up to first paint", paints, "ms", "<=", 300),
        figure("hai top, start-up to first tasks", datas, "ms", "<=", 500),
        figure("hai top, whole start of the program to tasks", totals, "ms", "<=", 1500),
    ]


def _keys(live: Platform) -> list[Figure]:
    """The 99th percentile is what is held against the target."""
    took: dict[str, list[float]] = {}
    with _screen(live, "queue") as screen:
        screen.wait_for(b"10,000")
        screen.settle()
        for number in range(KEYS):
            name, key = (("row", b"j"), ("page", b"\x06"), ("row", b"k"), ("end", b"G"),
                         ("start", b"g"))[number % 5]  # fmt: skip
            took.setdefault(name, []).append(screen.press(key) * 1000)
    every = sorted(value for values in took.values() for value in values)
    p99 = every[int(len(every) * 0.99) - 1]
    return [
        figure("hai top, key to paint", every, "ms", "<=", 50),
        Figure("hai top, key to paint, 99th percentile", "ms", p99, every[-1], KEYS, "<=", 50),
    ]


def _idle(live: Platform) -> list[Figure]:
    with _screen(live, "queue") as screen:
        screen.wait_for(b"10,000")
        shares, sizes = [], []
        process = psutil.Process(screen.process.pid)
        _drain(screen, 5)
        for _ in range(IDLE_WINDOWS):
            before = sum(process.cpu_times()[:2])
            _drain(screen, IDLE_SECONDS)
            shares.append((sum(process.cpu_times()[:2]) - before) / IDLE_SECONDS * 100)
            sizes.append(process.memory_info().rss / 2**20)
    return [
        figure("hai top, idle, CPU", shares, "% core", "<=", 10),
        figure("hai top, idle, memory", sizes, "MiB", "<=", 200),
    ]


def _memory(live: Platform) -> list[Figure]:
    """Tasks come and go; memory after as many changes as a busy hour brings."""
    with _screen(live, "queue") as screen:
        screen.wait_for(b"10,000")
        process = psutil.Process(screen.process.pid)
        _drain(screen, 5)
        before = process.memory_info().rss
        deadline = time.perf_counter() + HOUR_SECONDS
        while time.perf_counter() < deadline:
            _churn(live)
            _drain(screen, 1)
        grown = (process.memory_info().rss - before) / 2**20
        share = sum(process.cpu_times()[:2]) / (time.perf_counter() - screen.began) * 100
    return [
        figure("hai top, memory grown while 10,000s of tasks change", [grown], "MiB", "<=", 50),
        figure("hai top, CPU meanwhile", [share], "% core", "<=", 60),
    ]


def _churn(live: Platform) -> None:
    """Three hundred tasks of a second each, submitted and stopped in the same breath."""
    import httpx2

    headers = {"Authorization": f"Bearer {live.token}"}
    query = {"user": "all", "state": "queued", "page_size": "100"}
    _load(live, 300, seconds=1)
    with httpx2.Client(base_url=f"{live.url}/api/v1", headers=headers, timeout=60) as client:
        for page in (1, 2, 3):
            found = client.get("/tasks", params={**query, "page": str(page)}).json()["tasks"]
            for task in found:
                client.post(f"/tasks/{task['id']}/stop")


def _drain(screen: Screen, seconds: float) -> None:
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        screen.read(0.2)
        screen.seen = screen.seen[-1000:]
