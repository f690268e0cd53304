"""The start of a program, as far as it can be seen without one."""

import os

import pytest

from hai.agent import program
from hai.agent.environment import Account
from hai.agent.spec import WorkerSpec


class _Broken(Account):
    """Of a Python that lacks a module, which shows only after the fork."""

    def become(self) -> None:
        raise ImportError("No module named 'grp'")


class _NoKernel(program.Kernel):
    """Changes nothing about the test's own process."""

    def __init__(self) -> None:
        self._prctl = None


def test_whatever_stops_a_start_is_said() -> None:
    run = {"entrypoint": "a.py", "workspace": "/"}
    spec = WorkerSpec(
        {
            "key": "7.1.0",
            "node": {"name": "n"},
            "user": "ada",
            "uid": None,
            "task_name": "t",
            "chain_id": "c",
            "group": "g",
            "priority": "LOW",
            "world_size": 1,
            "whole_life_state": 0,
            "log_dir": "/nowhere",
            "server_url": "http://127.0.0.1:1",
            "token": "",
            "python": "python3",
            "segment_bytes": 4096,
            "segments": 2,
            "watchdog_seconds": 1,
            "spec": {"spec": run},
        },
        "/nowhere",
    )
    with pytest.raises(program.CannotStart) as raised:
        program.start(spec, _Broken(os.getuid(), "/"), {}, _NoKernel())
    assert raised.value.detail == "cannot start: ImportError: No module named 'grp'"
    assert raised.value.exit_code == program.NOT_EXECUTABLE
