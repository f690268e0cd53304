"""What the scheduler's state is fed with, as values that can be recorded and fed again."""

from dataclasses import dataclass

from hai.core.container_quota import ContainerQuota
from hai.core.node import Node
from hai.core.plan import Claim
from hai.core.policy import Policy
from hai.core.quota import Quota, QuotaTable
from hai.core.state import SchedulerState, Usage, build_state
from hai.core.types import TaskId


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a state is built of at `now`."""

    now: float
    policy: Policy
    nodes: tuple[Node, ...]
    quotas: tuple[Quota, ...]
    claims: tuple[Claim, ...]
    usage: Usage
    containers: tuple[ContainerQuota, ...] = ()

    def state(self) -> SchedulerState:
        return build_state(
            self.policy,
            self.nodes,
            QuotaTable.of(self.quotas),
            self.claims,
            self.now,
            self.usage,
            self.containers,
        )


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed by `now`: claims that are new or other, tasks that ended and when, and all nodes
    and quotas if some of them changed."""

    now: float
    claims: tuple[Claim, ...] = ()
    ended: tuple[tuple[TaskId, float], ...] = ()
    nodes: tuple[Node, ...] | None = None
    quotas: tuple[Quota, ...] | None = None
    containers: tuple[ContainerQuota, ...] | None = None

    def apply(self, state: SchedulerState) -> bool:
        """Time first, then the changes. False if none of it could matter to a plan."""
        matters = state.advance(self.now)
        if self.quotas is not None:
            state.set_quotas(QuotaTable.of(self.quotas))
            matters = True
        if self.containers is not None:
            state.set_container_quotas(self.containers)
            matters = True
        if self.nodes is not None:
            state.set_nodes(self.nodes)
            matters = True
        for task_id, at in self.ended:
            state.remove(task_id, at)
        for claim in self.claims:
            state.put(claim)
        return matters or bool(self.ended or self.claims)
