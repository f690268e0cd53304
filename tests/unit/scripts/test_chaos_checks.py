"""What scripts/chaos looks for is found: a check that never fails would prove nothing."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import scripts.chaos_driver.campaign  # noqa: F401 - registers all faults
from scripts.chaos_driver.checks import check_task
from scripts.chaos_driver.clock import JumpingClock
from scripts.chaos_driver.faults import KUBERNETES, LOCAL
from scripts.chaos_driver.kinds import KILLED, KINDS, STOPPED
from scripts.chaos_driver.load import Asked
from scripts.chaos_driver.programs import WORK, Mark, held_locks, read_marks, write_programs

GOOD = {"state": "succeeded", "exit_code": 0, "attempts": 1, "why": ""}
FAILED = {**GOOD, "state": "failed", "exit_code": 1}


def asked(*allowed: tuple[str, int | None], nodes: int = 1) -> Asked:
    return Asked(7, "ada", nodes, "plain", set(allowed or [("succeeded", 0)]))


def mark(rank: int = 0, attempt: int = 1, **more: Any) -> Mark:
    return Mark(7, attempt, rank, **{"starts": 1, "ends": (0,), "overlaps": (), **more})


@pytest.mark.parametrize(
    ("task", "row", "marks", "wrong"),
    [
        (asked(), GOOD, [mark()], ""),
        (asked(nodes=2), GOOD, [mark(ends=()), mark(0, 2), mark(1, 2)], ""),
        (asked(KILLED), {**FAILED, "exit_code": 137}, [mark(ends=())], ""),
        (asked(STOPPED), {**FAILED, "state": "stopped", "exit_code": 143}, [], ""),
        (asked(), FAILED, [mark()], "ended as ('failed', 1)"),
        (asked(("failed", 2)), FAILED, [mark(ends=(1,))], "ended as ('failed', 1)"),
        (asked(STOPPED), FAILED, [mark()], "ended as ('failed', 1)"),
        (asked(), GOOD, [mark(starts=2)], "was started 2 times"),
        (asked(), GOOD, [mark(overlaps=("6.1.0",))], "6.1.0 was still on its node"),
        (asked(), GOOD, [mark(twice=("7.1.0",))], "7.1.0 still ran"),
        (asked(nodes=2), GOOD, [mark(0), mark(1, ends=())], "only ranks [0] of 2"),
        (asked(), GOOD, [mark(), mark(attempt=2, ends=())], "only ranks [] of 1"),
        (asked(), GOOD, [], "only ranks [] of 1"),
        (asked(), GOOD, [mark(steps=(1.0, 2.0)), mark(attempt=2, steps=(2.5, 3.0))], ""),
        (
            asked(),
            GOOD,
            [mark(steps=(1.0, 4.5)), mark(attempt=2, steps=(2.5, 3.0))],
            "attempt 1 went on for 2.0 s after attempt 2 began",
        ),
    ],
)
def test_a_task(task: Asked, row: Mapping[str, Any], marks: list[Mark], wrong: str) -> None:
    found = list(check_task(task, dict(row), marks))
    assert len(found) == bool(wrong)
    assert wrong in "".join(found)


def run_work(folder: Path, attempt: int, *words: str) -> int:
    environment = {
        "PATH": os.environ["PATH"],
        "HAI_TASK_ID": "7",
        "HAI_ATTEMPT": str(attempt),
        "HAI_RANK": "0",
        "HAI_NODE_NAME": "node-01",
        "HAI_CONTROL_DIR": str(folder),
        "HAI_SUSPEND_FILE": str(folder / "suspend"),
    }
    command = [sys.executable, "work.py", *words]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def test_programs_leave_marks_and_see_who_holds_their_node(tmp_path: Path) -> None:
    write_programs(tmp_path, ["node-01", "node-02"])
    assert run_work(tmp_path, 1, "plain", "1", "3") == 3
    assert held_locks(tmp_path) == []
    with (tmp_path / "locks" / "node-01").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert held_locks(tmp_path) == ["node-01"]
        assert run_work(tmp_path, 2, "plain", "0", "0") == 0
    with (tmp_path / "ranks" / "7.0").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run_work(tmp_path, 3, "plain", "0", "0") == 0
    first, second, third = read_marks(tmp_path)
    assert len(first.steps) == 1
    first = replace(first, steps=())
    assert first == Mark(7, 1, 0, starts=1, ends=(3,), overlaps=())
    assert second == Mark(7, 2, 0, starts=1, ends=(0,), overlaps=("7.1.0",))
    assert third == Mark(7, 3, 0, starts=1, ends=(0,), overlaps=(), twice=("7.2.0",))


def test_a_program_that_tries_twice(tmp_path: Path) -> None:
    write_programs(tmp_path, ["node-01"])
    assert [run_work(tmp_path, number, "tries", "1", "0") for number in (1, 2)] == [75, 0]


def test_the_clock_of_a_program_jumps(tmp_path: Path) -> None:
    clock = JumpingClock(tmp_path / "clock")
    code = "import time; before = time.time(); input(); print(time.time() - before)"
    for offset in (7200.0, -7200.0):
        clock.set(0.0)
        program = subprocess.Popen(
            [sys.executable, "-uc", "print()\n" + code.replace("input()", "print(); input()")],
            env={**os.environ, **clock.variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert program.stdout is not None
        assert program.stdout.readline() + program.stdout.readline() == "\n\n"
        clock.set(offset)
        said, _ = program.communicate("\n")
        assert float(said) == pytest.approx(offset, abs=600)


def test_every_kind_of_task_is_one_that_the_program_knows() -> None:
    modes = {kind.mode for kind in KINDS.values()} - {"plain"}
    assert modes
    assert {mode for mode in modes if f'"{mode}"' not in WORK} == set()


def test_every_kind_of_fault_of_the_manual_is_registered() -> None:
    text = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text()
    table = text.partition("### Faults\n")[2].partition("\n## ")[0]
    local, _, cluster = table.partition("| kind on Kubernetes |")
    for told, known in ((local, LOCAL), (cluster, KUBERNETES)):
        kinds = [row.split("|")[1] for row in told.splitlines() if row.startswith("| `")]
        assert {kind for row in kinds for kind in row.split("`")[1::2]} == set(known)
