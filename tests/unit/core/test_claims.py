"""What a claim tells of a task's latest attempt, waiting and active."""

from dataclasses import replace
from typing import Any

import pytest

from hai.core.claims import claim_of, submitted_now
from hai.core.plan import Claim
from hai.core.resources import Resources
from hai.core.task import Task
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName
from tests.factories import NOW, attempt, task, task_draft

ASKS = Resources(2000, 2**30, 1)


def ran_once(state: TaskState) -> Task:
    made = attempt("node-1", "node-2", priority=Priority.HIGH, started_at=NOW + 1, saved_at=NOW + 2)
    workers = tuple(replace(one, gpu_indices=(one.rank,)) for one in made.workers)
    latest = replace(made, workers=workers, backfill=True, for_task=TaskId(9))
    return task(state=state, attempts=1, attempt=latest, nodes=2)


@pytest.mark.parametrize("state", [TaskState.STARTING, TaskState.RUNNING, TaskState.SUSPENDING])
def test_an_active_task_holds_the_nodes_of_its_attempt(state: TaskState) -> None:
    claim = claim_of(ran_once(state))
    assert (claim.holds, claim.knows) == (("node-1", "node-2"), ())
    assert (claim.charged, claim.since, claim.running_since) == (Priority.HIGH, NOW, NOW + 1)
    assert (claim.saved_at, claim.backfill, claim.for_task) == (NOW + 2, True, 9)
    assert claim.gpu_indices == ((0,), (1,))


@pytest.mark.parametrize("state", [TaskState.QUEUED, TaskState.SUSPENDED])
def test_a_waiting_task_knows_them_and_for_whom_it_left(state: TaskState) -> None:
    claim = claim_of(ran_once(state))
    assert (claim.holds, claim.knows, claim.for_task) == ((), ("node-1", "node-2"), 9)
    assert (claim.charged, claim.since, claim.running_since, claim.saved_at) == (None,) * 4
    assert not claim.backfill
    assert claim.gpu_indices == ()


def test_what_is_submitted_now_has_wishes_and_no_past() -> None:
    wishes: dict[str, Any] = {
        "user": UserName("bob"),
        "group": GroupName("shared"),
        "nodes": 2,
        "spot": True,
    }
    draft = task_draft(**wishes, asks=ASKS, waits_ok=(TaskId(3),), waits_any=(TaskId(4),))
    claim = submitted_now(draft, TaskId(99), NOW)
    assert claim == Claim(
        **wishes,
        task_id=TaskId(99),
        priority=draft.priority,
        state=TaskState.QUEUED,
        submitted_at=NOW,
        waits_for=(TaskId(3), TaskId(4)),
        asks=ASKS,
    )
    again = replace(
        claim, knows=(NodeName("node-1"),), ran_seconds=5.0, first=True, queued_at=NOW + 5
    )
    assert submitted_now(again, TaskId(99), NOW) == claim
