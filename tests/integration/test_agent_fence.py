"""Real agents without a server: their programs pause, and go on or end by its next word."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from hai.agent import processes
from hai.ports import WorkerPhase
from tests.integration.agent_peer import Site, is_gone, site
from tests.waiting import wait_until

FENCE_SECONDS = 2.0
# a shell, a program below it, and a child of that in a session of its own
COUNTING = """
import os, subprocess, sys, time
if len(sys.argv) == 1:
    subprocess.Popen([sys.executable, __file__, "child"], start_new_session=True)
name = "child" if len(sys.argv) > 1 else "main"
print("up", flush=True)
while True:
    with open(name + ".count", "a") as file:
        file.write(f"{time.monotonic()}\\n")
    time.sleep(0.02)
"""


def counts(here: Site) -> int:
    files = here.work_dir.glob("*.count")
    return sum(len(file.read_text().splitlines()) for file in files)


def states(here: Site, key: str) -> list[bytes]:
    return [processes.stat_fields(pid)[0] for pid in here.marked(key)]


def is_paused(here: Site, key: str) -> bool:
    found = states(here, key)
    return len(found) >= 3 and all(state == b"T" for state in found)


async def start(here: Site) -> str:
    here.script("count.py", COUNTING)
    shell = here.script("run.sh", f"{here.python} count.py\necho end\n")
    key = await here.launch(shell)
    here.peer.order(key, go=True)
    await asyncio.to_thread(wait_until, lambda: len(list(here.work_dir.glob("*.count"))) == 2)
    return key


async def paused(here: Site, key: str) -> None:
    await asyncio.to_thread(wait_until, lambda: is_paused(here, key), what="a pause")


async def stands_still(here: Site) -> None:
    before = counts(here)
    for _ in range(20):
        await asyncio.sleep(0.02)
    assert counts(here) == before


async def test_pauses_without_contact_and_goes_on_with_it(tmp_path: Path) -> None:
    async with site(tmp_path, fence_seconds=FENCE_SECONDS) as here:
        key = await start(here)
        here.peer.stop()
        await paused(here, key)
        await stands_still(here)
        before = counts(here)
        here.peer.start()
        await asyncio.to_thread(wait_until, lambda: counts(here) > before + 10, what="going on")
        await asyncio.to_thread(wait_until, lambda: b"T" not in states(here, key))
        said = "\n".join(here.log_lines(own=True))
        assert "no contact with the server: the program is paused" in said
        assert "the server is back: the program goes on after a pause" in said
        here.peer.order(key, stop=True, term_seconds=5.0)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert end["exit_code"] == 143


async def test_superseded_while_it_was_away_it_ends_without_another_step(tmp_path: Path) -> None:
    async with site(tmp_path, fence_seconds=FENCE_SECONDS) as here:
        key = await start(here)
        pids = here.marked(key)
        here.peer.stop()
        await paused(here, key)
        before = counts(here)
        here.peer.order(key, stop=True, over=True)
        here.peer.start()
        await asyncio.to_thread(wait_until, lambda: all(map(is_gone, pids)), what="its end")
        assert counts(here) == before
        await here.until(key, WorkerPhase.EXITED)


async def test_who_is_woken_by_somebody_else_is_paused_again(tmp_path: Path) -> None:
    async with site(tmp_path, fence_seconds=FENCE_SECONDS) as here:
        key = await start(here)
        here.peer.stop()
        await paused(here, key)
        processes.signal_all(here.marked(key), 18)  # SIGCONT
        await paused(here, key)
        await stands_still(here)


async def test_what_its_user_has_stopped_stays_stopped(tmp_path: Path) -> None:
    async with site(tmp_path, fence_seconds=FENCE_SECONDS) as here:
        key = await start(here)
        [child] = [pid for pid in here.marked(key) if os.getsid(pid) == pid and is_child(pid)]
        processes.signal_all([child], 19)  # SIGSTOP
        here.peer.stop()
        await paused(here, key)
        here.peer.start()
        others = [pid for pid in here.marked(key) if pid != child]

        def go_on() -> bool:
            return all(processes.stat_fields(pid)[0] != b"T" for pid in others)

        await asyncio.to_thread(wait_until, go_on, what="going on")
        assert processes.stat_fields(child)[0] == b"T"


def is_child(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"child\0")


@pytest.mark.parametrize("how", ["refused", "heard"])
async def test_a_standstill_of_the_only_server_pauses_nothing(tmp_path: Path, how: str) -> None:
    seconds = 4 * FENCE_SECONDS  # so that no machine is too busy for it
    options: dict[str, Any] = {"fence_seconds": seconds, "server_is_alone": how == "refused"}
    async with site(tmp_path, **options) as here:
        key = await start(here)
        if how == "refused":
            here.peer.stop()
        else:
            here.peer.status = 503
            here.peer.error = {"code": "unavailable", "details": {"heard": True}}
        away_since = time.monotonic()
        before = counts(here)

        def has_run_on() -> bool:
            return time.monotonic() - away_since > 1.25 * seconds and counts(here) > before + 100

        await asyncio.to_thread(wait_until, has_run_on, what="running on")
        assert "paused" not in "\n".join(here.log_lines(own=True))
        assert json.loads((here.dir(key) / "started").read_text())["pid"]


async def test_an_error_that_proves_nothing_pauses(tmp_path: Path) -> None:
    async with site(tmp_path, fence_seconds=FENCE_SECONDS, server_is_alone=True) as here:
        key = await start(here)
        here.peer.status = 503
        await paused(here, key)
        here.peer.status = 200
        before = counts(here)
        await asyncio.to_thread(wait_until, lambda: counts(here) > before + 10, what="going on")


async def test_a_short_silence_changes_nothing(tmp_path: Path) -> None:
    async with site(tmp_path, fence_seconds=60.0) as here:
        await start(here)
        here.peer.stop()
        before = counts(here)
        await asyncio.to_thread(wait_until, lambda: counts(here) > before + 100)
        here.peer.start()
        assert "paused" not in "\n".join(here.log_lines(own=True))
