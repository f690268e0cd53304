"""Many follow few logs while the machine is busy: every one of them gets every byte, once."""

import asyncio
import base64
import json
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from tests.acceptance.conftest import MakeLive
from tests.acceptance.person import Person
from tests.live import Live
from tests.waiting import PATIENCE_SECONDS, async_wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("followers")]

# Bursts of lines, lines in pieces, and bytes that are no text; a copy shows what was written.
WRITER = r"""
import os, random, sys, time
rank = os.environ["RANK"]
draw = random.Random(rank + sys.argv[1])
while not os.path.exists("go"):
    time.sleep(0.02)
with open(f"copy.{sys.argv[1]}.{rank}", "wb") as copy:
    for burst in range(80):
        for line in range(draw.choice([1, 1, 3, 300])):
            data = b"%d %d " % (burst, line) + draw.choice(
                [b"plain", "\N{SNOWMAN}".encode() * 40, draw.randbytes(30), b"\r 10%", b"x" * 2000]
            )
            for piece in (data[:9], data[9:] + draw.choice([b"\n", b"\n", b""])):
                copy.write(piece)
                sys.stdout.buffer.write(piece)
                if draw.random() < 0.02:
                    sys.stdout.buffer.flush()
        sys.stdout.buffer.flush()
        time.sleep(0.05 * draw.random())
"""


@dataclass
class Follower:
    """Follows one task. `slow` ones take little at a time and rest, `leaving` ones come again with
    their cursor after that many events."""

    live: Live
    task: int
    rank: str
    slow: bool = False
    leaving: int = 0
    got: dict[int, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    cursor: str = ""
    has_ended: bool = False

    async def run(self) -> None:
        while not self.has_ended:
            await self._connected()

    async def _connected(self) -> None:
        plug = socket.socket()
        if self.slow:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", self.live.port))
        reader, writer = await asyncio.open_connection(sock=plug, limit=2**25)
        writer.write(
            f"GET /api/v1/tasks/{self.task}/logs?follow=1&rank={self.rank}&cursor={self.cursor}"
            f" HTTP/1.0\r\nAuthorization: Bearer {self.live.tokens['root']}\r\n\r\n".encode()
        )
        events = 0
        cursor = ""
        try:
            async for line in reader:
                if line.startswith(b"id: "):
                    cursor = line[4:].strip().decode()
                elif line.startswith(b"event: end"):
                    self.has_ended = True
                elif line.startswith(b'data: {"lines"'):
                    self._take(json.loads(line[6:]))
                    self.cursor = cursor
                    events += 1
                    if self.leaving and events >= self.leaving:
                        return
                    if self.slow and events % 5 == 0:
                        await asyncio.sleep(0.2)
        finally:
            writer.close()

    def _take(self, data: dict[str, Any]) -> None:
        for line in data["lines"]:
            text = base64.b64decode(line["raw"]) if "raw" in line else line["text"].encode()
            self.got[line["rank"]] += text if line.get("open") else text + b"\n"


@pytest.fixture
def busy_core() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as burner:
        yield
        burner.kill()


@pytest.mark.usefixtures("busy_core")
async def test_every_follower_gets_every_byte(make_live: MakeLive) -> None:
    live = make_live()
    live.script("writer.py", WRITER)
    tasks = [
        live.submit(name=f"writer-{name}", entrypoint="writer.py", parameters=name, nodes=2)
        for name in ("one", "two")
    ]
    for task in tasks:
        live.wait(task, "running")
    followers = [
        Follower(
            live,
            tasks[i % 2],
            ("all", "0", "1")[i % 3],
            slow=i % 10 == 4,
            leaving=(0, 7)[i % 5 == 3],
        )
        for i in range(60)
    ]
    jobs = [asyncio.create_task(one.run()) for one in followers]
    await asyncio.to_thread((live.work_dir / "go").touch)
    async with asyncio.timeout(10 * PATIENCE_SECONDS):
        await asyncio.gather(*jobs)
    late = [Follower(live, task, "all") for task in tasks]
    await asyncio.gather(*(one.run() for one in late))
    written = {
        (task, rank): (live.work_dir / f"copy.{name}.{rank}").read_bytes()
        for task, name in zip(tasks, ("one", "two"), strict=True)
        for rank in (0, 1)
    }
    for one in [*followers, *late]:
        ranks = (0, 1) if one.rank == "all" else (int(one.rank),)
        assert set(one.got) == set(ranks)
        for rank in ranks:
            assert bytes(one.got[rank]) == written[one.task, rank], one


async def test_streams_are_bounded_per_user_and_say_what_to_do(make_live: MakeLive) -> None:
    """One who has too many open is refused; others are not, and one that ends makes room."""
    live = make_live(settings={"HAI_SERVER__STREAMS_PER_USER": "5"})
    live.add_user("alice")
    live.script("wait.py", "import time\ntime.sleep(600)\n")
    task = live.submit(name="wait.py")
    live.wait(task, "running")
    jobs = [asyncio.create_task(Follower(live, task, "0").run()) for _ in range(5)]
    headers = {"Authorization": f"Bearer {live.tokens['root']}"}
    url = f"{live.url}/api/v1"
    async with httpx2.AsyncClient(headers=headers, timeout=PATIENCE_SECONDS) as client:

        async def is_full() -> bool:
            return not await _opens(client, f"{url}/tasks/{task}/logs")

        await async_wait_until(is_full, what="all places taken")
        for path in (f"/tasks/{task}/logs", f"/tasks/{task}/watch", "/events", "/dashboard/stream"):
            reply = await client.get(url + path)
            assert (reply.status_code, reply.json()["code"]) == (429, "too_many")
            assert "streams_per_user" in reply.json()["hint"]
        assert (await client.get(f"{url}/whoami")).status_code == 200
        refused = await asyncio.to_thread(Person(live), "logs", "-f", str(task))
        assert refused.code == 5
        assert "root has 5 streams open at this server" in refused.err
        assert "ask an admin to raise [server] streams_per_user" in refused.err
        with live.client("alice") as alice:
            assert alice.get("/events").status_code == 200
        jobs.pop().cancel()
        await async_wait_until(
            lambda: _opens(client, f"{url}/tasks/{task}/logs"), what="a place that is free again"
        )
    with live.client() as root:
        root.post(f"/tasks/{task}/stop")
    await asyncio.gather(*jobs)


async def _opens(client: httpx2.AsyncClient, url: str) -> bool:
    return (await client.get(url)).status_code == 200
