"""Small clusters for planner tests: short factories, and one that lives through many ticks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hai.core.node import Node, NodeHealth
from hai.core.planner import Claim, ClusterState, Plan, Policy, plan
from hai.core.quota import EVERYONE, LEVELS, Quota, QuotaTable
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName

GROUP = GroupName("training")
AMPLE = tuple(Quota(EVERYONE, GROUP, level, 1000) for level in LEVELS)


def node(name: str, *, leaf: str = "", ready: bool = True, group: str = GROUP) -> Node:
    health = NodeHealth.READY if ready else NodeHealth.DOWN
    return Node(NodeName(name), GroupName(group), "hollow", leaf=leaf, health=health)


def nodes(count: int, *, leaf: str = "") -> tuple[Node, ...]:
    return tuple(node(f"n{number}", leaf=leaf) for number in range(count))


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
        state=TaskState.QUEUED,
        **{"submitted_at": float(task_id), **fields},
    )


def active(
    task_id: int,
    holds: Sequence[str],
    priority: Priority = Priority.NORMAL,
    *,
    user: str = "bob",
    state: TaskState = TaskState.RUNNING,
    charged: Priority | None = None,
    since: float = 0.0,
) -> Claim:
    return Claim(
        task_id=TaskId(task_id),
        user=UserName(user),
        group=GROUP,
        nodes=len(holds),
        priority=priority,
        state=state,
        submitted_at=float(task_id),
        holds=tuple(NodeName(name) for name in holds),
        charged=priority if charged is None else charged,
        since=since,
    )


def state_of(
    members: Iterable[Node], claims: Iterable[Claim], quotas: Iterable[Quota] = AMPLE
) -> ClusterState:
    return ClusterState(tuple(members), tuple(claims), QuotaTable.of(quotas))


@dataclass
class SimulatedCluster:
    """Applies plans as the platform does: starts at once, victims leave when `leave` says so."""

    state: ClusterState
    policy: Policy = field(default_factory=Policy)
    now: float = 1000.0
    starts: list[TaskId] = field(default_factory=list)

    @property
    def claims(self) -> dict[TaskId, Claim]:
        return {claim.task_id: claim for claim in self.state.claims}

    @property
    def leaving(self) -> list[TaskId]:
        return [claim.task_id for claim in self.state.claims if claim.state.is_leaving]

    def tick(self) -> Plan:
        """Plan and apply; every start runs at once."""
        decided = plan(self.state, self.policy, self.now)
        claims = self.claims
        for start in decided.starts:
            claims[start.task_id] = replace(
                claims[start.task_id],
                state=TaskState.RUNNING,
                holds=start.nodes,
                knows=(),
                charged=start.priority,
                since=self.now,
            )
            self.starts.append(start.task_id)
        for suspend in decided.suspends:
            claims[suspend.task_id] = replace(claims[suspend.task_id], state=TaskState.SUSPENDING)
        self._put(claims.values())
        self.now += 1.0
        return decided

    def leave(self, task_id: TaskId) -> None:
        """A suspending task goes back to its line, a stopping one is gone."""
        claims = self.claims
        claim = claims.pop(task_id)
        if claim.state is TaskState.SUSPENDING:
            claims[task_id] = replace(
                claim,
                state=TaskState.SUSPENDED,
                holds=(),
                knows=claim.holds,
                charged=None,
                since=None,
            )
        self._put(claims.values())

    def finish(self, task_id: TaskId) -> None:
        self._put(claim for claim in self.state.claims if claim.task_id != task_id)

    def change(self, claim: Claim) -> None:
        """Add the claim, or replace the one of its id."""
        self._put({**self.claims, claim.task_id: claim}.values())

    def set_health(self, name: NodeName, health: NodeHealth) -> None:
        members = (
            replace(member, health=health) if member.name == name else member
            for member in self.state.nodes
        )
        self.state = replace(self.state, nodes=tuple(members))

    def settle(self, ticks: int = 60) -> list[Plan]:
        """Let everything that leaves leave at once until a plan changes nothing; all the plans."""
        plans = []
        for _ in range(ticks):
            plans.append(self.tick())
            if not plans[-1].starts and not plans[-1].suspends and not self.leaving:
                return plans
            for task_id in self.leaving:
                self.leave(task_id)
        raise AssertionError(f"no fixed point in {ticks} ticks")

    def _put(self, claims: Iterable[Claim]) -> None:
        self.state = replace(self.state, claims=tuple(claims))
