"""The local launcher's own promises: its directories, crash windows, GPUs, cost, trouble."""

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hai.core.resources import Resources
from hai.core.task import WorkerKey
from hai.errors import PlatformError, Unavailable
from hai.launcher.local import START_SECONDS, LocalLauncher
from hai.ports import WorkerPhase
from tests.integration.agent_peer import Site, is_gone, site
from tests.waiting import wait_until

SLEEPER = "import time; time.sleep(600)"


def stale_dir(here: Site, name: str, **files: object) -> Path:
    folder = here.data_dir / "workers" / name
    folder.mkdir(parents=True)
    for file, value in files.items():
        (folder / file.replace("_", ".")).write_text(json.dumps(value))
    return folder


async def test_server_that_died_between_folder_and_agent(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        worker = here.worker(here.script("a.py", "print('once')"))
        here.launched.append(worker.key)
        stale_dir(here, str(worker.key))
        successor = here.new_launcher()
        await successor.open()
        assert [o.phase for o in await successor.observe()] == [WorkerPhase.ALIVE]
        here.peer.order(str(worker.key), go=True)
        await successor.launch(worker)
        assert (await asyncio.to_thread(here.peer.end_of, str(worker.key)))["exit_code"] == 0
        assert here.log_lines() == ["once"]


async def test_folder_without_agent_is_lost_after_a_while(tmp_path: Path) -> None:
    now = [1000.0]
    launcher = LocalLauncher(tmp_path, sys.executable, gpu_count=0, monotonic=lambda: now[0])
    await launcher.open()
    (tmp_path / "workers" / "7.1.0").mkdir()
    assert [o.phase for o in await launcher.observe()] == [WorkerPhase.ALIVE]
    now[0] += START_SECONDS
    assert [o.phase for o in await launcher.observe()] == [WorkerPhase.LOST]


async def test_an_agent_that_takes_long_to_come_is_not_given_up(tmp_path: Path) -> None:
    """On a busy machine its interpreter starts when it can."""
    now = [1000.0]
    gate = tmp_path / "gate"
    late = tmp_path / "python"
    late.write_text(
        f'#!/bin/sh\nuntil [ -e {gate} ]; do sleep 0.02; done\nexec {sys.executable} "$@"\n'
    )
    late.chmod(0o755)
    async with site(tmp_path) as here:
        here.launcher = LocalLauncher(
            here.data_dir, str(late), gpu_count=0, monotonic=lambda: now[0]
        )
        key = await here.launch(here.script("a.py", "print('late')"))
        now[0] += 3 * START_SECONDS
        assert await here.phase(key) is WorkerPhase.ALIVE
        here.peer.order(key, go=True)
        gate.touch()
        assert (await asyncio.to_thread(here.peer.end_of, key))["exit_code"] == 0
        assert here.log_lines() == ["late"]


async def test_agent_that_can_not_even_start_is_lost_with_its_last_words(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        broken = tmp_path / "python"
        broken.write_text("#!/bin/sh\necho 'Fatal Python error: no stdlib' >&2\nexit 1\n")
        broken.chmod(0o755)
        here.launcher = LocalLauncher(here.data_dir, str(broken), gpu_count=0)
        await here.launch("a.py")
        seen = await here.until("7.1.0", WorkerPhase.LOST)
        assert (
            seen.detail
            == "not started: the agent ended with status 1: Fatal Python error: no stdlib"
        )


async def test_machine_that_was_restarted(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        agent = {"pid": os.getpid(), "pid_start": 1, "boot_id": "another life"}
        folder = stale_dir(here, "7.1.0", agent_pid=agent, started={})
        (folder / "agent.lock").touch()
        assert [o.phase for o in await here.launcher.observe()] == [WorkerPhase.NODE_LOST]
        await here.launcher.kill(WorkerKey.parse("7.1.0"))  # this very process has that pid
        await here.launcher.forget(WorkerKey.parse("7.1.0"))
        assert not folder.exists()


async def test_reused_pid_is_left_alone(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        stranger = subprocess.Popen(["sleep", "600"])
        try:
            boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            agent = {"pid": stranger.pid, "pid_start": 1, "boot_id": boot_id}
            stale_dir(here, "7.1.0", agent_pid=agent)
            await here.launcher.kill(WorkerKey.parse("7.1.0"))
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()


async def test_missing_interpreter_can_never_start(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        launcher = LocalLauncher(here.data_dir, "/no/python", gpu_count=0)
        with pytest.raises(PlatformError, match="no Python at /no/python"):
            await launcher.launch(here.worker("a.py"))
        assert await launcher.observe() == []


async def test_unusable_data_folder_is_unavailable(tmp_path: Path) -> None:
    blocker = tmp_path / "data"
    blocker.write_text("a file")
    launcher = LocalLauncher(blocker, sys.executable, gpu_count=0)
    with pytest.raises(Unavailable, match="cannot be used") as caught:
        await launcher.open()
    assert caught.value.hint


async def test_forget_touches_nothing_else(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        precious = tmp_path / "precious"
        precious.mkdir()
        (precious / "file").touch()
        link = "os.environ['HAI_CONTROL_DIR'] + '/link'"
        code = f"import os; print('kept'); os.symlink({str(precious)!r}, {link})"
        await here.run(here.script("a.py", code))
        await here.until("7.1.0", WorkerPhase.EXITED)
        await here.launcher.forget(WorkerKey.parse("7.1.0"))
        assert (precious / "file").exists()
        assert here.log_lines() == ["kept"]


async def test_interrupted_forget_is_completed(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        trash = here.data_dir / "workers" / ".7.1.0.abcd"
        trash.mkdir()
        assert await here.launcher.observe() == []
        await here.launcher.open()
        assert not trash.exists()


async def test_no_zombies(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        key = await here.launch(here.script("a.py", SLEEPER))
        await asyncio.to_thread(wait_until, (here.dir(key) / "agent.pid").exists)
        agent = here.agent_pid(key)
        os.kill(agent, signal.SIGKILL)
        await here.until(key, WorkerPhase.LOST)
        assert not Path(f"/proc/{agent}").exists()


async def test_observing_eight_live_workers_is_cheap(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.script("a.py", SLEEPER)
        for rank in range(8):
            await here.launch("a.py", rank, world_size=8)
        for rank in range(8):
            await asyncio.to_thread(here.peer.wait_for, f"7.1.{rank}", phase="ready")
        seconds = []
        for _ in range(2000):  # one look without a pause is enough: tests share the machine
            began = time.perf_counter()
            seen = await here.launcher.observe()
            seconds.append(time.perf_counter() - began)
            assert [o.phase for o in seen] == [WorkerPhase.ALIVE] * 8
            if seconds[-1] < 0.002:
                break
        assert min(seconds) < 0.002


async def test_gpus_are_shared_out_and_come_back(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.script("a.py", SLEEPER)
        here.launcher = LocalLauncher(here.data_dir, sys.executable, gpu_count=8)
        chosen = []
        for rank, gpus in ((0, 4), (1, 4), (2, 4)):
            worker = here.worker("a.py", rank, world_size=3)
            worker = dataclasses.replace(worker, node=dataclasses.replace(worker.node, gpus=gpus))
            here.launched.append(worker.key)
            await here.launcher.launch(worker)
            spec = json.loads((here.dir(str(worker.key)) / "spec.json").read_text())
            chosen.append(spec["gpu_indices"])
        assert chosen == [[0, 1, 2, 3], [4, 5, 6, 7], []]
        await here.launcher.kill(here.launched[0])
        await here.launcher.forget(here.launched[0])
        worker = dataclasses.replace(
            here.worker("a.py", 3, task_id=8), node=dataclasses.replace(worker.node, gpus=2)
        )
        here.launched.append(worker.key)
        await here.launcher.launch(worker)
        spec = json.loads((here.dir(str(worker.key)) / "spec.json").read_text())
        assert spec["gpu_indices"] == [0, 1]


async def test_a_part_of_a_node_gets_its_gpus_and_limits_once(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.script("a.py", SLEEPER)
        here.launcher = LocalLauncher(here.data_dir, sys.executable, gpu_count=4)
        chosen = []
        for rank, gpus in enumerate((1, 2, 1, 1)):
            part = Resources(500, 2**28, gpus)
            worker = dataclasses.replace(here.worker("a.py", rank, world_size=4), asks=part)
            here.launched.append(worker.key)
            await here.launcher.launch(worker)
            spec = json.loads((here.dir(str(worker.key)) / "spec.json").read_text())
            chosen.append(spec["gpu_indices"])
            assert spec["limits"] == {"cpus": 0.5, "memory_bytes": 2**28}
        assert chosen == [[0], [1, 2], [3], []]


async def test_kill_spares_the_same_key_of_another_site(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with site(tmp_path / "one") as one, site(tmp_path / "two") as two:
        for here in (one, two):
            await here.launch(here.script("a.py", SLEEPER))
            here.peer.order("7.1.0", go=True)
        other = await asyncio.to_thread(two.program_pid, "7.1.0")
        await one.launcher.kill(WorkerKey.parse("7.1.0"))
        assert not is_gone(other)
        assert await two.phase("7.1.0") is WorkerPhase.ALIVE
