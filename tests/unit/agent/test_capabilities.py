"""Capabilities of a quota reach a program that is not root: real processes, as root."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hai.agent.capabilities import NAMES, refusal, split
from tests.live import REPOSITORY
from tests.pythons import python_3_8
from tests.unit.agent.orders import UID, order_of

_START = """
import json, os, sys, warnings  # what exec needs is not to be looked for as the user
from hai.agent import capabilities, program
from hai.agent.environment import ProgramAccount
from hai.agent.spec import WorkerSpec
data, folder, uid, bounding = json.loads(sys.argv[1])
if bounding:
    import ctypes
    libc = ctypes.CDLL(None)
    for number in bounding:
        libc.prctl(24, number, 0, 0, 0)  # PR_CAPBSET_DROP: as a container without it
account = ProgramAccount(uid, folder, uid, [])
started = program.start(WorkerSpec(data, folder), account, {"HOME": folder}, program.Kernel())
os.set_blocking(started.output, True)
print(os.read(started.output, 65536).decode())
while text := os.read(started.output, 65536).decode():
    print(text)
sys.exit(os.waitpid(started.pid, 0)[1] != 0)
"""
_SHOW = "grep -E '^(Cap|NoNew|Uid)' /proc/self/status; bash -c 'grep CapEff /proc/self/status'\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to give")


def run(
    folder: Path,
    names: list[str],
    dropped: tuple[int, ...] = (),
    python: str = sys.executable,
) -> str:
    """What the program says of itself."""
    (folder / "show.sh").write_text(_SHOW)
    (folder / "control").mkdir(exist_ok=True)
    (folder / "control").chmod(0o777)
    data = order_of(folder, "show.sh", capabilities=names)
    done = subprocess.run(
        [python, "-c", _START, json.dumps([data, str(folder), UID, dropped])],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def bits(*names: str) -> str:
    return f"{sum(1 << NAMES.index(name) for name in names):016x}"


@pytest.mark.parametrize(
    "names",
    [[], ["IPC_LOCK"], ["SYS_PTRACE", "IPC_LOCK"], ["CHOWN"], ["SYSLOG"], ["PERFMON", "KILL"]],
)
def test_the_program_has_these_and_no_others(public_dir: Path, names: list[str]) -> None:
    if split(names)[0] != names:
        pytest.skip("this machine's root does not have them")
    said = run(public_dir, names)
    assert f"Uid:\t{UID}\t{UID}" in said
    for kind in ("Eff", "Prm", "Inh", "Amb"):
        assert f"Cap{kind}:\t{bits(*names)}" in said, said
    assert said.count(f"CapEff:\t{bits(*names)}") == 2  # and so have its children


def test_what_the_container_does_not_have_is_left_out(public_dir: Path) -> None:
    """Dropped from the bounding set alone it is still permitted, but the kernel refuses."""
    said = run(public_dir, ["IPC_LOCK"], (NAMES.index("IPC_LOCK"),))
    assert f"CapEff:\t{bits()}" in said
    assert "without the capabilities of its quota: IPC_LOCK: " in said


def test_the_oldest_python_gives_them_too(public_dir: Path) -> None:
    said = run(public_dir, ["IPC_LOCK"], python=python_3_8())
    assert f"CapEff:\t{bits('IPC_LOCK')}" in said


def test_unknown_ones_are_told() -> None:
    assert split(["IPC_LOCK_", "ALL"]) == ([], ["IPC_LOCK_", "ALL"])
    assert "IPC_LOCK_, ALL" in refusal(["IPC_LOCK_", "ALL"])


def test_numbers_are_the_kernels() -> None:
    assert (NAMES.index("IPC_LOCK"), NAMES.index("SYS_ADMIN"), len(NAMES)) == (14, 21, 41)
