"""Programs that mean harm: their control directory is theirs, and the agent may be root."""

import asyncio
import contextlib
import os
import re
import stat
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from hai.core.task import WorkerKey
from hai.ports import WorkerPhase
from tests.integration.agent_peer import (
    Site,
    is_gone,
    public_python,
    searchable_folder,
    site,
)
from tests.waiting import wait_until

UID = 65534 if os.getuid() == 0 else None  # the programs are not root's, where that is possible
START = """
import json, os, subprocess, sys, time
control = os.environ["HAI_CONTROL_DIR"]
def put(name, text):
    open(f"{control}/requests/{name}", "w").write(text)
    os.rename(f"{control}/requests/{name}", f"{control}/requests/{name}.json")
def wait_for(*names):
    while not all(os.path.isfile(f"{control}/replies/{name}.json") for name in names):
        time.sleep(0.01)
"""


@contextlib.asynccontextmanager
async def open_site() -> AsyncIterator[Site]:
    with searchable_folder() as folder:
        async with site(folder, python=public_python()) as here:
            here.work_dir.chmod(0o777)
            yield here


async def start(here: Site, code: str, uid: int | None = UID) -> str:
    return await here.start(START + code, uid=uid)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        '{"op": "set_priority", "value": [[]]}',
        '{"op": "set_priority", "value": NaN}',
        '{"op": "set_priority", "value": 1e999}',
        '{"op": "set_priority", "value": true}',
        '{"op": "set_priority", "value": 9223372036854775808}',
        '{"op": "set_priority", "value": "\\ud800"}',
        '{"op": "set_priority", "value": "' + "x" * 60_000 + '"}',
        '{"op": ["set_priority"], "value": 1}',
    ],
    ids=lambda text: re.sub(r"\W+", "-", text[:50]),
)
async def test_what_the_server_would_not_take_is_not_passed_on(text: str) -> None:
    """Else the server refused whole reports, and the program would be out of reach of orders."""
    async with open_site() as here:
        code = f"put('a', {text!r}); wait_for('a')\nput('b', json.dumps({{'op': 'set_priority', "
        key = await start(here, code + "'value': 30})); time.sleep(60)")
        request = {"id": "b", "op": "set_priority", "value": 30}
        await asyncio.to_thread(here.peer.wait_for, key, requests=[request])
        asked = [
            request for _, report in here.peer.all_reports(key) for request in report["requests"]
        ]
        assert {request["id"] for request in asked} == {"b"}
        here.peer.order(key, stop=True)
        assert (await asyncio.to_thread(here.peer.end_of, key))["exit_code"] == 143


async def test_things_that_are_no_files_harm_nobody() -> None:
    code = """
os.mkfifo(f"{control}/ack")
for name in ("watchdog_seconds", "requests/fifo.json"): os.mkfifo(f"{control}/{name}")
os.mkdir(f"{control}/requests/folder.json")
os.mkdir(f"{control}/replies/answered.json")
os.symlink("/dev/zero", f"{control}/requests/zero.json")
os.symlink("/etc/passwd", f"{control}/requests/link.json")
open(os.fsencode(control) + b"/requests/\\xff.json", "w").close()
open(f"{control}/requests/...json", "w").close()
put("answered", "no request"); put("good", "no request"); wait_for("good")
print(sorted(os.listdir(f"{control}/replies")), flush=True)
for name in ("requests", "replies"):
    os.rename(f"{control}/{name}", f"{control}/old-{name}")
    os.mkfifo(f"{control}/{name}")
time.sleep(0.3)
for name in ("requests", "replies"):
    os.unlink(f"{control}/{name}")
    os.symlink("/tmp", f"{control}/{name}")
time.sleep(0.3)
"""
    async with open_site() as here:
        key = await start(here, code)
        end = await asyncio.to_thread(here.peer.end_of, key)
        assert (end["exit_code"], end["acked"]) == (0, True)
        assert here.log_lines() == ["['answered.json', 'good.json']"]
        assert (here.dir(key) / "agent.err").read_text() == ""


async def test_thousands_of_requests_do_not_delay_a_stop() -> None:
    """Tried until it is quick once: tests share the machine."""
    code = "for i in range(6000): put(f'r{i}', 'x')\nprint('full', flush=True); time.sleep(600)"
    seconds: list[float] = []
    while len(seconds) < 5 and min(seconds, default=5.0) >= 5.0:
        async with open_site() as here:
            key = await start(here, code)
            await asyncio.to_thread(wait_until, partial(_is_full, here))
            began = time.monotonic()
            here.peer.order(key, stop=True)
            end = await asyncio.to_thread(here.peer.end_of, key)
            seconds.append(time.monotonic() - began)
            assert end["exit_code"] == 143
    assert min(seconds) < 5.0, seconds


def _is_full(here: Site) -> bool:
    return here.log_lines() == ["full"]


async def test_a_deeply_nested_control_folder_can_be_forgotten() -> None:
    """Deeper than Python's stack, and than this process may open files at once."""
    code = "os.chdir(control)\nfor _ in range(5000): os.mkdir('d'); os.chdir('d')"
    async with open_site() as here:
        key = await start(here, code)
        assert (await asyncio.to_thread(here.peer.end_of, key))["exit_code"] == 0
        await here.launcher.forget(WorkerKey.parse(key))
        assert list((here.data_dir / "workers").iterdir()) == []


async def test_the_program_may_open_its_own_standard_streams() -> None:
    async with open_site() as here:
        key = await start(here, "open('/dev/stderr', 'w').write('err'); open('/dev/stdout', 'w')")
        assert (await asyncio.to_thread(here.peer.end_of, key))["exit_code"] == 0
        assert here.log_lines() == ["err"]


async def test_the_program_inherits_nothing_and_sees_no_secret() -> None:
    code = """
print(sorted(map(int, os.listdir("/proc/self/fd")))[:-1])  # without that of listdir itself
subprocess.run("umask", shell=True, stdout=None)
worker, agent = os.path.dirname(control), f"/proc/{os.getppid()}"
print([name for name in os.environ if "TOKEN" in name])
for path in (f"{worker}/spec.json", worker, f"{agent}/environ", f"{agent}/mem"):
    try: os.listdir(path) if os.path.isdir(path) else open(path, "rb"); print(path)
    except PermissionError: pass
for folder in (worker, os.path.dirname(worker), os.environ["HAI_LOG_DIR"]):
    while folder != "/tmp":
        try: open(f"{folder}/x", "w"); print(folder)
        except OSError: pass
        folder = os.path.dirname(folder)
"""
    if UID is None:
        pytest.skip("program and agent are the same user")
    async with open_site() as here:
        before = os.umask(0)
        try:
            key = await start(here, code)
        finally:
            os.umask(before)
        await asyncio.to_thread(here.peer.end_of, key)
        here.data_dir.chmod(0o711)
        assert here.log_lines()[:3] == ["[0, 1, 2]", "0022", "[]"]
        # the folder above was made by this test's own process under that umask
        assert set(here.log_lines()[3:]) <= {str(here.data_dir)}
        for path in here.log_root.rglob("*"):
            assert not stat.S_IMODE(path.stat().st_mode) & 0o022, path


async def test_a_variable_without_a_name_is_reported() -> None:
    async with open_site() as here:
        here.script("a.py", "")
        end = await here.run("a.py", uid=UID, run={"environments": {"A=B": "1"}})
        assert end["exit_code"] == 126
        assert end["detail"].startswith("cannot start: ")


async def test_dots_in_the_data_folders_path_hide_no_process(tmp_path: Path) -> None:
    code = """
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""
    async with site(tmp_path) as here:
        (tmp_path / "below").mkdir()
        here.data_dir = tmp_path / "below" / ".." / "data"
        here.launcher = here.new_launcher()
        key = await start(here, code, None)
        await asyncio.to_thread(wait_until, here.log_lines)
        os.kill(here.agent_pid(key), 9)
        await here.until(key, WorkerPhase.LOST)
        assert is_gone(int(here.log_lines()[0]))


async def test_a_flood_of_single_bytes_before_a_stuck_disk_is_bounded(tmp_path: Path) -> None:
    code = "for _ in range(1_000_000): os.write(1, b'x')\nopen('done', 'w'); time.sleep(60)"
    async with site(tmp_path) as here:
        (tmp_path / "blocked").touch()
        worker = here.script("a.py", START + code)
        key = await here.launch(worker, log_dir=str(tmp_path / "blocked" / "7"))
        here.peer.order(key, go=True)
        await asyncio.to_thread(wait_until, (here.work_dir / "done").exists, 60.0)
        status = Path(f"/proc/{here.agent_pid(key)}/status").read_text()
        peak = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert peak
        assert int(peak.group(1)) < 60 * 1024
