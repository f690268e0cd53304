"""What runs beside a program, through a channel, is held as the program is: real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import REPOSITORY
from tests.unit.agent.orders import UID, order_of

_SHOW = "grep -E '^Cap(Prm|Eff)' /proc/self/status; ulimit -Hu; id -u"
_ENTER = f"""
import json, os, sys
from hai.agent.channel.local_process import ProgramContext
from hai.agent.environment import ProgramAccount
from hai.agent.sessions import ChannelProcesses
from hai.agent.spec import WorkerSpec
data, folder, uid = json.loads(sys.argv[1])
account = ProgramAccount(uid, folder, uid, [])
sessions = ChannelProcesses(WorkerSpec(data, folder), account, {{"HOME": folder}})
ProgramContext(json.loads(json.dumps(sessions._order("c", "t")))).become()
os.chdir("/")
os.execv("/bin/bash", ["bash", "-c", {_SHOW!r}])
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change accounts")


def entered(folder: Path, capabilities: list[str]) -> list[str]:
    data = order_of(folder, "x.py", processes=321, capabilities=capabilities)
    done = subprocess.run(
        [sys.executable, "-c", _ENTER, json.dumps([data, str(folder), UID])],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_it_has_no_more_processes_and_no_capability(tmp_path: Path) -> None:
    none = "0" * 16
    assert entered(tmp_path, []) == ["CapPrm:", none, "CapEff:", none, "321", str(UID)]


def test_it_has_the_capabilities_of_the_quota_alone(tmp_path: Path) -> None:
    lock = f"{1 << 14:016x}"
    found = entered(tmp_path, ["IPC_LOCK"])
    assert found == ["CapPrm:", lock, "CapEff:", lock, "321", str(UID)]
