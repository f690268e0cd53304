"""Control groups: where they are, by tables; what they hold, for real where they can be written."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hai.agent import cgroups
from tests.waiting import wait_until

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
UNIFIED = "31 23 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
FREEZER = "35 23 0:30 / /sys/fs/cgroup/freezer rw shared:9 - cgroup cgroup rw,freezer\n"
BOTH = "36 23 0:31 / /sys/fs/cgroup/pids,cpu rw - cgroup cgroup rw,cpu,pids\n"
OTHER = "22 1 0:21 / /proc rw - proc proc rw\n37 1 0:3 / /x\\040y rw - tmpfs tmpfs rw\n"
BOUND = "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
SPACED = "30 23 0:26 / /odd\\040place rw - cgroup2 cgroup rw\n"


@pytest.mark.parametrize(
    ("mounts", "own", "expected"),
    [
        (OTHER + V2, "0::/system.slice/hai.service\n", ["/sys/fs/cgroup/system.slice/hai.service"]),
        (V2, "0::/\n", ["/sys/fs/cgroup"]),
        (
            FREEZER + UNIFIED,
            "7:freezer:/a\n1:name=systemd:/b\n0::/c\n",
            ["/sys/fs/cgroup/unified/c", "/sys/fs/cgroup/freezer/a"],
        ),
        (
            BOTH + FREEZER,
            "8:cpu,pids:/p\n7:freezer:/\n",
            ["/sys/fs/cgroup/freezer", "/sys/fs/cgroup/pids,cpu/p"],
        ),
        (BOTH, "8:cpu,pids:/p\n", ["/sys/fs/cgroup/pids,cpu/p"]),
        (BOUND, "0::/docker/abc\n", ["/sys/fs/cgroup"]),
        (BOUND, "0::/docker/abc/in\n", ["/sys/fs/cgroup/in"]),
        (BOUND, "0::/../other\n", ["/sys/fs/cgroup"]),
        (SPACED, "0::/a:b\n", ["/odd place/a:b"]),
        (OTHER, "0::/\n", []),
        (V2, "", []),
    ],
)
def test_the_homes_of_a_process(mounts: str, own: str, expected: list[str]) -> None:
    assert cgroups.homes(mounts, own) == expected


def candidates() -> list[str]:
    mounts, own = Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text()
    return [home for home in cgroups.homes(mounts, own) if os.access(home, os.W_OK)]


ENTERS = """
import os, subprocess, sys
from hai.agent import cgroups
assert cgroups._join(sys.argv[1])
hidden = "sleep 300 & sleep 300"
subprocess.Popen(["setsid", "sh", "-c", hidden], env={})
print("in", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not candidates(), reason="no control groups that may be written here")
@pytest.mark.parametrize("home", candidates())
def test_a_group_holds_what_left_everything_else_behind(home: str) -> None:
    path = f"{home}/hai-test-{os.getpid()}"
    process = subprocess.Popen(
        [sys.executable, "-c", ENTERS, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"in\n":
            pytest.skip(f"{home} does not take processes")
        wait_until(lambda: len(cgroups.members(path)) >= 4)
        Path(path, "below").mkdir()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(cgroups.members(path)) == 3
        cgroups.kill(path)
        wait_until(lambda: not cgroups.members(path))
        wait_until(lambda: cgroups.remove(path))
    finally:
        process.kill()
        process.communicate()
        cgroups.kill(path)


def test_no_group_is_no_trouble(tmp_path: Path) -> None:
    for path in ("", str(tmp_path / "hai-none"), str(tmp_path)):
        assert cgroups.members(path) == []
        cgroups.kill(path)
        cgroups.remove(path)
    assert tmp_path.is_dir()  # not one of ours


def test_names_tell_workers_of_two_platforms_apart() -> None:
    names = {cgroups._name_of(f"/data-{i}/workers/7.1.0") for i in range(2)}
    assert len(names) == 2
    assert all(name.startswith("hai-7.1.0-") for name in names)
