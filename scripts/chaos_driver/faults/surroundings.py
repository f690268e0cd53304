"""What the platform stands on: its database, its disk, the clock, and a second server beside it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import psycopg

from hai_up.ports import free_port
from scripts.chaos_driver.faults import Scene, local
from scripts.chaos_driver.faults.processes import hold, pause
from scripts.chaos_driver.site import LocalSite
from scripts.chaos_driver.waiting import wait_for

JUMPS = {
    "+2 h": 7200.0,
    "-2 h": -7200.0,
    "+1 d": 86400.0,
    "-1 d": -86400.0,
    "+400 d": 400 * 86400.0,
    "+90 s": 90.0,
    "-90 s": -90.0,
}


def connect(site: LocalSite) -> psycopg.Connection:
    return psycopg.connect(site.database_url(), autocommit=True, connect_timeout=5)


@local("tables-locked")
def tables_locked(scene: Scene[LocalSite]) -> str:
    seconds = scene.chance.choice((0.5, 2.0, 6.0))
    with suppress(psycopg.Error), connect(scene.site) as connection:
        cursor = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = sorted(str(row[0]) for row in cursor)
        table = scene.chance.choice(tables)
        with connection.transaction():
            # A request in the middle of something has the lock: PostgreSQL lets us wait for it.
            connection.execute("SET LOCAL lock_timeout = '20s'")
            connection.execute(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE'.encode())
            pause(seconds)
        scene.site.recovers()
        return f"{table} for {seconds:g} s"
    scene.site.recovers()
    return "no lock was to be had"


@local("connections-used-up")
def connections_used_up(scene: Scene[LocalSite]) -> str:
    seconds = scene.chance.choice((1.0, 4.0))
    held: list[psycopg.Connection] = []
    with ExitStack() as stack:
        for _ in range(200):
            try:
                held.append(stack.enter_context(connect(scene.site)))
            except psycopg.Error:
                break
        pause(seconds)
    scene.site.recovers()
    return f"{len(held)} for {seconds:g} s"


def _no_disk(site: LocalSite) -> str:
    return site.disk.trouble


@local("disk-full", _no_disk)
def disk_full(scene: Scene[LocalSite]) -> str:
    left, seconds = scene.chance.choice((0, 2**20, 50 * 2**20)), scene.chance.uniform(1.0, 6.0)
    try:
        scene.site.disk.fill(left)
        pause(seconds)
    finally:
        scene.site.disk.empty()
    scene.site.run()
    return f"{left // 2**20} MiB left for {seconds:.1f} s"


@local("disk-read-only", _no_disk)
def disk_read_only(scene: Scene[LocalSite]) -> str:
    seconds = scene.chance.uniform(1.0, 6.0)
    trouble = scene.site.disk.freeze()
    if trouble:
        return f"not done: {trouble}"
    try:
        pause(seconds)
    finally:
        scene.site.disk.thaw()
    scene.site.run()
    return f"for {seconds:.1f} s"


@local("clock-jump")
def clock_jump(scene: Scene[LocalSite]) -> str:
    """Of the server; database, agents and programs keep the true one."""
    jump, seconds = scene.chance.choice(list(JUMPS)), scene.chance.uniform(2.0, 8.0)
    try:
        scene.site.clock.set(JUMPS[jump])
        pause(seconds)
    finally:
        scene.site.clock.set(0.0)
    scene.site.recovers()
    return f"{jump} for {seconds:.1f} s"


@contextmanager
def second_server(site: LocalSite) -> Iterator[subprocess.Popen[bytes]]:
    """On the same data folder and database, with a port of its own."""
    port = str(free_port("127.0.0.1"))
    command = [sys.executable, "-m", "hai.server.main", "run", "--config"]
    with (site.folder / "second.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, str(site.data / "override.toml")],
            env={**site.environment, "HAI_SERVER__PORT": port},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@local("two-servers")
def two_servers(scene: Scene[LocalSite]) -> str:
    """Half of the time the first one sleeps meanwhile, and wakes up believing that it leads."""
    first = scene.site.servers()
    sleeps = scene.chance.random() < 0.5
    with second_server(scene.site) as second:
        wait_for(lambda: second.poll() is not None, 3)
        if sleeps:
            hold(first, scene.chance.uniform(2.0, 6.0))
        wait_for(lambda: second.poll() is not None, scene.chance.uniform(0.5, 3.0))
        code = second.poll()
    scene.site.run()
    what = "ran on" if code is None else f"left with {code}"
    return f"the second {what}" + (", the first slept" if sleeps else "")
