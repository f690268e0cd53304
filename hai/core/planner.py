"""plan(state, policy, now) -> Plan: who starts where, who leaves for whom, why the others wait.

Groups are independent. In each group the levels are served from the highest to the lowest, each in
the order of `ordering.line`. A claim that fits the free nodes starts; one that fits once others
have left (they leave already, or they are victims of a lower standing) gets those nodes set aside
and starts on a later tick: the two-phase hand-over. The first claim of a level that can not fit
even so is its head: it holds back the rest of its level, so that small gangs do not pass a large
one for ever. Lower levels may use the free nodes meanwhile; when the head fits, they are victims.

Every decision is booked at once (nodes, quota, victims), so what one claim got no other one sees.
A task that is being suspended will stand in its line again soon; nobody behind that place has
others suspended unless the nodes suffice for both, since the returning one might take or block
what they left.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest

from hai.core.node import Node, NodeHealth
from hai.core.ordering import line
from hai.core.placement import Pool
from hai.core.plan import (
    Claim,
    ClusterState,
    Demotion,
    Plan,
    Reason,
    Start,
    Suspend,
)
from hai.core.policy import Policy
from hai.core.preemption import Victims, charged_level
from hai.core.quota import LEVELS, Account, Ledger
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, WaitCode

__all__ = [
    "Claim",
    "ClusterState",
    "Demotion",
    "Plan",
    "Policy",
    "Reason",
    "Start",
    "Suspend",
    "plan",
]

TASKS_NAMED = 8  # in one list of a reason; the rest is a number


def plan(state: ClusterState, policy: Policy, now: float) -> Plan:
    """Decide one tick; a pure function whose answer does not depend on the order of its input.

    `now`: Unix seconds, the same clock as Claim.since. Costs O((claims + nodes) log) time.
    """
    decisions = _Decisions()
    ledger = Ledger(state.quotas)
    active: defaultdict[GroupName, list[Claim]] = defaultdict(list)
    waiting: defaultdict[GroupName, list[Claim]] = defaultdict(list)
    for claim in state.claims:
        if claim.state.is_active:
            active[claim.group].append(claim)
            _book(ledger, claim)
        elif claim.held and claim.state.is_waiting:
            decisions.reasons[claim.task_id] = Reason(WaitCode.HELD)
        elif claim.state.is_waiting:
            waiting[claim.group].append(claim)
    nodes = _nodes_by_group(state.nodes)
    holders = _holders(state.claims)
    for group in sorted(waiting):
        ground = _survey(nodes.get(group, []), holders)
        victims = _victims(active[group] if policy.preemption else [], ground, ledger, now)
        turn = _GroupTurn(group, ground, victims, ledger, decisions)
        for claim in active[group]:
            if claim.state is TaskState.SUSPENDING and not claim.held:
                turn.expect(claim)
        turn.serve(waiting[group], head_per_level=policy.preemption)
    return Plan(
        starts=tuple(decisions.starts),
        suspends=tuple(decisions.suspends),
        reasons=decisions.reasons,
    )


@dataclass(slots=True)
class _Decisions:
    starts: list[Start] = field(default_factory=list)
    suspends: list[Suspend] = field(default_factory=list)
    reasons: dict[TaskId, Reason] = field(default_factory=dict)


def _book(ledger: Ledger, claim: Claim) -> None:
    account = ledger.account(claim.user, claim.group)
    level = charged_level(claim)
    account.used[level] += len(claim.holds)
    if claim.state.is_leaving:
        account.leaving[level] += len(claim.holds)


def _nodes_by_group(nodes: Iterable[Node]) -> dict[GroupName, list[Node]]:
    groups: defaultdict[GroupName, list[Node]] = defaultdict(list)
    for node in nodes:
        groups[node.group].append(node)
    return groups


def _holders(claims: Iterable[Claim]) -> dict[NodeName, Claim]:
    """Who holds a node; one that stays counts more than one that leaves, then the lower id."""
    holders: dict[NodeName, Claim] = {}
    for claim in claims:
        if not claim.state.is_active:
            continue
        for name in claim.holds:
            other = holders.get(name)
            if other is None or _grip(claim) < _grip(other):
                holders[name] = claim
    return holders


def _grip(claim: Claim) -> tuple[bool, TaskId]:
    return claim.state.is_leaving, claim.task_id


@dataclass(slots=True)
class _Ground:
    """The nodes of one group; only usable ones but for `size`. The pools shrink as they are given
    out: what is in neither is held or set aside."""

    size: int
    usable: dict[NodeName, Node]
    free: Pool
    leaving: Pool
    left_by: dict[NodeName, TaskId]  # of the leaving nodes
    held_by: dict[TaskId, tuple[NodeName, ...]]  # by every active task, leaving or not


def _survey(nodes: list[Node], holders: Mapping[NodeName, Claim]) -> _Ground:
    free: list[Node] = []
    leaving: list[Node] = []
    left_by: dict[NodeName, TaskId] = {}
    held: defaultdict[TaskId, list[NodeName]] = defaultdict(list)
    usable = {node.name: node for node in nodes if node.health is NodeHealth.READY}
    for name, node in usable.items():
        holder = holders.get(name)
        if holder is None:
            free.append(node)
            continue
        held[holder.task_id].append(name)
        if holder.state.is_leaving:
            leaving.append(node)
            left_by[name] = holder.task_id
    held_by = {task_id: tuple(sorted(names)) for task_id, names in held.items()}
    return _Ground(len(nodes), usable, Pool(free), Pool(leaving), left_by, held_by)


def _victims(active: list[Claim], ground: _Ground, ledger: Ledger, now: float) -> Victims:
    running = (TaskState.STARTING, TaskState.RUNNING)
    offered = [c for c in active if c.state in running and c.task_id in ground.held_by]
    return Victims(offered, ground.held_by, ledger, now)


class _GroupTurn:
    """One group during one tick: its lines as they are served, its nodes as they are given out."""

    def __init__(
        self,
        group: GroupName,
        ground: _Ground,
        victims: Victims,
        ledger: Ledger,
        decisions: _Decisions,
    ) -> None:
        self._group = group
        self._ground = ground
        self._victims = victims
        self._ledger = ledger
        self._decisions = decisions
        self._lines: dict[Priority, list[Claim]] = {level: [] for level in LEVELS}
        self._head: TaskId | None = None  # of the level that is being served
        self._blocked = 0  # claims that wait in its line, the head included
        self._kept_for: list[TaskId] = []  # claims whose nodes are set aside
        self._returning = 0  # nodes that tasks ahead will ask for when they are suspended

    def expect(self, leaver: Claim) -> None:
        """A task on its way out will come back to the line of this level: keep its place."""
        account = self._ledger.account(leaver.user, leaver.group)
        level = account.level_later(leaver.priority, leaver.nodes)
        if level is not None and leaver.nodes <= len(self._ground.usable):
            self._lines[level].append(leaver)

    def serve(self, waiting: Iterable[Claim], *, head_per_level: bool) -> None:
        """Give every waiting claim of the group a decision or a reason.

        Without preemption nothing could bring back what lower levels take, so there the first
        head holds back all levels below it (`head_per_level` is false).
        """
        for claim in waiting:
            if self._can_ever_fit(claim):
                self._enqueue(claim)
        for level in LEVELS:
            if head_per_level:
                self._head, self._blocked = None, 0
            for claim in line(self._lines[level]):
                if claim.state.is_waiting:
                    self._decide(claim, level)
                else:
                    self._returning += claim.nodes

    def _can_ever_fit(self, claim: Claim) -> bool:
        size, healthy = self._ground.size, len(self._ground.usable)
        if claim.nodes <= size:
            return True
        code = WaitCode.GROUP_TOO_SMALL if size else WaitCode.GROUP_UNKNOWN
        self._wait(claim, code, needed=claim.nodes, nodes=size, healthy=healthy)
        return False

    def _enqueue(self, claim: Claim) -> None:
        """Into the line of the level where the user has room now; over quota nobody queues."""
        account = self._ledger.account(claim.user, claim.group)
        level = account.level_for(claim.priority, claim.nodes)
        if level is None:
            self._refuse(claim, account)
        else:
            self._lines[level].append(claim)

    def _refuse(self, claim: Claim, account: Account) -> None:
        level = account.level_to_blame(claim.priority, claim.nodes)
        limit = account.limits[level]
        code = WaitCode.NO_QUOTA if limit < claim.nodes else WaitCode.QUOTA_EXCEEDED
        self._wait(
            claim, code, needed=claim.nodes, limit=limit, used=account.used[level], level=level.name
        )

    def _decide(self, claim: Claim, level: Priority) -> None:
        account = self._ledger.account(claim.user, claim.group)
        if account.room(level) < claim.nodes:  # this tick's decisions took it
            self._enqueue(claim)  # AUTO goes on at a lower level, any other is refused
        elif self._head is not None:
            self._blocked += 1
            self._wait(claim, WaitCode.BEHIND, head=self._head, position=self._blocked)
        elif len(self._ground.free) >= claim.nodes:
            self._start(claim, level, account)
        elif claim.nodes > len(self._ground.usable):
            self._wait_for_nodes(claim, level)  # until a repair: no use in holding back the rest
        elif self._can_hand_over(claim, level):
            self._hand_over(claim, level, account)
        else:
            self._head, self._blocked = claim.task_id, 1
            self._wait_for_nodes(claim, level)

    def _can_hand_over(self, claim: Claim, level: Priority) -> bool:
        ready = len(self._ground.free) + len(self._ground.leaving)
        if ready >= claim.nodes:
            return True
        return ready + self._victims.nodes_below(level) >= claim.nodes + self._returning

    def _start(self, claim: Claim, level: Priority, account: Account) -> None:
        nodes = self._ground.free.take(claim.nodes, claim.knows)
        account.used[level] += claim.nodes
        self._ground.held_by[claim.task_id] = nodes
        self._decisions.starts.append(Start(claim.task_id, nodes, level))

    def _hand_over(self, claim: Claim, level: Priority, account: Account) -> None:
        account.used[level] += claim.nodes  # its start is on the way: nobody may take the room
        ground = self._ground
        nodes = ground.free.take(len(ground.free), claim.knows)
        missing = claim.nodes - len(nodes)
        self._suspend_for(claim, level, missing - len(ground.leaving))
        left = ground.leaving.take(missing, claim.knows)
        tasks = sorted({ground.left_by[name] for name in left})
        self._kept_for.append(claim.task_id)
        self._wait(claim, WaitCode.HANDOVER, nodes=sorted(nodes + left), tasks=tasks)

    def _suspend_for(self, claim: Claim, level: Priority, needed: int) -> None:
        """Ask for `needed` more nodes; what the victims free beyond that is there for others."""
        for victim in self._victims.take(level, needed):
            self._decisions.suspends.append(Suspend(victim.task_id, claim.task_id))
            self.expect(victim)
            for name in self._ground.held_by[victim.task_id]:
                self._ground.leaving.add(self._ground.usable[name])
                self._ground.left_by[name] = victim.task_id

    def _wait_for_nodes(self, claim: Claim, level: Priority) -> None:
        ground = self._ground
        held_by = nsmallest(TASKS_NAMED, ground.held_by)
        self._wait(
            claim,
            WaitCode.NO_FREE_NODES,
            needed=claim.nodes,
            nodes=ground.size,
            healthy=len(ground.usable),
            free=len(ground.free),
            leaving=len(ground.leaving),
            preemptible=self._victims.nodes_below(level),
            returning=self._returning,
            held_by=held_by,
            held_by_more=len(ground.held_by) - len(held_by),
            kept_for=self._kept_for[:TASKS_NAMED],
        )

    def _wait(self, claim: Claim, code: WaitCode, **evidence: object) -> None:
        self._decisions.reasons[claim.task_id] = Reason(code, {"group": self._group, **evidence})
