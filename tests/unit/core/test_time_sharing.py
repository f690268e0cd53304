"""Slices, turns and priorities: who may take whose nodes, and when."""

import pytest

from hai.core.plan import Demotion, Suspend
from hai.core.planner import plan
from hai.core.policy import HOUR, MINUTE, Policy
from hai.core.state import SchedulerState
from hai.core.types import Priority, TaskId, TaskState, UserName, WaitCode
from tests.unit.core.clusters import (
    GROUP,
    active,
    nodes,
    state_of,
    waiting,
)
from tests.unit.core.sharing import (
    ABOVE,
    HIGH,
    LOW,
    NORMAL,
    NOW,
    PATIENCE,
    SLICE,
    decide,
    fresh,
    ran,
    started,
    victims,
)


@pytest.mark.parametrize(
    ("seconds", "taken"),
    [(0.0, []), (SLICE - 1, []), (SLICE, [1]), (5 * SLICE, [1])],
)
def test_an_equal_takes_over_after_the_slice_only(seconds: float, taken: list[int]) -> None:
    decided = decide(nodes(1), [active(1, ["n0"], **ran(seconds)), fresh(2)])
    assert victims(decided) == taken


def test_the_slice_counts_from_when_the_gang_runs() -> None:
    """What a gang takes to come up is not taken from its slice."""
    slow = active(1, ["n0"], since=NOW - SLICE - MINUTE, running_since=NOW - SLICE + MINUTE)
    assert victims(decide(nodes(1), [slow, fresh(2)])) == []


@pytest.mark.parametrize(("level", "seconds"), [(LOW, 600.0), (NORMAL, 1800.0), (HIGH, 7200.0)])
def test_slices_may_differ_by_priority(level: Priority, seconds: float) -> None:
    policy = Policy(slices={LOW: 600.0, HIGH: 7200.0})
    for ran_seconds, taken in ((seconds - 1, []), (seconds, [1])):
        claims = [active(1, ["n0"], level, **ran(ran_seconds)), fresh(2, 1, level)]
        assert victims(decide(nodes(1), claims, policy=policy)) == taken


def test_tasks_of_one_user_at_one_priority_never_interrupt_each_other() -> None:
    claims = [active(1, ["n0"], user="ada", **ran(9 * SLICE)), waiting(2, user="ada")]
    decided = decide(nodes(1), claims)
    assert not decided.suspends
    assert decided.reasons[TaskId(2)].code is WaitCode.NO_FREE_NODES


def test_ones_own_task_of_a_lower_priority_gives_way() -> None:
    claims = [active(1, ["n0"], LOW, user="ada", **ran(0)), fresh(2, 1, HIGH, user="ada")]
    assert victims(decide(nodes(1), claims)) == [1]


def test_ones_own_backfill_yields_to_ones_own_gang() -> None:
    claims = [active(1, ["n0"], user="ada", backfill=True, **ran(0)), fresh(2, 2, user="ada")]
    assert decide(nodes(2), claims).suspends == (Suspend(TaskId(1), TaskId(2)),)


# turns


@pytest.mark.parametrize(
    ("used_by_ada", "taken"),
    [
        pytest.param(0.0, [1], id="ada used less"),
        pytest.param(10 * SLICE, [], id="ada used more"),
    ],
)
def test_an_expired_slice_is_only_taken_by_whose_turn_comes_first(
    used_by_ada: float, taken: list[int]
) -> None:
    claims = [active(1, ["n0"], user="bob", **ran(SLICE)), fresh(2, user="ada")]
    decided = decide(nodes(1), claims, usage={"ada": used_by_ada})
    assert victims(decided) == taken


def test_patience_comes_before_turns() -> None:
    holder = active(1, ["n0"], user="bob", **ran(SLICE))
    for waited, taken in ((PATIENCE - 1, []), (PATIENCE, [1])):
        late = fresh(2, user="ada", submitted_at=NOW - waited)
        assert victims(decide(nodes(1), [holder, late], usage={"ada": 1e9})) == taken


def test_equals_of_the_same_use_keep_their_nodes() -> None:
    """Each has one node for as long: nobody's turn comes before the other's."""
    claims = [
        active(1, ["n0"], user="bob", **ran(SLICE)),
        active(2, ["n1"], user="ada", **ran(SLICE)),
        fresh(3, user="ada"),
        fresh(4, user="bob"),
    ]
    assert victims(decide(nodes(2), claims)) == []
    assert victims(decide(nodes(2), [*claims, fresh(5, user="eve")])) == [2]


@pytest.mark.parametrize(("waited", "first"), [(PATIENCE - 1, 3), (PATIENCE, 2)])
def test_patience_counts_although_every_gang_is_as_wide_as_the_group(
    waited: float, first: int
) -> None:
    claims = [
        fresh(2, 2, user="ada", submitted_at=NOW - waited),
        fresh(3, 2, user="bob"),
    ]
    assert started(decide(nodes(2), claims, usage={"ada": 1e9})) == [first]


def test_patience_does_not_cut_a_slice() -> None:
    holder = active(1, ["n0"], user="bob", **ran(SLICE - 1))
    assert victims(decide(nodes(1), [holder, waiting(2, user="ada")])) == []


def test_of_two_who_waited_long_the_longest_is_first() -> None:
    claims = [
        fresh(1, user="ada", submitted_at=NOW - 2 * PATIENCE),
        fresh(2, user="bob", submitted_at=NOW - 3 * PATIENCE),
        fresh(3, user="new"),
    ]
    assert started(decide(nodes(3), claims, usage={"bob": 1e9, "ada": 1e6})) == [2, 1, 3]


def test_a_user_who_just_started_something_has_not_waited_long() -> None:
    """The wait of a user counts from the last start by right."""
    claims = [
        active(9, ["n0"], user="ada", **ran(MINUTE)),
        fresh(1, user="ada", submitted_at=NOW - 5 * PATIENCE),
        fresh(2, user="bob", submitted_at=NOW - MINUTE),
    ]
    assert started(decide(nodes(2), claims)) == [2]


def test_users_take_turns_and_each_users_tasks_come_in_order() -> None:
    claims = [fresh(number, user="ada", submitted_at=NOW - 100 + number) for number in (1, 2, 3)]
    claims += [fresh(number, user="bob", submitted_at=NOW - 90 + number) for number in (4, 5)]
    claims += [fresh(6, user="eve", submitted_at=NOW - 1)]
    assert started(decide(nodes(6), claims)) == [1, 4, 6, 2, 5, 3]


def test_a_weight_of_two_gives_two_turns() -> None:
    claims = [fresh(number, user="ada") for number in (1, 2, 3, 4)]
    claims += [fresh(number, user="bob") for number in (5, 6, 7, 8)]
    policy = Policy(weights={UserName("bob"): 2.0})
    first_six = started(decide(nodes(6), claims, policy=policy))
    assert sorted(first_six) == [1, 2, 5, 6, 7, 8]


def test_the_shortest_half_life_stays_in_range_over_a_long_pause() -> None:
    policy = Policy(half_life_seconds=SLICE / 100)
    claims = [active(1, ["n0"], **ran(0)), fresh(2, user="ada")]
    state = state_of(nodes(1), claims, policy=policy, now=NOW)
    assert victims(plan(state, NOW + 30 * 24 * HOUR)) == [1]


@pytest.mark.parametrize(
    ("half_life", "first"),
    [pytest.param(HOUR, 1, id="ten hours ago hardly counts"), pytest.param(1e9, 2, id="it does")],
)
def test_old_use_fades(half_life: float, first: int) -> None:
    """Ada used 100 nodes for an hour ten hours ago, bob one node for the last half hour."""
    state = SchedulerState(
        Policy(half_life_seconds=half_life),
        nodes(1),
        state_of([], []).quotas,
        NOW - 10 * HOUR,
    )
    state.seed_usage({(GROUP, UserName("ada")): (100 * HOUR, None)})
    state.advance(NOW)
    state.seed_usage({(GROUP, UserName("bob")): (0.5 * HOUR, None)})
    state.put(fresh(1, user="ada"))
    state.put(fresh(2, user="bob"))
    assert started(plan(state, NOW)) == [first]


def test_a_rank_orders_ones_own_tasks_only() -> None:
    claims = [
        fresh(1, user="ada", custom_rank=9, submitted_at=NOW - 50),
        fresh(2, user="ada", custom_rank=-9, submitted_at=NOW - 10),
        fresh(3, user="bob", custom_rank=100, submitted_at=NOW - 60),
    ]
    assert started(decide(nodes(3), claims)) == [3, 2, 1]


# priorities


def test_a_higher_priority_preempts_at_once() -> None:
    claims = [active(1, ["n0"], NORMAL, **ran(0)), fresh(2, 1, HIGH, user="ada")]
    assert victims(decide(nodes(1), claims)) == [1]


@pytest.mark.parametrize(
    ("earlier", "now_running", "falls"),
    [
        pytest.param(0.0, 30 * MINUTE - 1, False, id="not yet"),
        pytest.param(0.0, 30 * MINUTE, True, id="one attempt"),
        pytest.param(20 * MINUTE, 10 * MINUTE, True, id="over two attempts"),
        pytest.param(20 * MINUTE, 10 * MINUTE - 1, False, id="over two, not yet"),
    ],
)
def test_above_normal_falls_after_its_running_time(
    earlier: float, now_running: float, falls: bool
) -> None:
    claim = active(1, ["n0"], ABOVE, ran_seconds=earlier, **ran(now_running))
    decided = decide(nodes(1), [claim])
    assert decided.demotions == ((Demotion(TaskId(1), NORMAL),) if falls else ())
    assert decide(nodes(1), [claim], policy=Policy(demote_after_seconds=0)).demotions == ()


@pytest.mark.parametrize(
    ("ran_seconds", "level"), [(30 * MINUTE - 1, ABOVE), (30 * MINUTE, NORMAL)]
)
def test_who_waits_after_that_time_falls_before_it_starts(
    ran_seconds: float, level: Priority
) -> None:
    """Else it would take nodes from NORMAL tasks, and be one of them a moment later."""
    back = fresh(1, 1, ABOVE, state=TaskState.SUSPENDED, ran_seconds=ran_seconds)
    decided = decide(nodes(1), [back])
    assert [(start.task_id, start.priority) for start in decided.starts] == [(1, level)]
    assert bool(decided.demotions) is (level is NORMAL)
    held = [active(2, ["n0"], NORMAL, user="ada", **ran(0)), back]
    assert victims(decide(nodes(1), held)) == ([2] if level is ABOVE else [])


def test_while_nobody_waits_time_brings_demotions_only() -> None:
    """The end of a slice changes no plan then; that of the time at ABOVE_NORMAL does."""
    claims = [active(1, ["n0"], **ran(MINUTE)), active(2, ["n1"], ABOVE, **ran(20 * MINUTE))]
    state = state_of(nodes(2), claims, now=NOW)
    assert state.next_due() == NOW + 10 * MINUTE
    state.put(fresh(3))
    state.advance(NOW + 1)
    assert state.next_due() == NOW + 10 * MINUTE
    state.remove(TaskId(2), NOW + 1)
    state.put(active(4, ["n1"], **ran(25 * MINUTE)))
    assert state.next_due() == NOW + 5 * MINUTE
    state.remove(TaskId(3), NOW + 1)
    state.advance(NOW + 15 * MINUTE)
    assert state.next_due() is None
    assert not plan(state, NOW + 15 * MINUTE).decides


@pytest.mark.parametrize("level", [LOW, NORMAL, HIGH])
def test_no_other_level_falls(level: Priority) -> None:
    assert decide(nodes(1), [active(1, ["n0"], level, **ran(9 * HOUR))]).demotions == ()


def test_who_is_charged_lower_has_nothing_to_fall_from() -> None:
    """Its user asks for more meanwhile."""
    raised = active(1, ["n0"], ABOVE, charged=NORMAL, **ran(9 * HOUR))
    assert decide(nodes(1), [raised]).demotions == ()


def test_what_has_fallen_defends_its_nodes_as_a_normal_task() -> None:
    """It is charged at ABOVE_NORMAL until it leaves, and is an equal of NORMAL tasks."""
    fallen = active(1, ["n0"], NORMAL, charged=ABOVE, **ran(SLICE))
    assert victims(decide(nodes(1), [fallen, fresh(2, user="ada")])) == [1]
    safe = active(1, ["n0"], NORMAL, charged=ABOVE, **ran(SLICE - 1))
    assert victims(decide(nodes(1), [safe, fresh(2, user="ada")])) == []


def test_who_falls_is_an_equal_in_the_same_tick() -> None:
    """Else the free nodes would go to LOW, and be taken away at once for the one at NORMAL, which
    fits by them and by those of the fallen backfill."""
    fallen = active(1, ["n0", "n1"], ABOVE, user="ada", backfill=True, **ran(30 * MINUTE))
    claims = [fallen, fresh(2, 3, NORMAL, user="ada"), fresh(3, 1, LOW, user="ada")]
    state = state_of(nodes(3), claims, now=NOW)
    decided = plan(state, NOW)
    assert decided.demotions == (Demotion(TaskId(1), NORMAL),)
    assert victims(decided) == [1]
    assert [one.task_id for one in decided.handovers] == [2]
    assert started(decided) == []
    assert state.claims[TaskId(1)] == fallen
    assert plan(state, NOW) == decided
