"""What a verdict comes to when the last worker has left: late saves, lost peers, refused starts."""

from dataclasses import replace

import pytest

from hai.agent import ending
from hai.core.lifecycle import attempt_protocol
from hai.core.lifecycle.attempt_protocol import WorkerReport
from hai.core.lifecycle.losses import CUT_OFF, NOT_STARTED, TIME_IS_UP
from hai.core.task import Task
from hai.core.types import Outcome, TaskState
from hai.launcher import local
from tests.unit.core.attempts import (
    NOW,
    TIMING,
    W,
    outcome,
    report,
    running,
    starting,
    suspending,
    tell,
)


def test_the_agent_and_the_launcher_use_the_words_of_the_core() -> None:
    assert (ending.CUT_OFF, ending.NOT_STARTED) == (CUT_OFF, NOT_STARTED)
    assert local.NOT_STARTED == NOT_STARTED


def left_after_sigterm(*told: WorkerReport) -> Task:
    task = tell(suspending(nodes=len(told)), now=NOW + 5)
    assert task.attempt is not None
    assert task.attempt.verdict is Outcome.SUSPENDED_DIRTY
    return tell(task, *told, now=NOW + 8)


SAVED = report(0, W.EXITED, exit_code=0, saved=True)
CUT = report(0, W.EXITED, exit_code=137, detail=CUT_OFF)
WORKER_LEFT = report(1, W.EXITED, exit_code=143)


@pytest.mark.parametrize(
    ("told", "result"),
    [
        pytest.param([SAVED], Outcome.SUSPENDED_CLEAN, id="it saved on SIGTERM and left with 0"),
        pytest.param([replace(SAVED, exit_code=1)], Outcome.SUSPENDED_CLEAN, id="or with 1"),
        pytest.param([replace(SAVED, exit_code=143)], Outcome.SUSPENDED_CLEAN, id="or by SIGTERM"),
        pytest.param([replace(SAVED, saved=False)], Outcome.SUSPENDED_DIRTY, id="0, unproven"),
        pytest.param(
            [replace(SAVED, saved=False, exit_code=9)], Outcome.SUSPENDED_DIRTY, id="9, unproven"
        ),
        pytest.param([CUT], Outcome.SUSPENDED_DIRTY, id="it was killed"),
        pytest.param(
            [SAVED, replace(CUT, rank=1)], Outcome.SUSPENDED_CLEAN, id="another rank was killed"
        ),
        pytest.param(
            [CUT, replace(SAVED, rank=1)],
            Outcome.SUSPENDED_DIRTY,
            id="rank 0 was killed at it: what rank 1 sees may be half a file",
        ),
        pytest.param(
            [replace(CUT, saved=True), WORKER_LEFT],
            Outcome.SUSPENDED_CLEAN,
            id="the program's own word",
        ),
        pytest.param(
            [replace(WORKER_LEFT, rank=0), replace(SAVED, rank=1)],
            Outcome.SUSPENDED_CLEAN,
            id="rank 1 wrote it",
        ),
    ],
)
def test_who_leaves_after_sigterm_is_suspended(told: list[WorkerReport], result: Outcome) -> None:
    task = left_after_sigterm(*told)
    assert (task.state, outcome(task)) == (TaskState.SUSPENDED, result)
    assert task.attempt is not None
    is_clean = result is Outcome.SUSPENDED_CLEAN
    assert task.why.endswith("but it saved before it left") == is_clean
    assert not is_clean or task.attempt.saved_at == NOW + 8  # no work is lost


def test_a_program_that_fails_because_its_peer_was_lost_has_not_failed() -> None:
    task = tell(running(), report(0, W.EXITED, exit_code=1, detail=""))
    assert task.attempt is not None
    assert task.attempt.verdict is Outcome.FAILED
    task = tell(task, report(1, W.LOST, detail="the agent was killed by signal 9"))
    assert (task.state, outcome(task)) == (TaskState.SUSPENDED, Outcome.NODE_LOST)
    assert task.why == "rank 1 on node-1: the agent was killed by signal 9"


def test_who_does_not_leave_in_time_is_no_loss() -> None:
    task = tell(running(), report(0, W.EXITED, exit_code=3))
    task = tell(task, report(1, W.LOST, detail="killed"))
    assert (task.state, task.exit_code) == (TaskState.FAILED, 3)
    late = replace(running(1), time_limit_seconds=100.0)
    late = tell(late, now=NOW + 100)
    late = tell(late, report(0, W.LOST, detail="the agent was killed by signal 9"), now=NOW + 101)
    assert (late.state, late.exit_code) == (TaskState.FAILED, TIME_IS_UP)


def test_a_start_that_was_refused_for_now_ends_in_its_short_time_and_is_put_off() -> None:
    task = tell(starting(1), report(0, W.CREATED, detail="not started: No space left"))
    assert attempt_protocol.deadline(task, TIMING) == NOW + 30
    task = tell(task, now=NOW + 31)
    assert task.why == "rank 0 on node-0 did not come up in 30s: not started: No space left"
    task = tell(task, report(0, W.LOST, detail="killed"), now=NOW + 32)
    assert (task.state, task.failures, task.not_before) == (TaskState.SUSPENDED, 0, NOW + 42)
