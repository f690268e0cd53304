"""What the views read of the last tick: reasons on demand, of one task or of many at once."""

import pytest

from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.quota import EVERYONE, Quota
from hai.core.reasons.kinds import NotPlanned, Reason
from hai.core.task_facts import active_facts
from hai.core.types import Priority, TaskId, TaskState, WaitCode
from hai.service import last_tick as module
from hai.service.last_tick import LastTick, QueueStatus
from tests.unit.core.clusters import GROUP, active, nodes, state_of, waiting

NOW = 10_000.0
WAITING = [TaskId(number) for number in range(3, 9)]


@pytest.fixture
def last_tick() -> LastTick:
    """Alice may have two nodes and gets them now, so her other six wait; bob gets two as well."""
    claims = [
        *(waiting(number, user="alice") for number in range(1, 9)),
        waiting(9, 2, user="bob"),
    ]
    quotas = [Quota(EVERYONE, GROUP, Priority.NORMAL, 2)]
    state = state_of(nodes(4), claims, quotas, now=NOW)
    found = LastTick()
    found.post(state, plan(state, NOW), now=NOW, seconds=0.01)
    return found


def test_what_the_plan_gave_counts_in_the_reasons_of_the_same_user(last_tick: LastTick) -> None:
    assert {last_tick.reason(one, held=False).code for one in WAITING} == {WaitCode.QUOTA_EXCEEDED}


def test_many_at_once_have_the_reasons_of_one_by_one(last_tick: LastTick) -> None:
    alone = {one: last_tick.reason(one, held=False) for one in WAITING}
    again = LastTick()
    assert last_tick.state is not None
    again.post(last_tick.state, last_tick.decided, now=NOW, seconds=0.01)
    again.consider(alone)
    assert {one: again.reason(one, held=False) for one in alone} == alone


def test_no_more_is_found_than_is_asked_for(
    last_tick: LastTick, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many tasks the user has: a page of a list must not cost the whole line."""
    found: list[TaskId] = []

    def noted(state: object, decided: object, task_id: TaskId, places: object) -> Reason:
        found.append(task_id)
        return NotPlanned()

    monkeypatch.setattr(module, "reason_of", noted)
    last_tick.reason(WAITING[0], held=False)
    last_tick.reason(WAITING[0], held=False)
    last_tick.consider(WAITING[:3])
    assert found == WAITING[:3]


def test_a_board_without_a_tick_has_nothing_to_consider() -> None:
    last_tick = LastTick()
    last_tick.consider(WAITING)
    assert last_tick.reason(WAITING[0], held=False).code is WaitCode.NOT_PLANNED


@pytest.mark.parametrize("phase", [TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SUSPENDED])
def test_a_task_that_left_its_nodes_since_the_last_tick_has_no_slice(phase: TaskState) -> None:
    """Its row is newer than the tick, and what is told of it must not be of two ages."""
    last_tick = LastTick()
    state = state_of(nodes(1), [active(1, ["n1"])], now=NOW)
    last_tick.post(state, plan(state, NOW), now=NOW, seconds=0.01)
    assert last_tick.queue_status(TaskId(1), TaskState.RUNNING).level is not None
    assert last_tick.queue_status(TaskId(1), phase) == QueueStatus()


@pytest.mark.parametrize(("prefix", "has_slice"), [("", True), (GROUP, False)])
def test_who_shares_a_node_has_no_slice(prefix: str, *, has_slice: bool) -> None:
    """Nobody is suspended for a container on shared nodes, so no time there is a safe one."""
    last_tick = LastTick()
    policy = Policy(shared_prefix=prefix)
    state = state_of(nodes(1), [active(1, ["n1"])], now=NOW, policy=policy)
    last_tick.post(state, plan(state, NOW), now=NOW, seconds=0.01)
    status = last_tick.queue_status(TaskId(1), TaskState.RUNNING)
    assert (status.safe_until is not None) == has_slice
    assert active_facts(state, last_tick.decided, TaskId(1)).until == status.safe_until
