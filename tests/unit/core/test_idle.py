"""When an unused dev container is stopped, by tables."""

from collections.abc import Mapping

import pytest

from hai.core.idle import (
    Heard,
    IdleClock,
    Idleness,
    IdlePolicy,
    IdleRule,
    Signal,
    Step,
    decide,
    idleness,
    noticed,
)
from hai.errors import InvalidInput
from hai.wording.idle import signal_lines, state_text

HOUR = 3600.0
Quiet = Mapping[str, float | None]
RULE = IdleRule(2 * HOUR, 600.0)
NOW = 1_000_000.0
BEGAN = NOW - 24 * HOUR
ALL_QUIET = dict.fromkeys(("gpu", "kernels", "cpu", "input"), 3 * HOUR)


def used_at(quiet: Quiet, *more: Quiet) -> float | None:
    heard = [Heard(NOW, one) for one in (quiet, *more)]
    return idleness(heard, RULE, IdleClock(), BEGAN, NOW).used_at


@pytest.mark.parametrize(
    ("quiet", "ago"),
    [
        (ALL_QUIET, 3 * HOUR),
        ({**ALL_QUIET, "gpu": 0.0}, 0.0),
        ({**ALL_QUIET, "kernels": 60.0}, 60.0),
        ({**ALL_QUIET, "cpu": 5.0}, 5.0),
        ({**ALL_QUIET, "input": HOUR}, HOUR),
        ({**ALL_QUIET, "gpu": None}, 0.0),  # unknown counts as use
        ({**ALL_QUIET, "kernels": None}, 0.0),
        ({"kernels": 9.0, "cpu": 8.0, "input": 7.0}, 7.0),  # no GPU, no signal of one
        ({**ALL_QUIET, "sockets": 0.0}, 3 * HOUR),  # nobody counts those
        ({}, 0.0),
    ],
)
def test_any_signal_keeps_it(quiet: Quiet, ago: float) -> None:
    assert used_at(quiet) == NOW - ago


def test_any_rank_keeps_it() -> None:
    assert used_at(ALL_QUIET, {**ALL_QUIET, "cpu": 30.0}) == NOW - 30
    assert used_at(ALL_QUIET, {**ALL_QUIET, "cpu": None}) == NOW


def test_while_one_was_not_heard_nothing_is_known() -> None:
    found = idleness([Heard(NOW, ALL_QUIET), None], RULE, IdleClock(), BEGAN, NOW)
    assert found == Idleness(None, None)
    for clock in (IdleClock(), IdleClock(stop_at=NOW - HOUR)):
        assert decide(found, RULE, clock) is Step.WAIT


def test_the_start_counts_as_use() -> None:
    found = idleness([Heard(NOW, ALL_QUIET)], RULE, IdleClock(), NOW - 60, NOW)
    assert (found.used_at, found.stops_at) == (NOW - 60, NOW - 60 + RULE.seconds)


def test_an_old_word_is_not_younger_for_being_read_late() -> None:
    early = idleness([Heard(NOW, ALL_QUIET)], RULE, IdleClock(), BEGAN, NOW + 8)
    assert early.used_at == NOW - 3 * HOUR
    assert early.quiet[Signal.CPU] == 3 * HOUR + 8


@pytest.mark.parametrize(
    ("idle", "clock", "step"),
    [
        (0.0, IdleClock(), Step.WAIT),
        (2 * HOUR - 601, IdleClock(), Step.WAIT),
        (2 * HOUR - 600, IdleClock(), Step.NOTICE),
        (5 * HOUR, IdleClock(), Step.NOTICE),  # never stopped without one
        (5 * HOUR, IdleClock(until=NOW + HOUR), Step.WAIT),
        (5 * HOUR, IdleClock(until=NOW + 599), Step.NOTICE),
        (2 * HOUR - 300, IdleClock(stop_at=NOW + 300), Step.WAIT),
        (2 * HOUR, IdleClock(stop_at=NOW), Step.STOP),
        (2 * HOUR - 4, IdleClock(stop_at=NOW), Step.WAIT),  # within what words may differ by
        (120.0, IdleClock(stop_at=NOW + 60), Step.USED),
        (5 * HOUR, IdleClock(until=NOW + HOUR, stop_at=NOW + 60), Step.USED),
        (5 * HOUR, IdleClock(until=NOW + 61, stop_at=NOW + 60), Step.WAIT),
    ],
)
def test_steps(idle: float, clock: IdleClock, step: Step) -> None:
    quiet = dict.fromkeys(("kernels", "cpu", "input"), idle)
    found = idleness([Heard(NOW, quiet)], RULE, clock, BEGAN, NOW)
    assert decide(found, RULE, clock) is step


def test_a_late_word_proves_nothing_of_the_time_since() -> None:
    quiet = dict.fromkeys(("kernels", "cpu", "input"), 2 * HOUR - 660)
    found = idleness([Heard(NOW, quiet)], RULE, IdleClock(), BEGAN, NOW + 100)
    assert found.quiet[Signal.CPU] == 2 * HOUR - 560
    assert decide(found, RULE, IdleClock()) is Step.WAIT
    over = idleness([Heard(NOW, {"cpu": 2 * HOUR})], RULE, IdleClock(), BEGAN, NOW + 100)
    assert decide(over, RULE, IdleClock(stop_at=NOW + 50)) is Step.WAIT
    assert decide(over, RULE, IdleClock(stop_at=NOW)) is Step.STOP


def test_nothing_is_stopped_before_anybody_could_answer() -> None:
    found = idleness([Heard(NOW, ALL_QUIET)], RULE, IdleClock(), BEGAN, NOW)
    clock = IdleClock(stop_at=NOW - HOUR)
    assert decide(found, RULE, clock, NOW + 1) is Step.WAIT
    assert decide(found, RULE, clock, NOW) is Step.STOP


def test_a_notice_is_as_long_as_promised() -> None:
    late = Idleness(NOW - 5 * HOUR, NOW - 3 * HOUR)
    assert noticed(late, RULE, NOW) == NOW + RULE.notice_seconds
    assert noticed(Idleness(NOW, NOW + 900), RULE, NOW) == NOW + 900


POLICY = IdlePolicy(seconds=8 * HOUR, by_group={"gpu": HOUR, "free": 0.0}, most_seconds=24 * HOUR)


@pytest.mark.parametrize(
    ("group", "asked", "seconds"),
    [
        ("training", None, 8 * HOUR),
        ("gpu", None, HOUR),
        ("free", None, None),
        ("free", 1800, 1800.0),
        ("gpu", 2 * HOUR, 2 * HOUR),
        ("gpu", 48 * HOUR, 24 * HOUR),  # kept with the task before the bound was lowered
        ("gpu", "2h", HOUR),  # no number: as if nothing was asked for
        ("gpu", True, HOUR),
    ],
)
def test_rules(group: str, asked: object, seconds: float | None) -> None:
    rule = POLICY.rule(group, asked)
    assert (rule and rule.seconds) == seconds
    if rule is not None:
        assert rule.notice_seconds == min(600.0, rule.seconds / 2)


def test_the_bound() -> None:
    POLICY.check(24 * HOUR, "gpu")
    with pytest.raises(InvalidInput, match="more than the 1d"):
        POLICY.check(24 * HOUR + 1, "gpu")
    IdlePolicy().check(1e9, "gpu")
    wide = IdlePolicy(seconds=48 * HOUR, most_seconds=HOUR)
    assert wide.bound("training") == 48 * HOUR, "what the group gives is allowed"


def text(quiet: Quiet, clock: IdleClock | None = None) -> str:
    clock = clock or IdleClock()
    return state_text(idleness([Heard(NOW, quiet)], RULE, clock, BEGAN, NOW), RULE, clock, NOW)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            text({**ALL_QUIET, "kernels": 0.0}),
            "in use (kernels); suspended after 2 h without use",
        ),
        (text({**ALL_QUIET, "gpu": None}), "in use (GPU unknown); suspended after 2 h without use"),
        (
            text({"cpu": HOUR, "input": HOUR + 60}),
            "idle for 60 min; suspended in 60 min",
        ),
        (
            text({"cpu": HOUR}, IdleClock(until=NOW + 3 * HOUR)),
            "idle for 60 min; suspended in 3 h, as somebody asked for more time",
        ),
        (
            state_text(Idleness(None, None), RULE, IdleClock(), NOW),
            "its agent has not been heard yet: nothing is counted",
        ),
        (
            state_text(Idleness(None, None), None, IdleClock(), NOW),
            "never suspended for being idle",
        ),
    ],
)
def test_in_words(told: str, expected: str) -> None:
    assert told == expected


def test_every_signal_is_told() -> None:
    quiet = {Signal.GPU: None, Signal.KERNELS: 3.0, Signal.CPU: 300.0}
    assert signal_lines(quiet) == [
        "GPU: unknown, which counts as use",
        "kernels: in use",
        "CPU: quiet for 5 min",
    ]
