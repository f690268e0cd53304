"""A tick of a large cluster stays far below its budget; the bound only catches quadratic scans."""

import time

import pytest

from hai.core.plan import Claim
from hai.core.planner import plan
from hai.core.quota import LEVELS
from hai.core.types import Priority
from tests.unit.core.clusters import active, node, state_of, waiting

NODES, WAITING = 1000, 10_000
BOUND_SECONDS = 0.4  # of processor time; it takes about 0.06


def crowd(priorities: list[Priority]) -> list[Claim]:
    return [
        waiting(
            NODES + number,
            number % 8 + 1,
            priorities[number % len(priorities)],
            user=f"u{number % 50}",
            custom_rank=float(number % 3),
        )
        for number in range(WAITING)
    ]


@pytest.mark.parametrize(
    ("held_at", "wanted"),
    [
        pytest.param([], [Priority.NORMAL], id="empty"),
        pytest.param([], [Priority.AUTO], id="empty, AUTO"),
        pytest.param([Priority.NORMAL], [Priority.NORMAL], id="full"),
        pytest.param([Priority.LOW], [Priority.HIGH], id="everything is preempted"),
        pytest.param(list(LEVELS), list(LEVELS), id="all levels"),
    ],
)
def test_ten_thousand_wait_for_a_thousand_nodes(
    held_at: list[Priority], wanted: list[Priority]
) -> None:
    members = [node(f"n{number:04}", leaf=f"l{number // 20}") for number in range(NODES)]
    claims = crowd(wanted)
    if held_at:
        claims += [
            active(number + 1, [f"n{number:04}"], held_at[number % len(held_at)])
            for number in range(NODES)
        ]
    state = state_of(members, claims)
    before = dict(state.claims)
    took = []
    for _ in range(3):
        began = time.process_time()
        decided = plan(state, 1000.0)
        took.append(time.process_time() - began)
    assert len(decided.starts) + len(decided.reasons) <= WAITING
    assert state.claims == before
    assert min(took) < BOUND_SECONDS
