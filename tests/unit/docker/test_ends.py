"""How a container's end reads."""

from typing import Any

import pytest

from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.launcher.containers import reported
from hai.launcher.docker.ends import unreported
from hai.ports import Observation, WorkerPhase

KEY = WorkerKey(TaskId(7), 1, 0)


def inspected(memory: int = 0, **state: Any) -> dict[str, Any]:
    return {"Name": "/hai-p-7-1-0", "State": state, "HostConfig": {"Memory": memory}}


def test_the_agents_word_counts() -> None:
    raw = b'{"exit_code": 3, "detail": "x", "acked": true, "saved": true, "lost": false}'
    assert reported(KEY, raw) == Observation(KEY, WorkerPhase.EXITED, 3, "x", True, True)
    lost = reported(KEY, b'{"exit_code": 126, "detail": "told", "lost": true}')
    assert lost == Observation(KEY, WorkerPhase.LOST, detail="told")


@pytest.mark.parametrize(
    "raw",
    [None, b"", b"{", b"[]", b'{"exit_code": "0"}', b'{"exit_code": 256}', b"[" * 60_000],
)
def test_anything_else_is_no_word(raw: bytes | None) -> None:
    assert reported(KEY, raw) is None


@pytest.mark.parametrize(
    ("state", "cut_off", "phase", "code", "words"),
    [
        ({"ExitCode": 1}, False, WorkerPhase.LOST, None, "ended with status 1 and left no report"),
        ({"ExitCode": 137, "OOMKilled": True}, False, WorkerPhase.EXITED, 137, "limit is 2.0 GiB"),
        ({"ExitCode": 137}, True, WorkerPhase.NODE_LOST, None, "the Docker engine was restarted"),
        ({"ExitCode": 127, "Error": "no space"}, False, WorkerPhase.LOST, None, "not started: no"),
        ({"Status": "removing"}, False, WorkerPhase.NODE_LOST, None, "removed its container hai-p"),
    ],
)
def test_without_it_the_engine_is_asked(
    state: dict[str, Any], cut_off: bool, phase: WorkerPhase, code: int | None, words: str
) -> None:
    end = unreported(KEY, inspected(2 * 2**30, **state), is_cut_off=cut_off)
    assert (end.phase, end.exit_code) == (phase, code)
    assert words in end.detail
