"""Spot containers: free nodes only while nobody waits, no quota, and they yield to everybody."""

from typing import Any

import pytest

from hai.core.assume.transaction import applied
from hai.core.lifecycle.claim_updates import back_in_line, leaving, running
from hai.core.plan import Claim
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.quota import Quota, QuotaTable
from hai.core.reasons.finding import reason_of
from hai.core.state import SchedulerState, build_state
from hai.core.types import Priority, TaskId, TaskState, UserName, WaitCode
from hai.wording import wait_reasons
from tests.unit.core.clusters import AMPLE, GROUP, nodes, waiting

NOW = 1000.0


def spot(task_id: int, **more: Any) -> Claim:
    return waiting(task_id, priority=Priority.LOW, spot=True, user="eve", **more)


def state_of(
    count: int, *claims: Claim, quotas: tuple[Quota, ...] = AMPLE, policy: Policy | None = None
) -> SchedulerState:
    return build_state(policy or Policy(), nodes(count), QuotaTable.of(quotas), claims, NOW)


def test_it_takes_what_is_left_and_no_quota() -> None:
    ada = (Quota(UserName("ada"), GROUP, Priority.NORMAL, 5),)  # eve has none
    state = state_of(3, spot(1), waiting(2), spot(3), spot(4), quotas=ada)
    decided = plan(state, NOW)
    assert [(one.task_id, one.backfill) for one in decided.starts] == [
        (2, False),
        (1, True),
        (3, True),
    ]
    assert plan(state, NOW) == decided, "the tick leaves the state as it was"
    for start in decided.starts:
        state.put(running(state.claims[start.task_id], start, NOW))
    assert state.group(GROUP).user_quota(UserName("eve")).used[Priority.LOW] == 0
    with applied(state, plan(state, NOW)):
        reason = reason_of(state, plan(state, NOW), TaskId(4))
    assert reason.code is WaitCode.SPOT
    assert wait_reasons.text(reason) == (
        "is spot: it starts on nodes of training that are free while nobody waits there"
    )


@pytest.mark.parametrize("level", [Priority.LOW, Priority.NORMAL])
def test_it_yields_at_once_to_whoever_starts_by_right(level: Priority) -> None:
    state = state_of(1, spot(1))
    state.put(running(state.claims[TaskId(1)], plan(state, NOW).starts[0], NOW))
    state.put(waiting(2, priority=level))
    decided = plan(state, NOW)
    assert [(one.task_id, one.for_task) for one in decided.suspends] == [(1, 2)]
    assert [one.task_id for one in decided.handovers] == [2]
    victim = leaving(state.claims[TaskId(1)], TaskId(2), NOW)
    state.put(victim)
    state.put(back_in_line(victim, NOW + 1))
    decided = plan(state, NOW + 1)
    assert [one.task_id for one in decided.starts] == [2]
    state.put(running(state.claims[TaskId(2)], decided.starts[0], NOW + 1))
    state.remove(TaskId(2), NOW + 9)
    again = plan(state, NOW + 9).starts
    assert [one.task_id for one in again] == [1]
    assert state.claims[TaskId(1)].state is TaskState.SUSPENDED


def test_none_starts_beside_somebody_who_waits() -> None:
    holder = running(waiting(9), plan(state_of(1, waiting(9)), NOW).starts[0], NOW)
    gang = waiting(2, 2)
    state = state_of(2, holder, gang, spot(1))
    assert not plan(state, NOW).starts
    free = state_of(2, holder, spot(1))
    assert [one.task_id for one in plan(free, NOW).starts] == [1]


def test_one_whose_quota_is_used_up_holds_up_no_spot() -> None:
    few = (Quota(UserName("ada"), GROUP, Priority.NORMAL, 1),)
    holder = running(waiting(9), plan(state_of(1, waiting(9)), NOW).starts[0], NOW)
    state = state_of(2, holder, waiting(2), spot(1), quotas=few)
    assert [one.task_id for one in plan(state, NOW).starts] == [1]


def test_without_preemption_there_is_none() -> None:
    assert not plan(state_of(1, spot(1), policy=Policy(preemption=False)), NOW).starts
