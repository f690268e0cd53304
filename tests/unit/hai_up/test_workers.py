"""Workers that outlived their server are found and ended; strangers are left alone."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from hai_up.layout import Layout
from hai_up.process import boot_id, process_of
from hai_up.workers import end_workers, live_agents

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


def start(worker_dir: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", SLEEPER],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "HAI_CONTROL_DIR": f"{worker_dir}/control"},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    return child


def describe(folder: Path, agent: int, program: int) -> None:
    folder.mkdir(parents=True)
    found = process_of(agent)
    ticks = found.started_ticks if found else 0
    values = {"pid": agent, "pid_start": ticks, "boot_id": boot_id()}
    (folder / "agent.pid").write_text(json.dumps(values))
    (folder / "started").write_text(json.dumps({"pid": program, "pgid": program, "at": ""}))


def test_workers_are_ended_and_strangers_are_not(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    own = layout.workers / "1.1.0"
    program, agent, stranger = start(str(own)), start("elsewhere"), start("elsewhere")
    children = (program, agent, stranger)
    try:
        describe(own, agent.pid, program.pid)
        describe(layout.workers / "2.1.0", 0, stranger.pid)  # a pid that is somebody else's now
        (layout.workers / "3.1.0").mkdir()
        (layout.workers / "3.1.0" / "agent.pid").write_text("{")
        assert [found.pid for found in live_agents(layout)] == [agent.pid]
        assert end_workers(layout, seconds=10) == 1
        assert program.wait(60) != 0
        assert agent.wait(60) != 0
        assert stranger.poll() is None
        assert live_agents(layout) == []
    finally:
        for child in children:
            child.kill()
            child.communicate()


def test_what_a_program_left_in_another_session_is_ended(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    own = layout.workers / "1.1.0"
    marked, agent = start(str(own)), start("elsewhere")
    code = "import subprocess as s; p = s.Popen(['sleep', '600'], env={}, start_new_session=True);"
    parent = subprocess.Popen(  # an agent whose program's child hides its environment
        [sys.executable, "-c", code + "print(p.pid, flush=True);" + SLEEPER],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HAI_CONTROL_DIR": "elsewhere"},
    )
    assert parent.stdout is not None
    hidden = int(parent.stdout.readline())
    try:
        describe(own, parent.pid, 0)  # its program has ended
        assert end_workers(layout, seconds=0) == 1
        assert marked.wait(60) != 0
        assert parent.wait(60) != 0
        assert process_of(hidden) is None
        assert agent.poll() is None
    finally:
        for child in (marked, agent, parent):
            child.kill()
            child.communicate()
        with contextlib.suppress(ProcessLookupError):
            os.kill(hidden, 9)


def test_a_folder_without_workers(tmp_path: Path) -> None:
    assert end_workers(Layout(tmp_path), seconds=0) == 0
