"""Processes are told apart by more than their pid."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from hai.errors import Conflict
from hai_up.layout import Layout
from hai_up.process import (
    Process,
    find_server,
    has_stale_pid,
    locked,
    process_of,
    server_environment,
    stop_process,
)

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEPER


def start(code: str, *words: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    return child


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    started = start(SLEEPER)
    yield started
    end(started)


def identity(child: subprocess.Popen[str]) -> Process:
    found = process_of(child.pid)
    assert found is not None
    return found


def test_a_process_is_itself_and_no_other(child: subprocess.Popen[str]) -> None:
    process = identity(child)
    assert process.is_alive()
    assert not replace(process, started_ticks=process.started_ticks + 1).is_alive()
    assert not replace(process, boot_id="another").is_alive()


def test_a_zombie_is_gone(child: subprocess.Popen[str]) -> None:
    process = identity(child)
    assert stop_process(process, seconds=10)
    assert not process.is_alive()
    assert process_of(child.pid) is None


def test_who_does_not_leave_is_killed() -> None:
    child = start(STUBBORN)
    try:
        assert not stop_process(identity(child), seconds=0.2)
        assert child.wait(60) == -signal.SIGKILL
    finally:
        end(child)


def test_pid_file_of_a_living_server(tmp_path: Path, child: subprocess.Popen[str]) -> None:
    layout = Layout(tmp_path)
    assert not has_stale_pid(layout)
    layout.pid.write_text(json.dumps(asdict(identity(child))))
    assert find_server(layout) == identity(child)
    assert not has_stale_pid(layout)


@pytest.mark.parametrize("text", ["", "12", "{}", '{"pid": 1, "started_ticks": 1, "boot_id": ""}'])
def test_pid_file_that_means_nothing(tmp_path: Path, text: str) -> None:
    layout = Layout(tmp_path)
    layout.pid.write_text(text)
    assert find_server(layout) is None
    assert has_stale_pid(layout)


def test_a_server_without_pid_file_is_found(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    child = start(SLEEPER, "run", "--config", str(layout.config))
    try:
        assert find_server(layout) == identity(child)
        assert find_server(Layout(tmp_path / "other")) is None
    finally:
        end(child)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_a_strangers_process_of_that_name_is_no_server(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    code = "import os; os.setuid(65534);" + SLEEPER
    child = start(code, "run", "--config", str(layout.config))
    try:
        assert find_server(layout) is None
    finally:
        end(child)


def test_one_hai_up_at_a_time(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    said: list[str] = []
    with (
        locked(layout, said.append),
        pytest.raises(Conflict),
        locked(layout, said.append, seconds=0.1),
    ):
        pass
    assert "waiting" in said[0]
    with locked(layout, said.append, seconds=0):
        assert len(said) == 1


def test_a_lock_of_a_removed_folder_is_none(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with locked(layout, print):
        layout.lock.unlink()
        with locked(layout, print, seconds=0):  # a new file, a new lock
            assert layout.lock.exists()


def test_the_servers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAI_SERVER", "http://elsewhere")
    monkeypatch.setenv("HAI_DATABASE_URL", "postgresql://u:pw@h/db")
    monkeypatch.setenv("HAI_SUSPEND__GRACE_SECONDS", "9")
    monkeypatch.setenv("PYTHONPATH", f"relative{os.pathsep}/absolute")
    environment = server_environment()
    assert "HAI_SERVER" not in environment
    assert "HAI_DATABASE_URL" not in environment
    assert environment["HAI_SUSPEND__GRACE_SECONDS"] == "9"
    paths = environment["PYTHONPATH"].split(os.pathsep)
    assert paths == [str(Path("relative").absolute()), "/absolute"]
