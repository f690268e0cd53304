"""How many processes a program may have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hai.agent.limits import bound_processes, most_processes


def test_half_of_what_the_machine_can_have(tmp_path: Path) -> None:
    small, large, odd = (tmp_path / name for name in ("small", "large", "odd"))
    small.write_text("1000\n")
    large.write_text("5000\n")
    odd.write_text("many\n")
    assert most_processes(0, (str(large), str(small), str(odd))) == 500
    assert most_processes(0, (str(tmp_path / "none"),)) == 16384
    assert most_processes(7, (str(small),)) == 7


def test_it_holds_for_what_comes_of_the_process_and_never_grows() -> None:
    program = (
        "from hai.agent.limits import bound_processes as b\nb(300)\nb(400)\n"
        "import resource\nprint(resource.getrlimit(resource.RLIMIT_NPROC))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "(300, 300)", done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to change accounts")
def test_an_account_without_rights_meets_it() -> None:
    """The kernel counts processes of the account, of which there is none yet."""
    program = Path(__file__).parents[3] / "scripts" / "hostile_driver" / "inside" / "fork.py"

    def enter() -> None:
        bound_processes(20)
        os.setgid(64777)
        os.setuid(64777)

    python = "/usr/bin/python3"  # that every account may run
    if not Path(python).exists():
        pytest.skip("no Python of the system's")
    done = subprocess.run(
        [python, "-", "20"],
        input=program.read_text(),
        preexec_fn=enter,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "GOT" not in done.stdout
    assert "19 processes:" in done.stdout, done.stdout + done.stderr
