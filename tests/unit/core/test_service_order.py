"""The order of service, as people are shown it, is the order in which the planner starts claims."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hai.core.plan import Claim
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.queue.service_order import service_order
from hai.core.quota import QuotaTable
from hai.core.state import SchedulerState, build_state
from hai.core.types import Priority, TaskId, TaskState, UserName
from tests.unit.core.clusters import AMPLE, GROUP, nodes, waiting

LOW, NORMAL, HIGH = Priority.LOW, Priority.NORMAL, Priority.HIGH
NOW = 100_000.0


def state_of(claims: list[Claim], width: int, usage: dict[str, float]) -> SchedulerState:
    used = {(GROUP, UserName(user)): (seconds, None) for user, seconds in usage.items()}
    return build_state(Policy(), nodes(width), QuotaTable.of(AMPLE), claims, NOW, used)


def test_levels_then_promises_then_patience_then_turns() -> None:
    gone = waiting(
        9, user="eve", state=TaskState.SUSPENDED, suspended_at=NOW - 1, queued_at=NOW, for_task=4
    )
    claims = [
        waiting(1, priority=LOW, user="ada"),
        waiting(2, user="bob", submitted_at=NOW - 10),
        waiting(3, user="ada", submitted_at=NOW - 5000),
        waiting(4, user="bob", submitted_at=NOW - 9),
        waiting(5, priority=HIGH, user="eve", submitted_at=NOW),
        gone,
    ]
    state = state_of(claims, 0, {"bob": 1e8})
    assert service_order(state, GROUP) == []  # nobody fits: nobody stands in a line
    state = state_of(claims, 9, {"bob": 1e8})
    assert service_order(state, GROUP) == [5, 4, 3, 9, 2, 1]
    assert service_order(state, GROUP) == [5, 4, 3, 9, 2, 1]  # asking changes nothing


def test_users_take_turns_by_what_they_would_have_used() -> None:
    """Bob has used more. Of ada's, the one of three nodes costs as much as three of his."""
    claims = [
        waiting(1, user="ada", submitted_at=NOW - 40),
        waiting(2, 3, user="ada", submitted_at=NOW - 30),
        waiting(3, user="ada", submitted_at=NOW - 20),
        *(waiting(number, user="bob", submitted_at=NOW - 60) for number in (4, 5, 6, 7)),
    ]
    state = state_of(claims, 9, {"bob": 100.0})
    assert service_order(state, GROUP) == [1, 4, 2, 5, 6, 7, 3]


def test_what_higher_levels_give_counts_below() -> None:
    claims = [
        waiting(1, 3, HIGH, user="ada", submitted_at=NOW - 40),
        waiting(2, priority=NORMAL, user="ada", submitted_at=NOW - 40),
        *(waiting(number, user="bob", submitted_at=NOW - 9) for number in (3, 4, 5, 6)),
    ]
    assert service_order(state_of(claims, 9, {}), GROUP) == [1, 3, 4, 5, 2, 6]


def test_of_equals_comes_first_who_has_waited_longer_then_the_name() -> None:
    claims = [
        waiting(1, user="bob", submitted_at=NOW - 9),
        waiting(2, user="ada", submitted_at=NOW - 9),
        waiting(3, user="eve", submitted_at=NOW - 10),
    ]
    assert service_order(state_of(claims, 9, {}), GROUP) == [3, 2, 1]


def test_who_has_had_as_much_is_an_equal() -> None:
    """Bob has run what ada is given first; she has waited longer."""
    claims = [
        waiting(1, user="ada", submitted_at=NOW - 20),
        waiting(2, user="ada", submitted_at=NOW - 20),
        waiting(3, user="bob", submitted_at=NOW - 10),
    ]
    state = state_of(claims, 9, {})
    shares = state.group(GROUP).fair_share
    shares.spend(UserName("bob"), 1, NORMAL, NOW, by_right=False)
    assert service_order(state, GROUP) == [1, 2, 3]


def test_patience_is_over_once_for_each_user_and_not_for_who_has_just_started() -> None:
    """Ada's patience is over at both levels, eve's at the lower one; bob has used least."""
    claims = [
        waiting(1, priority=NORMAL, user="ada", submitted_at=NOW - 9000),
        waiting(2, priority=LOW, user="ada", submitted_at=NOW - 9000),
        waiting(3, priority=LOW, user="eve", submitted_at=NOW - 8000),
        waiting(4, priority=LOW, user="eve", submitted_at=NOW - 7000),
        waiting(5, priority=LOW, user="bob", submitted_at=NOW - 9),
    ]
    state = state_of(claims, 9, {"ada": 1e6, "eve": 1e5})
    assert service_order(state, GROUP) == [1, 3, 5, 4, 2]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ada", "bob", "eve"]),
            st.integers(1, 3),
            st.sampled_from([LOW, NORMAL, HIGH]),
            st.integers(0, 200),
            st.integers(0, 1),
        ),
        max_size=12,
    ),
    st.lists(st.integers(0, 100), min_size=3, max_size=3),
)
def test_with_room_for_all_claims_start_in_that_order(
    drawn: list[tuple[str, int, Priority, int, int]], used: list[int]
) -> None:
    """Nobody has used or waited exactly as long as another, so that no tie is to be broken."""
    usage = {
        user: 1000.0 * slices + place
        for place, (user, slices) in enumerate(zip(("ada", "bob", "eve"), used, strict=True), 1)
    }
    claims = [
        waiting(
            number,
            width,
            level,
            user=user,
            submitted_at=NOW - 20 * waited - number,
            custom_rank=float(rank),
        )
        for number, (user, width, level, waited, rank) in enumerate(drawn, 1)
    ]
    state = state_of(claims, 40, usage)
    order = service_order(state, GROUP)
    assert sorted(order) == list(range(1, len(claims) + 1))
    assert [TaskId(start.task_id) for start in plan(state, NOW).starts] == order
