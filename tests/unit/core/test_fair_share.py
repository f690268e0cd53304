"""Whose turn it is: decayed usage, weights, and exact undoing."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hai.core.policy import DAY, Policy
from hai.core.queue.fair_share import FairShare
from hai.core.types import Priority, TaskId, UserName
from tests.unit.core.clusters import active

ADA, BOB = UserName("ada"), UserName("bob")
POLICY = Policy()
SLICE = POLICY.slice_seconds
NOW = 100 * DAY


def test_usage_halves_with_every_half_life() -> None:
    shares = FairShare(POLICY, NOW)
    shares.seed(ADA, 1000.0, None, NOW)
    for lives, left in ((0, 1000.0), (1, 500.0), (2, 250.0), (10, 1000 / 1024)):
        assert shares.node_seconds(ADA, NOW + lives * DAY) == pytest.approx(left)


def test_a_weight_divides_the_usage_for_turns_only() -> None:
    shares = FairShare(Policy(weights={ADA: 4.0}), NOW)
    for user in (ADA, BOB):
        shares.seed(user, 1000.0, None, NOW)
    assert shares.key(ADA) == pytest.approx(shares.key(BOB) / 4)
    assert shares.node_seconds(ADA, NOW) == shares.node_seconds(BOB, NOW)


def test_a_running_attempt_is_booked_a_slice_ahead_and_again_after_it() -> None:
    shares = FairShare(POLICY, NOW)
    claim = active(1, ["n0", "n1"], user="ada", since=NOW)
    assert shares.book(claim, NOW) == NOW + SLICE
    assert shares.node_seconds(ADA, NOW) == pytest.approx(2 * SLICE, rel=0.02)
    assert shares.book(claim, NOW + SLICE - 1) is None
    assert shares.book(claim, NOW + SLICE) == NOW + 2 * SLICE
    assert shares.node_seconds(ADA, NOW) == pytest.approx(4 * SLICE, rel=0.03)


def test_what_was_not_used_is_given_back() -> None:
    shares = FairShare(POLICY, NOW)
    claim = active(1, ["n0"], user="ada", since=NOW)
    shares.book(claim, NOW)
    shares.end(TaskId(1), NOW + 60)
    assert shares.node_seconds(ADA, NOW + 60) == pytest.approx(60, rel=1e-3)
    shares.end(TaskId(1), NOW + 90)  # harmless
    assert shares.node_seconds(ADA, NOW + 60) == pytest.approx(60, rel=1e-3)


def test_a_new_attempt_ends_the_booking_of_the_old_one() -> None:
    shares = FairShare(POLICY, NOW)
    first = active(1, ["n0"], user="ada", since=NOW)
    shares.book(first, NOW)
    shares.book(replace(first, since=NOW + 100), NOW + 100)
    assert shares.node_seconds(ADA, NOW) == pytest.approx(100 + SLICE, rel=0.02)


def test_only_a_start_by_right_is_a_turn() -> None:
    shares = FairShare(POLICY, NOW)
    assert shares.last_start(ADA) == -math.inf
    shares.book(active(1, ["n0"], user="ada", since=NOW, backfill=True), NOW)
    assert shares.last_start(ADA) == -math.inf
    shares.book(active(2, ["n1"], user="ada", since=NOW - 5), NOW)
    assert shares.last_start(ADA) == NOW - 5


def test_a_last_start_is_the_latest() -> None:
    shares = FairShare(POLICY, NOW)
    shares.seed(ADA, 0.0, NOW - 7, NOW)
    assert shares.last_start(ADA) == NOW - 7
    shares.start(ADA, NOW - 9)
    assert shares.last_start(ADA) == NOW - 7
    shares.start(ADA, NOW - 5)
    assert shares.last_start(ADA) == NOW - 5
    shares.seed(ADA, 0.0, None, NOW)
    assert shares.last_start(ADA) == NOW - 5


@pytest.mark.parametrize("weight", [1.0, 4.0])
@pytest.mark.parametrize("seconds", [0.0, 1000.0])
def test_a_start_that_is_tried_counts_as_one_that_is_booked(weight: float, seconds: float) -> None:
    policy = Policy(weights={ADA: weight})
    tried, booked = FairShare(policy, NOW), FairShare(policy, NOW)
    for shares in (tried, booked):
        if seconds:
            shares.seed(ADA, seconds, None, NOW)
    foreseen = tried.key_after(ADA, tried.use_of(2, SLICE, NOW))
    tried.spend(ADA, 2, Priority.NORMAL, NOW, by_right=True)
    booked.book(active(1, ["n0", "n1"], user="ada", since=NOW), NOW)
    assert foreseen == tried.key(ADA) == booked.key(ADA)
    assert tried.last_start(ADA) == booked.last_start(ADA) == NOW
    assert tried.node_seconds(ADA, NOW) == pytest.approx(seconds + 2 * SLICE, rel=0.02)


def test_a_backfill_that_is_tried_is_no_turn() -> None:
    shares = FairShare(POLICY, NOW)
    shares.spend(ADA, 1, Priority.NORMAL, NOW, by_right=False)
    assert shares.key(ADA) > 0
    assert shares.last_start(ADA) == -math.inf


def test_who_has_used_nothing_comes_first() -> None:
    shares = FairShare(POLICY, NOW)
    assert shares.key(ADA) == shares.key_after(ADA, 0) == shares.node_seconds(ADA, NOW) == 0
    assert shares.users() == []


def test_what_ended_attempts_have_used_can_be_booked_on_anew() -> None:
    """To the millisecond; what is booked for others comes again with their claims."""
    shares = FairShare(POLICY, NOW)
    shares.seed(ADA, 1000.0004, NOW - 7, NOW)
    shares.seed(BOB, 0.0, None, NOW)
    assert shares.ended(NOW) == {ADA: (1000.0, NOW - 7), BOB: (0.0, None)}
    for number, user in enumerate(("ada", "bob")):
        shares.book(active(number, ["n0", "n1"], user=user, since=NOW - 10), NOW)
    assert shares.ended(NOW) == {ADA: (1000.0, NOW - 7), BOB: (0.0, NOW - 10)}
    assert shares.ended(NOW + DAY) == {ADA: (500.0, NOW - 7), BOB: (0.0, NOW - 10)}


def test_only_what_was_booked_can_be_given_back() -> None:
    """Whenever the attempt is said to have ended."""
    for ended, left in ((NOW - 60, 0.0), (NOW + 60, 60.0), (NOW + 9 * SLICE, SLICE)):
        shares = FairShare(POLICY, NOW)
        shares.book(active(1, ["n0"], user="ada", since=NOW), NOW)
        shares.end(TaskId(1), ended)
        assert shares.node_seconds(ADA, NOW) == pytest.approx(left, rel=0.02)


def test_a_booking_may_begin_long_after_its_attempt() -> None:
    """All slices up to now are booked at once, and the one that runs."""
    shares = FairShare(POLICY, NOW)
    claim = active(1, ["n0"], user="ada", since=NOW - 2.5 * SLICE)
    assert shares.book(claim, NOW) == NOW + SLICE / 2
    assert shares.node_seconds(ADA, NOW) == pytest.approx(3 * SLICE, rel=0.02)
    assert shares.book(replace(claim, since=None), NOW + SLICE) is None


def test_restore_is_exact() -> None:
    shares = FairShare(POLICY, NOW)
    shares.seed(ADA, 0.1, NOW - 7, NOW)
    before = shares.key(ADA), shares.last_start(ADA)
    marks = {user: shares.mark(user) for user in (ADA, BOB)}
    for number, user in enumerate(("ada", "bob")):
        shares.book(active(number, ["n0"], user=user, since=NOW), NOW)
        shares.end(TaskId(number), NOW + 0.3)
    for user, mark in marks.items():
        shares.restore(user, mark)
    assert (shares.key(ADA), shares.last_start(ADA)) == before
    assert shares.users() == [ADA]
    assert shares.last_start(BOB) == -math.inf


def test_numbers_stay_in_range_for_years() -> None:
    """Keys are rescaled now and then, which changes no order."""
    shares = FairShare(Policy(half_life_seconds=3600.0), 0.0)
    now = 0.0
    for day in range(1500):
        now = day * DAY
        shares.seed(ADA, 100.0, None, now)
        shares.seed(BOB, 99.0, None, now)
        shares.rebase(now)
        assert shares.key(BOB) < shares.key(ADA) < 1e200
    assert shares.node_seconds(ADA, now) == pytest.approx(100.0)


@pytest.mark.parametrize(("hours", "rescaled"), [(255, False), (256, True), (400, True)])
def test_keys_are_rescaled_before_they_grow_out_of_range(hours: int, rescaled: bool) -> None:
    """Every 256 half-lives, all by one power of two; what has been used stays the same."""
    shares = FairShare(Policy(half_life_seconds=3600.0), NOW)
    now = NOW + hours * 3600.0
    shares.seed(ADA, 100.0, None, now)
    key = shares.key(ADA)
    assert shares.rebase(now) is rescaled
    assert shares.key(ADA) == (key / 2**256 if rescaled else key)
    assert shares.node_seconds(ADA, now) == pytest.approx(100.0)
    assert shares.rebase(now) is False
    shares.seed(ADA, 100.0, None, now)
    assert shares.node_seconds(ADA, now) == pytest.approx(200.0)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([ADA, BOB]), st.floats(0.1, 1e6), st.floats(0, 5 * DAY)),
        min_size=1,
        max_size=10,
    ),
    st.floats(0, 20 * DAY),
)
def test_the_inflated_order_is_that_of_decayed_usage(
    uses: list[tuple[UserName, float, float]], later: float
) -> None:
    shares = FairShare(POLICY, NOW)
    at = NOW + 5 * DAY + later
    decayed = {ADA: 0.0, BOB: 0.0}
    for user, seconds, offset in uses:
        shares.seed(user, seconds, None, NOW + offset)
        decayed[user] += seconds * 0.5 ** ((at - NOW - offset) / DAY)
    for user, seconds in decayed.items():
        assert shares.node_seconds(user, at) == pytest.approx(seconds, rel=1e-6, abs=1e-5)
    if not math.isclose(decayed[ADA], decayed[BOB], rel_tol=1e-6, abs_tol=1e-5):
        assert (shares.key(ADA) < shares.key(BOB)) == (decayed[ADA] < decayed[BOB])
