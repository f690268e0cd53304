"""The lock that says that an agent lives: one agent has it, and lookers keep nobody from it."""

import fcntl
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hai.agent import main


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The lock as two processes have it open."""
    found = [os.open(tmp_path / "agent.lock", os.O_RDWR | os.O_CREAT) for _ in range(2)]
    yield found[0], found[1]
    for fd in found:
        os.close(fd)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "LOCK_SECONDS", 0.05)


def test_who_looks_for_long_keeps_no_agent_from_it(locks: tuple[int, int]) -> None:
    looker, agent = locks
    fcntl.flock(looker, fcntl.LOCK_SH)
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(main._lock, agent)
        try:
            with pytest.raises(TimeoutError):  # longer than it waits for another agent
                taken.result(0.5)
        finally:
            fcntl.flock(looker, fcntl.LOCK_UN)
        assert taken.result(60) is True
    with pytest.raises(BlockingIOError):
        fcntl.flock(looker, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_another_agent_keeps_it(locks: tuple[int, int]) -> None:
    other, agent = locks
    assert main._lock(other)
    assert not main._lock(agent)
