"""Estimated starts, on small clusters."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from hai.core.forecast import Basis, Forecast, RunTime, copy_of, forecast, run_time
from hai.core.past_runs import History, PastRuns, name_pattern
from hai.core.plan import Claim
from hai.core.planner import plan
from hai.core.queue.service_order import service_order
from hai.core.quota import EVERYONE, LEVELS, Quota
from hai.core.state import SchedulerState
from hai.core.types import Priority, TaskId, TaskState, UserName
from hai.wording.estimates import basis_text
from tests.unit.core.clusters import GROUP, active, node, nodes, state_of, waiting
from tests.unit.core.pictures import picture
from tests.unit.core.properties import PROPERTY
from tests.unit.core.random_clusters import Cluster
from tests.unit.core.random_clusters import clusters as random_clusters

NOW = 5000.0
SLICE = 1800.0
ADA = UserName("ada")


def busy(task_id: int, holds: list[str], *, since: float = 4000.0, **fields: Any) -> Claim:
    return active(task_id, holds, **{"since": since, "running_since": since, **fields})


def ask(state: SchedulerState, task_id: int, times: dict[int, RunTime]) -> Forecast:
    claim = state.claims[TaskId(task_id)]
    copy = copy_of(state, claim.group, service_order(state, claim.group), claim)
    return forecast(copy, claim.task_id, {TaskId(key): time for key, time in times.items()})


def named(shortest: float, longest: float) -> RunTime:
    return RunTime(shortest, longest, Basis.NAME)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param({1: named(1200, 1500)}, (5200, 5500), id="an end within the slice"),
        pytest.param({1: named(1200, 90_000)}, (5200, 5800), id="the slice ends first"),
        pytest.param({1: named(500, 600)}, (5001, 6000 - 200), id="longer than it should be"),
        pytest.param({}, (NOW, 5800), id="nobody knows"),
        pytest.param({1: RunTime(0, 1500, Basis.LIMIT)}, (5001, 5500), id="a time limit"),
    ],
)
def test_one_holder(times: dict[int, RunTime], expected: tuple[float, float | None]) -> None:
    state = state_of(nodes(4), [busy(1, ["n0", "n1", "n2"]), waiting(2, 3)], now=NOW)
    found = ask(state, 2, times)
    assert (found.earliest, found.latest) == expected
    assert basis_text(found.grounds).startswith("by slices at the latest") is (not times)


def test_a_hand_over_that_begins_now_depends_on_no_running_time() -> None:
    state = state_of(nodes(1), [busy(1, ["n0"]), waiting(2, 1, Priority.HIGH)], now=NOW)
    asked = state.claims[TaskId(2)]
    copy = copy_of(state, GROUP, service_order(state, GROUP), asked)
    found = forecast(copy, asked.task_id, {}, leave_seconds=65.0)
    assert (found.earliest, found.latest) == (NOW, NOW + 65)
    assert "no other task has to end for it" in basis_text(found.grounds)


@pytest.mark.parametrize(
    ("claims", "ready", "quota", "expected"),
    [
        pytest.param([waiting(2, 2)], 1, 9, "out of service", id="nodes"),
        pytest.param([busy(1, ["n0"]), waiting(2, 2)], 1, 9, "out of service", id="and a holder"),
        pytest.param([waiting(2, 2)], 2, 1, "a larger quota", id="quota"),
        pytest.param([waiting(2, 2, Priority.AUTO)], 2, 1, "a larger quota", id="of no level"),
    ],
)
def test_what_no_end_of_others_can_help_is_named(
    claims: list[Claim], ready: int, quota: int, expected: str
) -> None:
    members = [node(f"n{number}", ready=number < ready) for number in range(2)]
    quotas = [Quota(EVERYONE, GROUP, level, quota) for level in LEVELS]
    found = ask(state_of(members, claims, quotas, now=NOW), 2, {})
    assert (found.earliest, found.latest) == (NOW, None)
    assert expected in basis_text(found.grounds)


def test_a_try_that_is_to_come_is_no_earlier_for_an_end_of_others() -> None:
    later = waiting(2, 1, not_before=NOW + 60)
    found = ask(state_of(nodes(1), [busy(1, ["n0"]), later], now=NOW), 2, {})
    assert (found.earliest, found.latest) == (NOW + 60, 5800)


def test_who_is_ahead_counts() -> None:
    claims = [busy(1, ["n0", "n1"]), waiting(2, 2, user="eve"), waiting(3, 2)]
    state = state_of(nodes(2), claims, now=NOW)
    times = {1: named(1100, 1200), 2: named(100, 200)}
    found = ask(state, 3, times)
    assert (found.earliest, found.latest) == (5200, 5400)
    assert (
        basis_text(found.grounds)
        == "running times by earlier runs of that name (2); if nobody else comes"
    )


def test_a_known_end_among_unknown_ones_says_so() -> None:
    claims = [busy(1, ["n0"]), busy(2, ["n1"]), waiting(3, 1)]
    found = ask(state_of(nodes(2), claims, now=NOW), 3, {1: named(1100, 1200)})
    assert (found.earliest, found.latest) == (5100, 5200)
    assert "1 of unknown length" in basis_text(found.grounds)


def test_without_a_start_in_sight_there_is_a_lower_bound_only() -> None:
    own = [busy(1, ["n0", "n1"], user="ada"), waiting(2, 2)]  # never interrupts its own
    found = ask(state_of(nodes(2), own, now=NOW), 2, {})
    assert found.latest is None
    assert found.earliest >= NOW
    assert "no start in sight" in basis_text(found.grounds)


def test_a_start_that_waits_for_nobody() -> None:
    found = ask(state_of(nodes(2), [waiting(2, 2)], now=NOW), 2, {})
    assert (found.earliest, found.latest) == (NOW, NOW)
    leaver = busy(1, ["n0", "n1"], state=TaskState.STOPPING)
    found = ask(state_of(nodes(2), [leaver, waiting(2, 2)], now=NOW), 2, {})
    assert (found.earliest, found.latest) == (NOW, NOW)


def test_who_has_to_leave_may_take_its_time() -> None:
    state = state_of(nodes(4), [busy(1, ["n0", "n1", "n2"]), waiting(2, 3)], now=NOW)
    asked = state.claims[TaskId(2)]
    copy = copy_of(state, GROUP, service_order(state, GROUP), asked)
    times = {TaskId(1): named(1200, 90_000)}
    found = forecast(copy, asked.task_id, times, leave_seconds=65.0)
    assert (found.earliest, found.latest) == (5200, 5800 + 65)


def test_a_backoff_is_waited_for() -> None:
    later = waiting(2, 1, not_before=NOW + 60)
    found = ask(state_of(nodes(2), [later], now=NOW), 2, {})
    assert (found.earliest, found.latest) == (NOW + 60, NOW + 60)


def test_the_copy_decides_as_the_original() -> None:
    claims = [
        busy(1, ["n0", "n1"], since=1000.0),
        busy(4, ["n2"], user="eve", since=4900.0),
        waiting(2, 2),
        waiting(3, 1, Priority.HIGH, user="eve"),
        waiting(5, 3, held=True),
    ]
    state = state_of(nodes(4), claims, now=NOW)
    asked = state.claims[TaskId(2)]
    copy = copy_of(state, GROUP, service_order(state, GROUP), asked)
    assert TaskId(5) not in {claim.task_id for claim in copy.claims}
    assert plan(copy.state(), NOW) == plan(state, NOW)


HISTORY = History(
    [
        PastRuns(None, None, 9, 1.0, 2.0, 3.0),
        PastRuns(ADA, None, 5, 10.0, 20.0, 30.0),
        PastRuns(ADA, "train-#", 3, 100.0, 200.0, 300.0),
        PastRuns(ADA, "eval-#", 2, 7.0, 8.0, 9.0),  # too few
    ]
)


@pytest.mark.parametrize(
    ("user", "name", "limit", "expected"),
    [
        ("ada", "train-7", None, RunTime(100.0, 300.0, Basis.NAME)),
        ("ada", "train-7", 250.0, RunTime(100.0, 250.0, Basis.LIMIT)),
        ("ada", "eval-1", None, RunTime(10.0, 30.0, Basis.USER)),
        ("ada", None, None, RunTime(10.0, 30.0, Basis.USER)),
        ("bob", "train-7", None, RunTime(1.0, 3.0, Basis.GROUP)),
    ],
)
def test_the_best_basis_is_taken(
    user: str, name: str | None, limit: float | None, expected: RunTime
) -> None:
    claim = waiting(1, user=user)
    assert run_time(claim, name, limit, HISTORY) == expected


def test_without_any_history_a_limit_is_all_there_is() -> None:
    assert run_time(waiting(1), "x", 60.0, History()) == RunTime(0.0, 60.0, Basis.LIMIT)
    assert run_time(waiting(1), "x", None, History()) == RunTime()


def test_numbers_in_names_do_not_matter() -> None:
    assert name_pattern("train-12_[3].py") == "train-#_[#].py"


@PROPERTY
@given(random_clusters())
def test_every_waiting_task_gets_an_answer(cluster: Cluster) -> None:
    """In order, not in the past, and with no trace on the state that was copied."""
    state = cluster.state()
    before = picture(state)
    times = {claim.task_id: named(100.0, 5000.0) for claim in cluster.claims}
    for claim in cluster.claims:
        if claim.state.is_waiting and not claim.held and not claim.waits_for:
            asked = replace(claim)
            copy = copy_of(state, claim.group, service_order(state, claim.group), asked)
            found = forecast(copy, claim.task_id, times)
            assert state.now <= found.earliest
            assert found.latest is None or found.earliest <= found.latest
    assert picture(state) == before
