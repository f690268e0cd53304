"""The policy: its defaults, what it refuses, and its version."""

import math
from typing import Any

import pytest

from hai.core.policy import DAY, HOUR, MINUTE, Policy
from hai.core.types import Priority, UserName
from hai.errors import InvalidInput


def test_defaults() -> None:
    policy = Policy()
    assert policy.slice_of(Priority.NORMAL) == 30 * MINUTE
    assert policy.half_life_seconds == DAY
    assert policy.patience_seconds == 30 * MINUTE
    assert policy.demote_after_seconds == 30 * MINUTE
    assert policy.lost_work_cap_seconds == 4 * HOUR
    assert policy.preemption
    assert policy.backfill


def test_slices_and_weights_are_those_named() -> None:
    policy = Policy(slices={Priority.HIGH: HOUR}, weights={UserName("ada"): 2.5})
    assert policy.slice_of(Priority.HIGH) == HOUR
    assert policy.slice_of(Priority.LOW) == policy.slice_seconds
    assert policy.weight(UserName("ada")) == 2.5
    assert policy.weight(UserName("bob")) == 1.0


@pytest.mark.parametrize(
    ("knobs", "told"),
    [
        ({"slice_seconds": 0.0}, "slice_seconds is 0, and must be a number, more than 0"),
        ({"slice_seconds": math.nan}, "slice_seconds is nan"),
        ({"half_life_seconds": -1.0}, "half_life_seconds is -1, and must be a number, 18 or more"),
        (
            {"half_life_seconds": 71.0, "slices": {Priority.HIGH: 7200.0}},
            "half_life_seconds is 71, and must be a number, 72 or more (a hundredth of the longest",
        ),
        ({"half_life_seconds": math.inf}, "half_life_seconds is inf"),
        ({"patience_seconds": -0.5}, "patience_seconds is -0.5, and must be a number, 0 or more"),
        ({"demote_after_seconds": -1.0}, "demote_after_seconds is -1"),
        ({"lost_work_cap_seconds": -1.0}, "lost_work_cap_seconds is -1"),
        ({"slices": {Priority.HIGH: 0.0}}, "slices.HIGH is 0"),
        ({"weights": {UserName("ada"): 0.0}}, "weights.ada is 0"),
        ({"weights": {UserName("ada"): -2.0}}, "weights.ada is -2"),
    ],
)
def test_nonsense_is_refused_by_name(knobs: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Policy(**knobs)
    assert told in caught.value.message
    assert caught.value.hint == "docs/scheduling.md explains every knob of [scheduler]"


@pytest.mark.parametrize("name", ["patience_seconds", "demote_after_seconds"])
def test_zero_is_a_choice_where_it_means_something(name: str) -> None:
    knobs: dict[str, Any] = {name: 0.0}
    assert getattr(Policy(**knobs), name) == 0.0


def test_the_version_follows_from_the_knobs_alone() -> None:
    ada, bob = UserName("ada"), UserName("bob")
    one = Policy(weights={ada: 2.0, bob: 3.0}, slices={Priority.LOW: 60.0, Priority.HIGH: 90.0})
    same = Policy(weights={bob: 3.0, ada: 2.0}, slices={Priority.HIGH: 90.0, Priority.LOW: 60.0})
    assert one.version == same.version
    others = [
        Policy(),
        Policy(preemption=False),
        Policy(backfill=False),
        Policy(patience_seconds=1.0),
        Policy(weights={ada: 2.0}),
        Policy(slices={Priority.LOW: 60.0}),
    ]
    assert len({policy.version for policy in [one, *others]}) == len(others) + 1
