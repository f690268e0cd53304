"""When a program may run: never so long that somebody may have started the next attempt."""

from hai.agent.lease import CONFIRM_SECONDS, Lease


def test_counts_from_when_a_call_was_sent_and_not_from_its_answer() -> None:
    lease = Lease(30.0, 100.0)
    lease.answered(110.0, 125.0)
    assert lease.is_valid(139.9)
    assert not lease.is_valid(140.0)


def test_an_older_call_takes_nothing_away() -> None:
    lease = Lease(30.0, 100.0)
    lease.answered(120.0, 120.1)
    lease.answered(101.0, 121.0)
    assert lease.is_valid(149.0)


def test_one_answer_does_not_end_a_pause() -> None:
    lease = Lease(30.0, 0.0)
    lease.answered(40.0, 41.0)
    assert not lease.is_valid(41.0)
    lease.answered(41.5, 42.0)  # too soon: it may still have crossed the decision
    assert not lease.is_valid(42.0)
    lease.answered(41.0 + CONFIRM_SECONDS, 44.0)
    assert lease.is_valid(44.0)


def test_two_answers_that_are_far_apart_do_not_end_a_pause() -> None:
    lease = Lease(30.0, 0.0)
    lease.answered(40.0, 41.0)
    lease.answered(1000.0, 1000.1)
    assert not lease.is_valid(1000.1)
    lease.answered(1003.0, 1003.1)
    assert lease.is_valid(1003.1)


def test_a_standstill_prolongs_and_never_ends_a_pause() -> None:
    lease = Lease(30.0, 0.0)
    for second in range(1, 3600):
        lease.hold(float(second))
    assert lease.is_valid(3600.0)
    lease.hold(4000.0)
    lease.hold(4010.0)
    assert not lease.is_valid(4010.0)


def test_asks_at_once_before_it_is_over() -> None:
    lease = Lease(30.0, 0.0)
    assert not lease.is_pressing(15.0)
    assert lease.is_pressing(20.0)
    assert lease.is_pressing(2000.0)


def test_without_a_limit_it_never_ends() -> None:
    lease = Lease(0.0, 0.0)
    assert lease.is_valid(1e9)
    assert not lease.is_pressing(1e9)
