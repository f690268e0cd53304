"""Retry rules: what may be asked for, and what follows from a failure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.core.lifecycle.retry import (
    LONGEST_BACKOFF_SECONDS,
    NODE_LOST,
    NONZERO,
    NextTry,
    Retry,
    next_try,
)
from hai.core.types import Outcome

NOW = 1000.0
O = Outcome  # noqa: E741


def after(
    retry: Retry | None, outcome: Outcome, code: int | None, failures: int = 0
) -> NextTry | None:
    return next_try(retry, outcome=outcome, exit_code=code, failures=failures, now=NOW)


def test_what_a_rule_may_say() -> None:
    assert Retry.parse(3) == Retry(most=3)
    assert Retry.parse({}) == Retry(
        most=1, backoff_seconds=10.0, on=frozenset({NODE_LOST, NONZERO})
    )
    full = Retry.parse({"max": 2, "backoff": "1m30s", "on": [NODE_LOST, 75, 143]})
    assert full == Retry(most=2, backoff_seconds=90.0, on=frozenset({NODE_LOST, 75, 143}))
    assert Retry.parse({"on": 75}).on == {75}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("often", "must be a number of tries or"),
        (True, "must be a number of tries or"),
        ({"max": -1}, "retry.max must be"),
        ({"max": 10**6}, "retry.max must be"),
        ({"max": True}, "retry.max must be"),
        ({"times": 3}, "has no 'times'"),
        ({"backoff": "soon"}, "retry.backoff: 'soon' is no duration"),
        ({"on": [0]}, "0 is none of"),
        ({"on": [256]}, "256 is none of"),
        ({"on": ["timeout"]}, "'timeout' is none of"),
        ({"on": [True]}, "True is none of"),
        ({"on": []}, "retry.on is empty"),
    ],
)
def test_what_it_may_not_say(value: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Retry.parse(value)


def test_options_without_a_rule_or_with_an_old_one_that_says_nothing() -> None:
    assert Retry.of({}) is None
    assert Retry.of({"retry": None}) is None
    assert Retry.of({"retry": "whatever it said before there were rules"}) is None


def test_what_is_tried_again() -> None:
    some = Retry.parse({"max": 2, "on": [75]})
    told = after(some, O.FAILED, 75)
    assert told is not None
    assert (told.number, told.most, told.rule, told.not_before) == (1, 2, "exit code 75", NOW + 10)
    assert told.why == "exit code 75: try 1 of 2 in 10s"
    assert after(some, O.FAILED, 1) is None
    assert after(some, O.FAILED, 75, failures=2) is None
    assert after(some, O.NODE_LOST, None) is None
    assert after(None, O.FAILED, 75) is None
    for outcome in (O.SUCCEEDED, O.STOPPED, O.SUSPENDED_CLEAN, O.SUSPENDED_DIRTY):
        assert after(Retry(most=9), outcome, 0) is None


def test_a_lost_node_is_waited_for_by_nobody() -> None:
    told = after(Retry(most=1), O.NODE_LOST, None)
    assert told is not None
    assert (told.rule, told.not_before) == (NODE_LOST, None)


@given(st.integers(0, 10**6), st.floats(0, 10**6))
def test_waits_double_up_to_an_hour(failures: int, backoff: float) -> None:
    retry = Retry(most=10**9, backoff_seconds=backoff)
    wait = retry.wait_seconds(failures)
    assert 0 <= wait <= LONGEST_BACKOFF_SECONDS
    assert retry.wait_seconds(failures + 1) >= wait
    assert retry.wait_seconds(1) == min(2 * backoff, LONGEST_BACKOFF_SECONDS)
