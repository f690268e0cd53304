import os
import signal
import subprocess
import sys

from hai.agent import processes
from hai.agent.usage import cpu_and_memory
from tests.waiting import wait_until


def test_own_process_is_known() -> None:
    assert processes.is_running(os.getpid())
    assert processes.start_time(os.getpid()) > 0
    assert processes.in_group(os.getpid(), os.getpgrp())
    assert processes.boot_id()


def test_missing_process_is_no_error() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert not processes.is_running(child.pid)
    assert processes.start_time(child.pid) == 0
    assert not processes.kill_exactly(child.pid, 12345)
    processes.signal_all([child.pid], signal.SIGTERM)


def test_descendants_and_marker() -> None:
    code = "import subprocess; subprocess.run(['sleep', '60'])"
    environment = {**os.environ, "HAI_CONTROL_DIR": f"/tmp/none-{os.getpid()}"}
    marker = processes.marker_of(environment["HAI_CONTROL_DIR"])
    child = subprocess.Popen([sys.executable, "-c", code], env=environment)
    try:
        wait_until(lambda: len(processes.marked(marker)) >= 2)
        found = processes.marked(marker)
        assert child.pid in found
        assert set(found) <= set(processes.descendants(os.getpid()))
        by_parent = processes._descendants_by_parent(os.getpid())
        assert set(found) <= set(by_parent)
        cpu_seconds, memory_bytes = cpu_and_memory()
        assert cpu_seconds > 0
        assert memory_bytes > 1_000_000
    finally:
        processes.signal_all(processes.marked(marker), signal.SIGKILL)
        child.wait()
    wait_until(lambda: not processes.marked(marker))  # killed, not yet gone


def test_a_reused_pid_is_not_killed() -> None:
    child = subprocess.Popen(["sleep", "60"])
    started = processes.start_time(child.pid)
    assert not processes.kill_exactly(child.pid, started + 1)
    assert child.poll() is None
    assert processes.kill_exactly(child.pid, started)
    assert child.wait() == -signal.SIGKILL


def test_an_idle_process_uses_no_cpu_time() -> None:
    before, _ = cpu_and_memory()
    children = [subprocess.Popen(["sleep", "60"]) for _ in range(5)]
    try:
        assert cpu_and_memory()[0] - before < 0.5  # 0.02 s for each to start, at most
    finally:
        for child in children:
            child.kill()
            child.wait()
