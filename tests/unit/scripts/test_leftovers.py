"""A test run that is killed leaves no process and no folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
# Three that hide from their parent each in its own way, and one of a stranger.
RUN = """
import os, subprocess, sys, tempfile, time
from tests import leftovers

folder = tempfile.mkdtemp(prefix="hai-test-", dir="/tmp")
ran = sys.argv[1] + "/ran"
sleep = ["sleep", "600"]
with (
    leftovers.keeping(folder=folder, remove=True),
    leftovers.keeping(command=["touch", ran]),
):
    with leftovers.keeping(command=["touch", ran + "-not"]):
        pass
    made = [
        subprocess.Popen(sleep, start_new_session=True),
        subprocess.Popen([*sleep[:1], "601"], start_new_session=True, env={"IN": folder + "/x"}),
        subprocess.Popen(sleep, start_new_session=True, env={}, cwd=folder),
        subprocess.Popen(["sh", "-c", "sleep 600; true", folder], env={}),
    ]
    stranger = subprocess.Popen(sleep, env={"IN": folder + "0"}, start_new_session=True)
    print(folder, stranger.pid, *(one.pid for one in made), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_run_leaves_is_ended(tmp_path: Path, signum: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        folder, *pids = run.stdout.readline().split()
        stranger, *made = (psutil.Process(int(pid)) for pid in pids)
        try:
            run.send_signal(signum)
            run.wait()
            wait_until(lambda: not Path(folder).exists(), what="the folder's end")
            assert not [one for one in made if one.is_running() and one.status() != "zombie"]
            assert stranger.is_running()
            assert (tmp_path / "ran").exists()
            assert not (tmp_path / "ran-not").exists()
        finally:
            stranger.kill()
