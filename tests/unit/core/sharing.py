"""What the tests of time sharing share: a time, short claims, and what a plan decided."""

from collections.abc import Sequence
from typing import Any

from hai.core.node import Node
from hai.core.plan import Claim, Plan
from hai.core.planner import plan
from hai.core.policy import MINUTE, Policy
from hai.core.quota import QuotaTable
from hai.core.state import build_state
from hai.core.types import Priority, UserName
from tests.unit.core.clusters import (
    AMPLE,
    GROUP,
    waiting,
)

LOW, NORMAL, ABOVE, HIGH = Priority.LOW, Priority.NORMAL, Priority.ABOVE_NORMAL, Priority.HIGH
POLICY = Policy()
SLICE, PATIENCE = POLICY.slice_seconds, POLICY.patience_seconds
NOW = 100_000.0


def decide(
    members: Sequence[Node],
    claims: Sequence[Claim],
    *,
    policy: Policy = POLICY,
    usage: dict[str, float] | None = None,
    now: float = NOW,
) -> Plan:
    """`usage`: node-seconds of ended attempts, by user."""
    used = {(GROUP, UserName(user)): (seconds, None) for user, seconds in (usage or {}).items()}
    state = build_state(policy, members, QuotaTable.of(AMPLE), claims, now, used)
    return plan(state, now)


def started(decided: Plan) -> list[int]:
    return [int(start.task_id) for start in decided.starts]


def backfilled(decided: Plan) -> list[int]:
    return [int(start.task_id) for start in decided.starts if start.backfill]


def victims(decided: Plan) -> list[int]:
    return [int(suspend.task_id) for suspend in decided.suspends]


def ran(seconds: float) -> dict[str, Any]:
    """Of a claim that has run for so long."""
    return {"since": NOW - seconds, "running_since": NOW - seconds}


def fresh(task_id: int, count: int = 1, priority: Priority = NORMAL, **fields: Any) -> Claim:
    """A claim that has waited for a minute: nobody's patience is over."""
    return waiting(task_id, count, priority, **{"submitted_at": NOW - MINUTE, **fields})
