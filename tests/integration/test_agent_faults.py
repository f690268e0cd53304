"""Trouble around an agent: it is killed, the server is away, programs leave things behind."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hai.agent import cgroups, processes, sync
from hai.agent.lease import Lease
from hai.core.task import WorkerKey
from hai.errors import Unavailable
from hai.ports import WorkerPhase
from tests.integration.agent_peer import Peer, Site, is_gone, site
from tests.waiting import PATIENCE_SECONDS, async_wait_until, wait_until

SLEEPER = "import time\nprint('up', flush=True)\ntime.sleep(60)\n"
# A grandchild in a session of its own, with an empty environment and the output pipe in its hands.
HIDER = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; sleep 600 & wait; sleep 600"],
                         start_new_session=True, env={})
daemon = os.fork()
if daemon == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.write(1, b"daemon %d\\n" % os.getpid())
    time.sleep(600)
os.waitpid(daemon, 0)
os.write(1, b"child %d\\n" % child.pid)  # in one piece: both write at the same time
"""


@contextlib.contextmanager
def full_disk(data: Path) -> Iterator[Callable[[int], None]]:
    """A small disk at `data`; call what it gives to leave only so many bytes free."""
    data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(data)])
    if mounted.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here (not root, or no CAP_SYS_ADMIN)")

    def fill(gap_bytes: int) -> None:
        path = data / "ballast"
        with contextlib.suppress(OSError), path.open("wb", 0) as ballast:
            while ballast.write(b"0" * 4096):
                continue
        os.truncate(path, max(0, path.stat().st_size - gap_bytes))

    try:
        yield fill
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True)


def hidden_pids(here: Site) -> list[int]:
    return [int(pid) for pid in re.findall(rb" (?:daemon|child) (\d+)\n", here.log_bytes())]


async def test_nothing_survives_the_end_of_the_program(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        key = await here.start(HIDER)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert end["exit_code"] == 0
        assert len(hidden_pids(here)) == 2
        assert all(is_gone(pid) for pid in hidden_pids(here))
        assert here.marked(key) == []


@pytest.mark.parametrize("way", ["stop", "kill"])
async def test_nothing_survives_a_stop_or_a_kill(tmp_path: Path, way: str) -> None:
    async with site(tmp_path) as here:
        key = await here.start(HIDER + "time.sleep(600)\n")
        await asyncio.to_thread(wait_until, lambda: len(hidden_pids(here)) == 2)
        if way == "stop":
            here.peer.order(key, stop=True, term_seconds=0.2)
            assert (await asyncio.to_thread(here.peer.end_of, key))["exit_code"] == 137
        else:
            await here.launcher.kill(WorkerKey.parse(key))
            assert await here.phase(key) is WorkerPhase.LOST
        assert all(is_gone(pid) for pid in hidden_pids(here))


async def test_killed_agent_takes_its_program_along(tmp_path: Path) -> None:
    code = """
import os, subprocess, time
print("child", subprocess.Popen(["sleep", "600"], start_new_session=True).pid, flush=True)
print("daemon", os.getpid(), flush=True)
time.sleep(600)
"""
    async with site(tmp_path) as here:
        key = await here.start(code)
        await asyncio.to_thread(wait_until, lambda: len(hidden_pids(here)) == 2)
        os.kill(here.agent_pid(key), signal.SIGKILL)
        seen = await here.until(key, WorkerPhase.LOST)
        assert seen.detail == "the agent was killed by signal 9"
        assert all(is_gone(pid) for pid in hidden_pids(here))  # when it is said, it is so
        await here.launcher.launch(here.worker("a.py"))  # started once: never again
        assert await here.phase(key) is WorkerPhase.LOST


HIDDEN = """
import subprocess, time
child = subprocess.Popen(["env", "-i", "setsid", "sleep", "600"])
print("child", child.pid, flush=True)
print("daemon", child.pid, flush=True)
time.sleep(600)
"""


def is_hidden(pid: int) -> bool:
    """It runs its last command, with nothing in its environment."""
    process = Path(f"/proc/{pid}")
    is_last = (process / "cmdline").read_bytes().startswith(b"sleep\0")
    return is_last and (process / "environ").read_bytes() == b""


async def test_what_hid_from_a_killed_agent_is_found_by_its_control_group(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        key = await here.start(HIDDEN)
        await asyncio.to_thread(wait_until, lambda: len(hidden_pids(here)) == 2)
        note = json.loads((here.dir(key) / "agent.pid").read_text())
        if not note["cgroup"]:
            pytest.skip("no control group can be made here (not root, or not mounted writable)")
        pid = hidden_pids(here)[0]
        await asyncio.to_thread(wait_until, lambda: is_hidden(pid))
        os.kill(here.agent_pid(key), signal.SIGKILL)
        seen = await here.until(key, WorkerPhase.LOST)
        assert seen.detail == "the agent was killed by signal 9"
        assert is_gone(pid)  # when it is said, it is so
        await here.launcher.forget(WorkerKey.parse(key))
        assert not Path(note["cgroup"]).exists()


async def test_the_node_is_not_free_while_something_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent is gone, and what it leaves cannot be killed for a while."""
    async with site(tmp_path) as here:
        key = await here.start(HIDDEN)
        await asyncio.to_thread(wait_until, lambda: len(hidden_pids(here)) == 2)
        if not json.loads((here.dir(key) / "agent.pid").read_text())["cgroup"]:
            pytest.skip("no control group can be made here (not root, or not mounted writable)")
        await asyncio.to_thread(wait_until, lambda: is_hidden(hidden_pids(here)[0]))
        agent = here.agent_pid(key)
        with monkeypatch.context() as patch:
            patch.setattr(cgroups, "kill", lambda path: None)
            os.kill(agent, signal.SIGKILL)
            # its last thread: until then it still has its children
            await asyncio.to_thread(wait_until, lambda: not processes.descendants(agent))
            for _ in range(2):
                assert await here.phase(key) is WorkerPhase.ALIVE
            with pytest.raises(Unavailable, match="do not go away"):
                await here.launcher.kill(WorkerKey.parse(key))
        await here.until(key, WorkerPhase.LOST)
        assert is_gone(hidden_pids(here)[0])


async def test_an_agent_that_somebody_else_tells_to_stop_is_a_lost_worker(tmp_path: Path) -> None:
    """As when its machine is shut down: whatever the program's exit code then says."""
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("up", flush=True)
time.sleep(600)
"""
    async with site(tmp_path) as here:
        key = await here.start(code)
        await asyncio.to_thread(wait_until, lambda: "up" in here.log_lines())
        os.kill(here.agent_pid(key), signal.SIGTERM)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert (end["lost"], end["detail"]) == (
            True,
            "the agent was told to stop, and not by the server",
        )
        seen = await here.until(key, WorkerPhase.LOST)
        assert seen.detail == end["detail"]


async def test_an_agent_that_stops_before_the_start_has_started_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        key = await here.launch(here.script("a.py", "print('never')"))
        await asyncio.to_thread(here.peer.wait_for, key, phase="ready")
        os.kill(here.agent_pid(key), signal.SIGKILL)
        seen = await here.until(key, WorkerPhase.LOST)
        assert seen.detail == "not started: the agent was killed by signal 9"
        second = await here.launch("a.py", task_id=8)
        await asyncio.to_thread(here.peer.wait_for, second, phase="ready")
        os.kill(here.agent_pid(second), signal.SIGTERM)
        seen = await here.until(second, WorkerPhase.LOST)
        assert seen.detail.startswith("not started: the agent was told to stop")


async def test_server_away_while_the_program_ends(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        release = tmp_path / "release"
        code = f"import os, time\nwhile not os.path.exists({str(release)!r}): time.sleep(0.01)\n"
        key = await here.start(code + "print('done')")
        here.peer.stop()
        release.touch()
        await asyncio.to_thread(wait_until, (here.dir(key) / "exit.json").exists)
        assert here.log_lines() == ["done"]
        assert await here.phase(key) is WorkerPhase.ALIVE  # it still has something to tell
        here.peer.start()
        assert (await asyncio.to_thread(here.peer.end_of, key))["exit_code"] == 0
        await here.until(key, WorkerPhase.EXITED)


async def test_server_away_before_the_start(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.peer.stop()
        key = await here.launch(here.script("a.py", "print('late')"))
        await asyncio.to_thread(wait_until, (here.dir(key) / "agent.pid").exists)
        here.peer.start()
        here.peer.order(key, go=True)
        assert (await asyncio.to_thread(here.peer.end_of, key))["exit_code"] == 0


async def test_orders_arrive_after_a_restart_of_the_server(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        key = await here.start(SLEEPER)
        here.peer.stop()
        here.peer.order(key, stop=True)
        here.peer.start()
        assert (await asyncio.to_thread(here.peer.end_of, key))["exit_code"] == 143


async def test_server_errors_are_waited_out(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.peer.status = 503
        key = await here.launch(here.script("a.py", ""))
        here.peer.order(key, go=True)
        await asyncio.to_thread(wait_until, (here.dir(key) / "agent.pid").exists)
        here.peer.status = 200
        assert (await asyncio.to_thread(here.peer.end_of, key))["exit_code"] == 0


async def test_unknown_to_the_platform(tmp_path: Path) -> None:
    """A refusal counts only when it lasts; then the link says so."""
    peer = Peer()
    try:
        report, lease = {"key": "1.1.0", "phase": "ready", "requests": []}, Lease(0.0, 0.0)
        link = sync.ServerSync(
            lambda: sync.SyncConnection(peer.url, "no such token"), report, lambda: None, lease
        )
        link.start()
        await asyncio.to_thread(wait_until, lambda: link._refused_since is not None)
        assert not link.is_orphaned()
        assert link._refused_since is not None
        link._refused_since -= sync.ORPHAN_SECONDS
        assert link.is_orphaned()
        link.leave()
    finally:
        peer.stop()


async def test_watchdog(tmp_path: Path) -> None:
    """A shell's program: it begins to write long before the watchdog's time is over."""
    code = "for _ in 1 2 3 4 5 6; do printf .; sleep 0.1; done\nexec sleep 600\n"
    async with site(tmp_path) as here:
        key = await here.launch(here.script("a.sh", code), options={"watchdog_time": 3})
        here.peer.order(key, go=True)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert (end["exit_code"], end["detail"]) == (137, "watchdog: no output for 3 s")
        assert here.log_lines(own=True) == ["......", "[hai] watchdog: no output for 3 s: SIGKILL"]


async def test_watchdog_time_set_by_the_program(tmp_path: Path) -> None:
    code = "from hai import client\nimport time\nclient.set_watchdog_time(0.3)\ntime.sleep(60)"
    async with site(tmp_path) as here:
        end = await here.run(here.script("a.py", code))
        assert end["detail"] == "watchdog: no output for 0.3 s"


async def test_saved_program_is_not_watched(tmp_path: Path) -> None:
    """Another one begins later, with the same watchdog: its end says that the time is over."""
    code = 'echo up\ntouch "$HAI_CONTROL_DIR/ack" "$HAI_CONTROL_DIR/saved"\nexec sleep 600\n'
    async with site(tmp_path) as here:
        key = await here.launch(here.script("a.sh", code), options={"watchdog_time": 3})
        here.peer.order(key, go=True)
        await asyncio.to_thread(here.peer.wait_for, key, saved=True)
        pid = await asyncio.to_thread(here.program_pid, key)
        other = here.script("other.sh", "echo up\nexec sleep 600\n")
        end = await here.run(other, task_id=8, options={"watchdog_time": 3})
        assert end["detail"] == "watchdog: no output for 3 s"
        assert not is_gone(pid)
        here.peer.order(key, stop=True)
        assert (await asyncio.to_thread(here.peer.end_of, key))["exit_code"] == 143


async def test_second_agent_leaves_at_once(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        key = await here.start(SLEEPER)
        pid = await asyncio.to_thread(here.program_pid, key)
        command = Path(f"/proc/{here.agent_pid(key)}/cmdline").read_bytes().decode().split("\0")
        done = await asyncio.to_thread(subprocess.run, command[:-1], timeout=PATIENCE_SECONDS)
        assert done.returncode == 0
        assert here.program_pid(key) == pid
        assert not is_gone(pid)


async def test_broken_spec_is_reported(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        worker = here.worker("a.py", spec={"version": 2})
        here.launched.append(worker.key)
        await here.launcher.launch(worker)
        seen = await here.until("7.1.0", WorkerPhase.EXITED)
        assert seen.exit_code == 126
        assert "spec.json" in seen.detail


async def test_idle_agent_costs_little(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        agent = here.agent_pid(await here.start(SLEEPER))

        def ticks() -> int:
            return sum(map(int, processes.stat_fields(agent)[11:13]))

        shares: list[float] = []
        while len(shares) < 20 and min(shares, default=1.0) >= 0.1:  # its start is behind it
            before = ticks()
            await asyncio.sleep(1.0)
            shares.append((ticks() - before) / os.sysconf("SC_CLK_TCK"))
        assert min(shares) < 0.1, shares


@pytest.mark.parametrize("gap_bytes", [0, 4096, 8192, 16384, 65536])
async def test_a_disk_that_is_full_while_an_agent_starts_fails_nothing(
    tmp_path: Path, gap_bytes: int
) -> None:
    """However far it comes, its program has not run and it says so."""
    with full_disk(tmp_path / "data") as fill:
        async with site(tmp_path) as here:
            fill(gap_bytes)
            try:
                key = await here.launch(here.script("a.py", "print('never')"))
            except Unavailable:
                return  # postponed by the launcher
            here.peer.order(key, go=True)

            async def is_over() -> bool:
                told = here.peer.report(key).get("phase") == "exited"
                return told or await here.phase(key) is WorkerPhase.LOST

            await async_wait_until(is_over)
            end = here.peer.report(key)
            if end.get("phase") != "exited":
                seen = await here.until(key, WorkerPhase.LOST)
                assert seen.detail.startswith("not started: ")
            elif end["lost"]:
                assert end["detail"].startswith("not started: ")
            else:
                assert end["exit_code"] == 0


async def test_a_disk_that_becomes_read_only_before_the_start_fails_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        key = await here.launch(here.script("a.py", "print('never')"))
        await asyncio.to_thread(here.peer.wait_for, key, phase="ready")
        control = str(here.dir(key) / "control")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", control]).returncode:
            pytest.skip("a tmpfs cannot be mounted here (not root, or no CAP_SYS_ADMIN)")
        try:
            here.peer.order(key, go=True)
            end = await asyncio.to_thread(here.peer.end_of, key)
        finally:
            subprocess.run(["umount", "-l", control], check=True)
        assert (end["exit_code"], end["lost"]) == (126, True)
        assert end["detail"].startswith("not started: ")
        assert end["detail"].endswith("Read-only file system")
        assert here.log_lines() == []


async def test_no_space_to_record_the_start(tmp_path: Path) -> None:
    """Without its record a program might be started twice: it is not started at all."""
    with full_disk(tmp_path / "data") as fill:
        async with site(tmp_path) as here:
            key = await here.launch(here.script("a.py", "print('never')"))
            await asyncio.to_thread(here.peer.wait_for, key, phase="ready")
            fill(0)
            here.peer.order(key, go=True)
            end = await asyncio.to_thread(here.peer.end_of, key)
            assert (end["exit_code"], end["lost"]) == (126, True)
            assert end["detail"].startswith("not started: ")
            assert end["detail"].endswith("No space left on device")
            assert here.log_lines() == []
            with pytest.raises(Unavailable, match="No space left"):
                await here.launcher.launch(here.worker("a.py", task_id=8))
