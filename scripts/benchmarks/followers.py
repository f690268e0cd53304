"""What it costs to follow: 1,000 followers of 100 logs, each with 10 lines per second.

The tasks are hollow and their logs are written here, as agents write them, so that the machine's
time goes to the server and to those who read. Every follower must get every line.
"""

import asyncio
import multiprocessing
import re
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import httpx2
import psutil

from hai.agent.lines import prefix
from hai.agent.logs import wall_time
from hai.agent.segments import segment_name
from scripts.benchmarks.figures import Figure, figure
from scripts.benchmarks.platform import Platform, platform

LOGS = 100
FOLLOWERS = 1000
LINES_PER_SECOND = 10
WINDOWS = 5  # of measuring
WINDOW_SECONDS = 5.0
_WARM_SECONDS = 5.0
_STEP = re.compile(rb'"text":"step (\d+) ')


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the readers follow, and how many lines each of them is to get."""

    port: int
    token: str
    tasks: tuple[int, ...]
    lines: int


def followers() -> list[Figure]:
    """Processor time of the server, and how long `whoami` takes meanwhile."""
    most = {"HAI_SERVER__STREAMS_PER_USER": str(2 * FOLLOWERS)}
    with platform(hollow_nodes=LOGS, settings=most) as live:
        tasks = _running(live)
        _, alone = _measured(live, windows=1)
        seconds = _WARM_SECONDS + WINDOWS * WINDOW_SECONDS + 5
        lines = round(seconds * LINES_PER_SECOND)
        context = multiprocessing.get_context("spawn")
        ready = context.Event()
        counts: multiprocessing.Queue[list[int]] = context.Queue()
        wanted = _Wanted(live.port, live.token, tuple(tasks), lines)
        reading = context.Process(target=_read, args=(wanted, ready, counts))
        writing = context.Process(target=_write, args=(live.data_dir / "logs", tasks, lines))
        reading.start()
        try:
            if not ready.wait(120):
                raise SystemExit("the followers could not connect")
            writing.start()
            time.sleep(_WARM_SECONDS)
            shares, waits = _measured(live)
            got = counts.get(timeout=120)
        finally:
            for process in (reading, writing):
                if process.pid is not None:
                    process.terminate()
                    process.join()
    missing = sum(lines - count for count in got)
    if missing or len(got) != FOLLOWERS:
        raise SystemExit(f"{missing} lines did not reach their followers")
    return [
        figure("1,000 followers of 100 logs: server", shares, "% core", "<=", 60),
        figure("... `whoami` meanwhile, 99th percentile", _late(waits), "ms", "<=", 100),
        figure("... and before anybody followed", _late(alone), "ms", "<=", 100),
    ]


def _late(windows: list[list[float]]) -> list[float]:
    return [quantiles(window, n=100, method="inclusive")[98] for window in windows]


def _running(live: Platform) -> list[int]:
    """Tasks that run until the end."""
    headers = {"Authorization": f"Bearer {live.token}"}
    with httpx2.Client(base_url=f"{live.url}/api/v1", headers=headers, timeout=60) as client:
        document = {
            "version": 2,
            "name": "followed",
            "priority": "HIGH",
            "spec": {"entrypoint": "train.py"},
            "resource": {"group": "hollow", "node_count": 1},
            "options": {"simulate": {"seconds": 3600}, "array": f"0-{LOGS - 1}"},
        }
        reply = client.post("/tasks", json=document)
        reply.raise_for_status()
        first = int(reply.json()["id"])
        tasks = list(range(first, first + LOGS))
        while True:
            found = client.get("/tasks", params={"state": "running", "page_size": 200}).json()
            if len(found["tasks"]) >= LOGS:
                return tasks
            time.sleep(0.2)


def _measured(live: Platform, windows: int = WINDOWS) -> tuple[list[float], list[list[float]]]:
    """By window: the server's share of a core in per cent, and milliseconds of `whoami`."""
    server = psutil.Process(live.server_pid())
    headers = {"Authorization": f"Bearer {live.token}"}
    shares, waits = [], []
    with httpx2.Client(base_url=f"{live.url}/api/v1", headers=headers, timeout=60) as client:
        for _ in range(windows):
            before, began = server.cpu_times(), time.monotonic()
            window = []
            while time.monotonic() - began < WINDOW_SECONDS:
                asked = time.perf_counter()
                client.get("/whoami").raise_for_status()
                window.append((time.perf_counter() - asked) * 1000)
                time.sleep(0.02)
            after, took = server.cpu_times(), time.monotonic() - began
            used = after.user + after.system - before.user - before.system
            shares.append(100 * used / took)
            waits.append(window)
    return shares, waits


def _write(logs: Path, tasks: list[int], lines: int) -> None:
    files = []
    for task in tasks:
        directory = logs / str(task) / "1"
        directory.mkdir(parents=True, exist_ok=True)
        files.append((directory / segment_name(0, 0)).open("ab", buffering=0))
    began = time.monotonic()
    for number in range(lines):
        for place, file in enumerate(files):  # spread over the time between two lines
            due = began + (number + place / len(files)) / LINES_PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
            file.write(prefix(wall_time()) + b"step %d loss 0.12345 lr 0.0003\n" % number)


def _read(wanted: _Wanted, ready: object, counts: "multiprocessing.Queue[list[int]]") -> None:
    counts.put(asyncio.run(_read_all(wanted, ready)))


async def _read_all(wanted: _Wanted, ready: object) -> list[int]:
    connected = asyncio.Semaphore(0)
    jobs = [
        asyncio.create_task(_follow(wanted, wanted.tasks[i % len(wanted.tasks)], connected))
        for i in range(FOLLOWERS)
    ]
    for _ in range(FOLLOWERS):
        await connected.acquire()
    ready.set()  # type: ignore[attr-defined]
    return await asyncio.gather(*jobs)


async def _follow(wanted: _Wanted, task: int, connected: asyncio.Semaphore) -> int:
    """Lines that came, in their order."""
    reader, writer = await asyncio.open_connection("127.0.0.1", wanted.port, limit=2**22)
    ask = (
        f"GET /api/v1/tasks/{task}/logs?follow=1 HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {wanted.token}\r\n\r\n"
    )
    writer.write(ask.encode())
    got = 0
    try:
        while got < wanted.lines:
            line = await reader.readline()
            if line.startswith(b"event: state"):
                connected.release()
            elif line.startswith(b'data: {"lines"'):
                for number in _STEP.findall(line):  # cheap: the machine is the server's
                    if int(number) != got:
                        return got
                    got += 1
            elif not line:
                break
    finally:
        writer.close()
    return got
