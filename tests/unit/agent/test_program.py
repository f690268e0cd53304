"""The start of a program, as far as it can be seen without one."""

import os
from pathlib import Path

import pytest

from hai.agent import program
from hai.agent.environment import ProgramAccount
from hai.agent.spec import WorkerSpec
from tests.unit.agent.orders import order_of


class _Broken(ProgramAccount):
    """Of a Python that lacks a module, which shows only after the fork."""

    def become(self) -> None:
        raise ImportError("No module named 'grp'")


class _NoKernel(program.Kernel):
    """Changes nothing about the test's own process."""

    def __init__(self) -> None:
        self._prctl = None


def test_whatever_stops_a_start_is_said() -> None:
    nowhere = "/nowhere"
    spec = WorkerSpec(order_of(Path(nowhere), "a.py", uid=None), nowhere)
    with pytest.raises(program.CannotStart) as raised:
        program.start(spec, _Broken(os.getuid(), "/"), {}, _NoKernel())
    assert raised.value.detail == "cannot start: ImportError: No module named 'grp'"
    assert raised.value.exit_code == program.NOT_EXECUTABLE
