import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hai.cli.local_run import (
    command_line,
    local_environment,
    run_here,
    simulated_environment,
)
from hai.errors import HaiError, NotFound

SHELL = ["bash", "-c"]


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_exit_code_is_the_childs(code: int) -> None:
    assert run_here([*SHELL, f"exit {code}"], os.environ) == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_signal_is_128_and_its_number(number: int) -> None:
    assert run_here([*SHELL, f"kill -{number} $$"], os.environ) == 128 + number


def test_a_missing_program_and_one_without_the_right() -> None:
    with pytest.raises(NotFound):
        run_here(["/nonexistent/program"], os.environ)
    with pytest.raises(HaiError, match="'/etc/hostname' cannot be started: "):
        run_here(["/etc/hostname"], os.environ)


def test_local_environment_is_one_rank_with_a_free_port() -> None:
    found = local_environment({"PATH": "/bin", "RANK": "7"})
    assert found["PATH"] == "/bin"
    assert (found["RANK"], found["WORLD_SIZE"]) == ("0", "1")
    assert found["MASTER_ADDR"] == found["MASTER_IP"] == "127.0.0.1"
    assert 0 < int(found["MASTER_PORT"]) < 65536
    assert "HFAI_SIMULATE" not in found


def test_simulated_environment() -> None:
    found = simulated_environment({}, life_state=5, suspend_seconds=30)
    assert found["HFAI_SIMULATE"] == found["HAI_SIMULATE"] == "1"
    assert found["MARSV2_WHOLE_LIFE_STATE"] == "5"
    assert found["MARSV2_TASK_TYPE"] == "training"
    assert found["SIMULATE_SUSPEND"] == "30"
    assert "SIMULATE_SUSPEND" not in simulated_environment({}, life_state=0, suspend_seconds=None)


def test_python_is_the_one_on_the_path(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    assert command_line("python", ["a b.py", "-x"], {"PATH": str(tmp_path)})[0] == str(python)
    assert command_line("python", ["a.py"], {"PATH": "/nonexistent"})[0] == sys.executable
    assert command_line("exec", ["./x", "-h"], {}) == ["./x", "-h"]


RUNNER = """
import os, sys
from hai.cli.local_run import run_here
sys.exit(run_here(sys.argv[1:], os.environ))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_signals_go_on_to_the_child(number: signal.Signals) -> None:
    trap = f"trap 'echo got; exit 42' {number.name[3:]}; echo ready; while :; do sleep 0.02; done"
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, *SHELL, trap],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[3],
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "got\n"
        assert process.wait(60) == 42
