"""Small clusters for planner tests: short factories, and one that lives through many ticks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hai.core.assume.transaction import applied
from hai.core.lifecycle.claim_updates import back_in_line
from hai.core.node import Node, NodeHealth
from hai.core.plan import Claim, Plan
from hai.core.planner import plan
from hai.core.policy import Policy
from hai.core.quota import EVERYONE, LEVELS, Quota, QuotaTable
from hai.core.reasons.finding import reason_of
from hai.core.reasons.kinds import Reason
from hai.core.state import SchedulerState, build_state
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName

GROUP = GroupName("training")
AMPLE = tuple(Quota(EVERYONE, GROUP, level, 1000) for level in LEVELS)


def node(
    name: str, *, leaf: str = "", zone: str = "", ready: bool = True, group: str = GROUP
) -> Node:
    health = NodeHealth.READY if ready else NodeHealth.DOWN
    return Node(NodeName(name), GroupName(group), "hollow", leaf=leaf, zone=zone, health=health)


def nodes(count: int, *, leaf: str = "", zone: str = "", prefix: str = "n") -> tuple[Node, ...]:
    return tuple(node(f"{prefix}{number}", leaf=leaf, zone=zone) for number in range(count))


def waiting(
    task_id: int,
    count: int = 1,
    priority: Priority = Priority.NORMAL,
    *,
    user: str = "ada",
    group: str = GROUP,
    **fields: Any,
) -> Claim:
    """`fields` are further ones of Claim; submitted_at is the id unless given."""
    return Claim(
        task_id=TaskId(task_id),
        user=UserName(user),
        group=GroupName(group),
        nodes=count,
        priority=priority,
        **{"submitted_at": float(task_id), "state": TaskState.QUEUED, **fields},
    )


def active(
    task_id: int,
    holds: Sequence[str],
    priority: Priority = Priority.NORMAL,
    *,
    user: str = "bob",
    **fields: Any,
) -> Claim:
    """A running claim, since 0 unless `fields` say otherwise."""
    return Claim(
        task_id=TaskId(task_id),
        user=UserName(user),
        group=GROUP,
        nodes=len(holds),
        priority=priority,
        holds=tuple(NodeName(name) for name in holds),
        **{
            "submitted_at": float(task_id),
            "state": TaskState.RUNNING,
            "charged": priority,
            "since": 0.0,
            **fields,
        },
    )


def state_of(
    members: Iterable[Node],
    claims: Iterable[Claim],
    quotas: Iterable[Quota] = AMPLE,
    *,
    policy: Policy | None = None,
    now: float = 0.0,
) -> SchedulerState:
    return build_state(policy or Policy(), members, QuotaTable.of(quotas), claims, now)


def reasons(state: SchedulerState, decided: Plan) -> dict[TaskId, Reason]:
    """Of every task that goes on waiting."""
    with applied(state, decided):
        return {
            task_id: reason_of(state, decided, task_id)
            for task_id, claim in state.claims.items()
            if claim.state.is_waiting or task_id in decided.reasons
        }


def started(claim: Claim, nodes: tuple[NodeName, ...], level: Priority, now: float) -> Claim:
    """What the platform makes of a start."""
    return replace(
        claim,
        state=TaskState.RUNNING,
        holds=nodes,
        knows=(),
        charged=level,
        since=now,
        running_since=now,
        for_task=None,
        first=False,
    )


def suspended(claim: Claim, now: float) -> Claim:
    """What the platform makes of a suspended task that has left its nodes."""
    return back_in_line(claim, now)


@dataclass
class SimulatedCluster:
    """Applies plans as the platform does: starts at once, victims leave when `leave` says so."""

    state: SchedulerState
    now: float = 1000.0
    starts: list[TaskId] = field(default_factory=list)
    suspends: list[tuple[TaskId, float]] = field(default_factory=list)

    @property
    def leaving(self) -> list[TaskId]:
        return [claim.task_id for claim in self.state.claims.values() if claim.state.is_leaving]

    def tick(self, seconds: float = 1.0) -> Plan:
        """Plan and apply; every start runs at once."""
        decided = plan(self.state, self.now)
        claims = self.state.claims
        for start in decided.starts:
            ran = started(claims[start.task_id], start.nodes, start.priority, self.now)
            self.state.put(replace(ran, backfill=start.backfill))
            self.starts.append(start.task_id)
        for suspend in decided.suspends:
            self.state.put(
                replace(
                    claims[suspend.task_id],
                    state=TaskState.SUSPENDING,
                    suspended_at=self.now,
                    for_task=suspend.for_task,
                )
            )
            self.suspends.append((suspend.task_id, self.now))
        for demotion in decided.demotions:
            self.state.put(replace(claims[demotion.task_id], priority=demotion.priority))
        self.now += seconds
        return decided

    def leave(self, task_id: TaskId) -> None:
        """A suspending task goes back to its line, a stopping one is gone."""
        claim = self.state.claims[task_id]
        if claim.state is TaskState.SUSPENDING:
            self.state.put(suspended(claim, self.now))
        else:
            self.state.remove(task_id, self.now)

    def finish(self, task_id: TaskId) -> None:
        self.state.remove(task_id, self.now)

    def change(self, claim: Claim) -> None:
        """Add the claim, or replace the one of its id."""
        self.state.put(claim)

    def set_health(self, name: NodeName, health: NodeHealth) -> None:
        self.state.set_nodes(
            replace(member, health=health) if member.name == name else member
            for member in self.state.nodes.values()
        )

    def settle(self, ticks: int = 60) -> list[Plan]:
        """Let everything that leaves leave at once until a plan changes nothing; all the plans."""
        plans = []
        for _ in range(ticks):
            plans.append(self.tick())
            if not plans[-1].decides and not self.leaving:
                return plans
            for task_id in self.leaving:
                self.leave(task_id)
        raise AssertionError(f"no fixed point in {ticks} ticks")
