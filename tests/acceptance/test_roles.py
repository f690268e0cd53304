"""Several processes are one platform: any of them may die, and so may what is between them."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.acceptance.crash_work import check_all, have_ended, submit_all, work
from tests.acceptance.person import Person
from tests.acceptance.tasks import running
from tests.conftest import PostgresServer
from tests.redis_server import RedisServer, running_redis
from tests.replicas import Replica, Replicas
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.acceptance

PASSWORD = "correct-horse-battery"  # noqa: S105 - made up
TAKEOVER_SECONDS = 10.0


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """With a password, and TLS by an authority that nobody else knows."""
    with running_redis(password=PASSWORD, tls=True) as server:
        yield server


@pytest.fixture
def platform(public_dir: Path, postgres_url: str, redis_server: RedisServer) -> Iterator[Replicas]:
    """Two api and two control processes."""
    password = public_dir / "redis-password"
    password.touch(0o600)
    password.write_text(PASSWORD + "\n")
    bus = {
        "HAI_BUS__URL": redis_server.tls_url,
        "HAI_BUS__PASSWORD_FILE": str(password),
        "HAI_BUS__CA_FILE": str(redis_server.folder / "ca.pem"),
    }
    with closing(Replicas(public_dir, postgres_url, bus=bus)) as replicas:
        replicas.bootstrap()
        replicas.begin_all()
        yield replicas


def metric(replica: Replica, name: str) -> float | None:
    text = httpx2.get(f"http://127.0.0.1:{replica.port}/metrics", timeout=PATIENCE_SECONDS).text
    found = re.search(rf"^{name}(?:\{{[^}}]*\}})? ([0-9.e+]+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def test_each_role_does_its_part(platform: Replicas) -> None:
    leader = platform.leader()
    for one in platform.replicas.values():
        ready = one.ready()
        assert ready is not None
        assert (ready["role"], ready["bus"]) == (one.role, "up")
        assert ready["leads"] is (one is leader)
        assert metric(one, "hai_leads") == (one is leader)
        assert (metric(one, "hai_tasks") is not None) is (one is leader), "sums must be right"
        assert f'"role": "{one.role}"' in one.log()
        assert PASSWORD not in " ".join(psutil.Process(one.pid).cmdline()) + one.log()
        answer = httpx2.get(f"http://127.0.0.1:{one.port}/api/v1/whoami", timeout=PATIENCE_SECONDS)
        assert answer.status_code == (401 if one.role == "api" else 404)
    work(platform)
    long = [platform.submit(name=f"long-{n}", entrypoint="work.py", parameters="600 0", nodes=2)
            for n in range(3)]  # fmt: skip
    for task_id in long[:2]:
        platform.wait(task_id, "running")

    def waits_for() -> str:
        reason: dict[str, str] = platform.detail(long[2])["reason"] or {}
        return reason.get("code", "")

    # no api replica decides anything, and each of them knows as well why a task waits
    for _ in range(4):
        wait_until(lambda: waits_for() not in ("", "not_planned"), what="a reason")
    with platform.client() as client:
        for task_id in long:
            assert client.post(f"/tasks/{task_id}/suspend").status_code == 200
        for task_id in long:
            platform.wait(task_id, "suspended")
            client.post(f"/tasks/{task_id}/stop")
            platform.wait(task_id, "stopped")


def follows(replica: Replica) -> bool:
    return replica.ready() is not None and not replica.leads()


def has_lines(seen: list[int], count: int) -> bool:
    return len(seen) >= count


def takeover(platform: Replicas, old: Replica, at: float) -> float:
    """Seconds from the moment `at` until another process says in its log that it leads."""
    others = [one for one in platform.replicas.values() if one is not old]
    leading = re.compile(r'.*"event": "leads".*')

    def times() -> list[float]:
        lines = [line for one in others for line in leading.findall(one.log())]
        stamps = (datetime.fromisoformat(json.loads(line)["timestamp"]) for line in lines)
        return [stamp.timestamp() for stamp in stamps if stamp.timestamp() >= at]

    return min(wait_until(times, what="another one leads")) - at


def test_the_leader_dies_or_sleeps_and_another_one_goes_on(platform: Replicas) -> None:
    marks = work(platform)
    expected = submit_all(platform, 40)
    took: dict[str, list[float]] = {"killed": [], "stopped": []}
    for round_, least in enumerate((3, 10, 18, 26)):
        wait_until(partial(have_ended, platform, least), what=f"{least} have ended")
        leader = platform.leader()
        at = time.time()  # noqa: TID251 - compared with logs of this machine
        if round_ % 2:
            leader.kill()
            took["killed"].append(takeover(platform, leader, at))
            platform.begin("control", leader.name)
        else:
            os.kill(leader.pid, signal.SIGSTOP)
            took["stopped"].append(takeover(platform, leader, at))
            reached = min(least + 4, 36)
            wait_until(partial(have_ended, platform, reached), what="it goes on")
            os.kill(leader.pid, signal.SIGCONT)
            wait_until(partial(follows, leader), what="it follows")
    check_all(platform, marks, expected)
    print(took)  # noqa: T201 - shown when the test fails
    for seconds in took.values():
        assert min(seconds) < TAKEOVER_SECONDS, took


COUNT = """
import sys, time
for number in range(int(sys.argv[1])):
    print("line", number, flush=True)
    time.sleep(0.05)
"""
LINES = 400


def test_followed_logs_survive_the_replica_that_sends_them(platform: Replicas) -> None:
    platform.script("count.py", COUNT)
    task_id = platform.submit(name="count", entrypoint="count.py", parameters=str(LINES))
    platform.wait(task_id, "running")
    seen: list[int] = []
    with Person(platform).start("logs", "-f", str(task_id)) as reading:
        thread = threading.Thread(target=collect, args=(reading, seen))
        thread.start()
        for name in ("api-1", "api-2"):
            before = len(seen) + 20
            wait_until(partial(has_lines, seen, min(before, LINES)), what="lines")
            platform.replicas[name].kill()
            platform.begin("api", name)
        thread.join(120)
        assert not thread.is_alive()
        assert reading.wait(60) == 0
    assert seen == list(range(LINES)), "each line once, in order"
    platform.wait(task_id, "succeeded")


def collect(reading: subprocess.Popen[bytes], seen: list[int]) -> None:
    assert reading.stdout is not None
    for line in reading.stdout:
        found = re.search(rb"line (\d+)\s*$", line)
        if found:
            seen.append(int(found[1]))


def test_redis_and_postgres_go_away_and_come_back(
    platform: Replicas, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    marks = work(platform)
    expected = submit_all(platform, 12)
    redis_server.kill()
    for one in platform.replicas.values():
        wait_until(partial(says, one, "down"), what=f"{one.name} notices")
    expected |= more(platform, "dark", 12)
    wait_until(lambda: have_ended(platform, 16), what="tasks end without Redis")
    # orders reach agents as well: the event log tells what the bus does not
    asleep = platform.submit(name="asleep", entrypoint="work.py", parameters="600 0")
    platform.wait(asleep, "running")
    with platform.client() as client:
        client.post(f"/tasks/{asleep}/stop")
    platform.wait(asleep, "stopped")
    for mark in marks.glob(f"{asleep}.*"):
        mark.unlink()
    redis_server.start()
    for one in platform.replicas.values():
        wait_until(partial(says, one, "up"), what=f"{one.name} is back")
    expected |= more(platform, "light", 8)
    postgres_server.postgres.restart()
    for number in range(4):
        expected |= retried(partial(more, platform, f"after-{number}", 1))
    platform.leader()
    check_all(platform, marks, expected)


def says(replica: Replica, bus: str) -> bool:
    return (replica.ready() or {}).get("bus") == bus


def more(platform: Replicas, name: str, count: int) -> dict[int, int]:
    return {
        platform.submit(name=f"{name}-{n}", entrypoint="work.py", parameters="0.1 0"): 0
        for n in range(count)
    }


def retried(work: Callable[[], dict[int, int]]) -> dict[int, int]:
    """Once the database answers again."""

    def tried() -> dict[int, int]:
        try:
            return work()
        except AssertionError:
            return {}

    return wait_until(tried, what="the database is back")


def test_a_channel_finds_its_client_at_another_replica(platform: Replicas) -> None:
    """The balancer sends client and agent to different processes half of the time; both ways
    carry the same, and the end of the carrying process ends the channel."""
    person = Person(platform)
    task = running(platform, "channel.sh")
    blob = os.urandom(3_000_000)
    for _ in range(40):
        done = person("shell", str(task), "--", "cat; exit 3", stdin=blob)
        assert done.code == 3, done.err
        assert done.raw == blob
        ways = [carried(platform, client) for client in ("here", "elsewhere")]
        if all(ways):
            return
    raise AssertionError(f"40 channels went one way alone: {ways}")


def carried(platform: Replicas, client: str) -> float:
    """Channels whose client was at the process that their agent came to, or elsewhere."""
    found = 0.0
    for one in platform.replicas.values():
        text = httpx2.get(f"http://127.0.0.1:{one.port}/metrics", timeout=PATIENCE_SECONDS).text
        match = re.search(rf'^hai_channels_carried_total{{client="{client}"}} (\S+)$', text, re.M)
        found += float(match[1]) if match else 0.0
    return found
