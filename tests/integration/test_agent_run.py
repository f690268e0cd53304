"""Programs from start to end under real agents: exit codes, environment, who they run as."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from hai.core.task import WorkerKey
from hai.ports import WorkerPhase
from tests.integration.agent_peer import (
    TOKEN,
    environ_of,
    is_gone,
    public_python,
    searchable_folder,
    site,
)
from tests.pythons import python_3_8
from tests.waiting import wait_until

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs as other users")


async def test_gang_of_two(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.script(
            "train.py",
            "import os, sys\n"
            "print('rank', os.environ['RANK'], 'of', os.environ['WORLD_SIZE'], sys.argv[1:])\n"
            "print('master', os.environ['MASTER_ADDR'], os.environ['MASTER_PORT'])\n",
        )
        run = {"parameters": "--epochs 3 'two words'"}
        keys = [await here.launch("train.py", rank, world_size=2, run=run) for rank in (0, 1)]
        ready = [await asyncio.to_thread(here.peer.wait_for, k, phase="ready") for k in keys]
        assert ready[0]["port"] > 1023
        assert ready[1]["port"] == 0
        assert [report["address"] for report in ready] == ["127.0.0.1"] * 2
        assert not (here.dir(keys[0]) / "started").exists()
        for key in keys:
            here.peer.order(key, go=True, master_addr="127.0.0.1", master_port=ready[0]["port"])
        for rank, key in enumerate(keys):
            end = await asyncio.to_thread(here.peer.end_of, key)
            assert (end["exit_code"], end["detail"]) == (0, "")
            assert here.log_lines(rank) == [
                f"rank {rank} of 2 ['--epochs', '3', 'two words']",
                f"master 127.0.0.1 {ready[0]['port']}",
            ]
            assert (await here.until(key, WorkerPhase.EXITED)).exit_code == 0
            await here.launcher.forget(WorkerKey.parse(key))
        assert await here.launcher.observe() == []
        assert list((here.data_dir / "workers").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("raise SystemExit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 139),
        ("1/0", 1),
    ],
)
async def test_exit_codes(tmp_path: Path, code: str, exit_code: int) -> None:
    async with site(tmp_path) as here:
        end = await here.run(here.script("a.py", code))
        assert end["exit_code"] == exit_code
        seen = await here.until("7.1.0", WorkerPhase.EXITED)
        assert seen.exit_code == exit_code
        report = json.loads((here.dir("7.1.0") / "exit.json").read_text())
        assert set(report) == {
            *("exit_code", "detail", "ended_at", "usage"),
            *("acked", "saved", "lost"),
        }
        group = json.loads((here.dir("7.1.0") / "agent.pid").read_text())["cgroup"]
        assert not group or not Path(group).exists()  # it took its control group away
        assert report["usage"]["cpu_seconds"] > 0


async def test_stop_is_sigterm_and_the_program_may_answer(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.script(
            "a.py",
            "import signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
            "print('up'); time.sleep(60)\n",
        )
        key = await here.launch("a.py")
        here.peer.order(key, go=True)
        await asyncio.to_thread(wait_until, lambda: "up" in here.log_lines())
        here.peer.order(key, stop=True)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert (end["exit_code"], end["detail"]) == (5, "")


async def test_stop_before_go(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        key = await here.launch(here.script("a.py", "print('no')"))
        await asyncio.to_thread(here.peer.wait_for, key, phase="ready")
        here.peer.order(key, stop=True)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert (end["exit_code"], end["detail"]) == (143, "stopped before start")
        await here.until(key, WorkerPhase.EXITED)
        assert not (here.dir(key) / "started").exists()
        assert here.log_lines() == []


async def test_environment_and_standard_streams(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.script("a.py", "import time, sys; print(repr(sys.stdin.read())); time.sleep(60)")
        key = await here.launch("a.py", run={"environments": {"MY_VALUE": "x=y z"}})
        here.peer.order(key, go=True, master_addr="127.0.0.1", master_port=29500)
        pid = await asyncio.to_thread(here.program_pid, key)
        values = await asyncio.to_thread(
            wait_until, lambda: _with(environ_of(pid), "HAI_CONTROL_DIR")
        )
        expected = {
            "HAI_TASK_ID": "7",
            "HAI_CONTROL_DIR": str(here.dir(key) / "control"),
            "MASTER_IP": "127.0.0.1",
            "MASTER_PORT": "29500",
            "RANK": "0",
            "MARSV2_TASK_TYPE": "training",
            "MARSV2_NB_NAME": "digits",
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONUNBUFFERED": "1",
            "MY_VALUE": "x=y z",
        }
        assert {name: values.get(name) for name in expected} == expected
        assert not any(TOKEN in value for value in values.values())
        await asyncio.to_thread(wait_until, lambda: here.log_lines() == ["''"])
        agent = here.agent_pid(key)
        assert TOKEN.encode() not in Path(f"/proc/{agent}/cmdline").read_bytes()
        assert TOKEN.encode() not in Path(f"/proc/{agent}/environ").read_bytes()
        assert (here.dir(key) / "spec.json").stat().st_mode & 0o777 == 0o600
        assert here.dir(key).stat().st_mode & 0o777 == 0o700
        fields = Path(f"/proc/{pid}/status").read_text()
        masks = dict(line.split(":\t", 1) for line in fields.splitlines() if ":\t" in line)
        assert int(masks["SigIgn"], 16) & 0x1 == 0  # SIGHUP as it should be
        assert int(masks["SigBlk"], 16) == 0
        assert os.getsid(pid) == pid


def _with(values: dict[str, str], name: str) -> dict[str, str]:
    return values if name in values else {}


@pytest.mark.parametrize(
    ("entrypoint", "more", "exit_code", "detail"),
    [
        pytest.param("none.py", {}, 127, "cannot start: no such file: none.py in {work}", id="py"),
        pytest.param("none.sh", {}, 127, "cannot start: no such file: none.sh in {work}", id="sh"),
        pytest.param("folder", {}, 126, "cannot start: folder in {work} is a folder, not a file",
                     id="folder"),
        pytest.param("none", {"run": {"entrypoint_executable": True}}, 127,
                     "cannot start: none: No such file or directory", id="executable"),
        pytest.param("plain", {"run": {"entrypoint_executable": True}}, 126,
                     "cannot start: ./plain: Permission denied", id="not-executable"),
        pytest.param("a.py", {"run": {"workspace": "/no/such"}}, 127,
                     "cannot start: workspace /no/such: No such file or directory", id="workspace"),
        pytest.param("a.py", {"options": {"py_venv": "/no/venv"}}, 127,
                     "cannot start: no such folder: /no/venv (options.py_venv)", id="venv"),
        pytest.param("a.py", {"run": {"parameters": "'"}}, 126,
                     "cannot start: parameters: No closing quotation", id="quotes"),
    ],
)  # fmt: skip
async def test_cannot_start(
    tmp_path: Path, entrypoint: str, more: dict[str, object], exit_code: int, detail: str
) -> None:
    async with site(tmp_path) as here:
        (here.work_dir / "folder").mkdir()
        here.script("plain", "echo hello")
        here.script("a.py", "print('never')")
        end = await here.run(entrypoint, **more)
        expected = detail.format(work=here.work_dir)
        assert (end["exit_code"], end["detail"]) == (exit_code, expected)
        assert here.log_lines(own=True) == [f"[hai] {expected}"]
        assert (await here.until("7.1.0", WorkerPhase.EXITED)).detail == expected


async def test_a_python_that_the_user_may_not_run(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        mine = tmp_path / "python"  # the launcher finds it, and it is closed before the start
        mine.symlink_to(sys.executable)
        here.python = str(mine)
        here.launcher = here.new_launcher()
        here.script("a.py", "print('never')")
        key = await here.launch("a.py")
        await here.until(key, WorkerPhase.ALIVE)
        mine.unlink()
        mine.write_text("")
        here.peer.order(key, go=True)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert end["exit_code"] == 126
        assert "may not run the platform's Python" in end["detail"]
        assert "[agent] python" in end["detail"]


async def test_paths_with_blanks_and_executables(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    async with site(folder) as here:
        here.script("my train.py", "import sys; print(sys.argv)")
        end = await here.run("my train.py", run={"parameters": "-x"})
        assert end["exit_code"] == 0
        assert here.log_lines() == ["['my train.py', '-x']"]
    shutil.rmtree(folder / "logs")
    async with site(folder) as here:
        (here.work_dir / here.script("tool", '#!/bin/sh\necho "$0 $1"\n')).chmod(0o755)
        run = {"entrypoint_executable": True, "parameters": "'a b'"}
        assert (await here.run("tool", run=run))["exit_code"] == 0
        assert here.log_lines() == ["./tool a b"]


async def test_py_venv_runs_the_program(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        venv = tmp_path / "my venv"
        (venv / "bin").mkdir(parents=True)
        (venv / "bin" / "python").symlink_to(sys.executable)
        here.script("a.py", "import os, sys; print(sys.executable, os.environ['VIRTUAL_ENV'])")
        await here.run("a.py", options={"py_venv": str(venv)})
        assert here.log_lines() == [f"{venv}/bin/python {venv}"]


@needs_root
async def test_program_runs_as_its_user() -> None:
    with searchable_folder() as folder:
        async with site(folder, python=public_python()) as here:
            here.script(
                "a.py",
                "import os, time\n"
                "print(os.getresuid(), os.getresgid(), sorted(os.getgroups()))\n"
                "import hai.client as client\n"
                "while not client.receive_suspend_command(): time.sleep(0.01)\n"
                "client.go_suspend()\n",
            )
            key = await here.launch("a.py", uid=NOBODY)
            here.peer.order(key, go=True)
            await asyncio.to_thread(here.peer.wait_for, key, phase="running")
            here.peer.order(key, suspend=True)
            await asyncio.to_thread(here.peer.wait_for, key, saved=True)
            here.peer.order(key, stop=True)
            await asyncio.to_thread(here.peer.end_of, key)
            assert here.log_lines()[0] == f"{(NOBODY,) * 3} {(NOBODY,) * 3} [{NOBODY}]"
            owner = {path.name: path.stat().st_uid for path in here.dir(key).iterdir()}
            assert {name for name, uid in owner.items() if uid == NOBODY} == {"control"}
            log = next((here.log_root / "7" / "1").iterdir())
            assert log.stat().st_uid == 0


@needs_root
async def test_user_that_can_not_reach_the_data_is_told(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    async with site(hidden) as here:
        end = await here.run(here.script("a.py", "print('never')"), uid=NOBODY)
        assert end["exit_code"] == 126
        assert end["detail"].startswith(f"cannot start: uid {NOBODY} cannot reach ")
        assert here.log_lines() == []


@needs_root
async def test_everything_works_for_an_ordinary_user() -> None:
    code = f"""
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.integration.agent_peer import site
async def main():
    async with site(Path(sys.argv[1]), python=sys.executable) as here:
        end = await here.run(here.script("a.py", "import os; print(os.getuid())"), uid=1)
        print(end["exit_code"], here.log_lines(), flush=True)
asyncio.run(main())
"""
    with searchable_folder() as folder:
        os.chown(folder, NOBODY, NOBODY)
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        python = public_python()
        process = await asyncio.create_subprocess_exec(
            *command, python, "-c", code, str(folder), stdout=-1, stderr=-1, cwd="/"
        )
        output, errors = await process.communicate()
        if b"ModuleNotFoundError" in errors:
            pytest.skip("this checkout cannot be read by other users")
        assert output.decode() == f"0 ['{NOBODY}']\n", errors.decode()


async def test_sigterm_to_the_agent_ends_the_program_in_order(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        key = await here.launch(here.script("a.py", "import time; time.sleep(60)"))
        here.peer.order(key, go=True)
        pid = await asyncio.to_thread(here.program_pid, key)
        os.kill(here.agent_pid(key), 15)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert end["exit_code"] == 143
        assert is_gone(pid)


async def test_usage_is_reported(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        code = "b = bytearray(50_000_000)\nwhile True: pass"
        key = await here.launch(here.script("a.py", code))
        here.peer.order(key, go=True)
        await asyncio.to_thread(here.peer.wait_for, key, phase="running")

        def figures() -> dict[str, float]:
            here.peer.order(key, grace_seconds=here.peer.orders[key]["grace_seconds"] + 1)
            usage: dict[str, float] = here.peer.report(key)["usage"]
            return usage

        def tell() -> bool:
            usage = figures()  # the first were taken as it began
            is_busy = usage["cpu_seconds"] > 0.1 and usage["cpu_percent"] > 10
            return is_busy and usage["memory_bytes"] > 50_000_000

        assert await asyncio.to_thread(wait_until, figures)
        await asyncio.to_thread(wait_until, tell, what="usage of a busy program")


async def test_start_is_quick(tmp_path: Path) -> None:
    """Process start to program start: 150 ms on a quiet machine. Tests share theirs: one quick
    start is enough, and what is slow by itself is never quick."""
    async with site(tmp_path) as here:
        code = "import time; print(time.clock_gettime(time.CLOCK_MONOTONIC))"
        here.script("a.py", code)
        seconds = []
        for number in range(30):
            worker = here.worker("a.py", task_id=100 + number)
            here.launched.append(worker.key)
            here.peer.order(str(worker.key), go=True)
            before = asyncio.get_running_loop().time()
            await here.launcher.launch(worker)
            await asyncio.to_thread(here.peer.end_of, str(worker.key))
            seconds.append(float(here.log_lines()[-1]) - before)
            if seconds[-1] < 1.0:
                break
        assert min(seconds) < 1.0, seconds


async def test_agent_and_program_under_python_3_8(tmp_path: Path) -> None:
    async with site(tmp_path, python=python_3_8()) as here:
        code = "import sys\nfrom hfai import client\nprint(sys.version_info[:2], client.nb_name())"
        end = await here.run(here.script("a.py", code))
        assert end["exit_code"] == 0, here.log_lines()
        assert here.log_lines() == ["(3, 8) digits"]
