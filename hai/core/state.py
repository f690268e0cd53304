"""The scheduler's state: nodes, quotas and claims, indexed so that a plan costs what it decides.

It is fed one change at a time (`put`, `remove`, `advance`, ...) and is the same, whatever the order
of the changes that led to it, as one that is built from the claims at once. Nothing here decides
anything: planner.py does.
"""

import math
from collections.abc import Iterable, Mapping

from hai.core.container_quota import ContainerLimits, ContainerQuota
from hai.core.group import GroupState
from hai.core.inventory.nodes import Inventory
from hai.core.node import Node
from hai.core.plan import Claim
from hai.core.policy import Policy
from hai.core.preemption.victims import capped_at, defended_level, slice_end
from hai.core.queue.eligibility import Eligibility
from hai.core.quota import QuotaTable
from hai.core.timers import Matter, Timers
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName

Usage = Mapping[tuple[GroupName, UserName], tuple[float, float | None]]
"""Node-seconds decayed to now, and the last start by right, by group and user."""


class SchedulerState:
    """All that a decision may depend on; `now` is the time that it stands at (Unix seconds)."""

    def __init__(
        self,
        policy: Policy,
        nodes: Iterable[Node] = (),
        quotas: QuotaTable | None = None,
        now: float = 0.0,
    ) -> None:
        self.policy = policy
        self.now = now
        self.quotas = quotas or QuotaTable()
        self.claims: dict[TaskId, Claim] = {}
        self.nodes: dict[NodeName, Node] = {}
        self.groups: dict[GroupName, GroupState] = {}
        self.demotable: set[TaskId] = set()  # have run their time at their level
        self.promised: set[TaskId] = set()  # wait, and somebody was suspended for them
        self._victims: dict[TaskId, set[TaskId]] = {}  # who was suspended for whom
        self.eligibility = Eligibility(self.group, self._alarm)
        self._timers = Timers(self.claims.get)
        self.in_transaction = False
        self.container_limits: dict[tuple[UserName, GroupName], ContainerLimits] = {}
        self._holders: dict[NodeName, set[TaskId]] = {}
        self.set_nodes(nodes)

    # the cluster

    def group(self, name: GroupName) -> GroupState:
        """The group's state; an empty group for an unknown name."""
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = GroupState(name, self.policy, self.quotas, self.now)
        return group

    def set_nodes(self, nodes: Iterable[Node]) -> None:
        """These are all the nodes from now on. O(nodes), and what the changed ones hold."""
        present = {node.name: node for node in nodes}
        gone = sorted(name for name in self.nodes if name not in present)
        changed = sorted(name for name, node in present.items() if self.nodes.get(name) != node)
        holders = {task_id for name in (*gone, *changed) for task_id in self._holders.get(name, ())}
        for task_id in sorted(holders):
            self._release(self.claims[task_id])
        sizes = {
            group.name: (group.inventory.widest, group.inventory.size)
            for group in self.groups.values()
        }
        for name in (*gone, *changed):
            old = self.nodes.pop(name, None)
            if old is not None:
                self.group(old.group).inventory.discard(name)
        for name in changed:
            self.nodes[name] = present[name]
            self.group(present[name].group).inventory.replace(present[name])
        for task_id in sorted(holders):
            self._hold(self.claims[task_id])
        for group in self.groups.values():
            (before, size), after = sizes.get(group.name, (0, 0)), group.inventory.widest
            group.queue.refresh_widths(min(before, after), max(before, after))
            if (
                size != group.inventory.size
            ):  # a quota may be as wide as the group now, or not any more
                group.queue.refresh_all()

    def holders_of(self, name: NodeName) -> list[Claim]:
        """Who holds the node: one claim, or a leaver and its heir."""
        return [self.claims[task_id] for task_id in sorted(self._holders.get(name, ()))]

    def set_quotas(self, quotas: QuotaTable) -> None:
        """These are all the limits from now on."""
        if quotas == self.quotas:
            return
        self.quotas = quotas
        for group in self.groups.values():
            group.set_quotas(quotas)
        for claim in self.claims.values():
            if claim.state.is_active:
                self.group(claim.group).charge(claim)
        for group in self.groups.values():
            group.queue.refresh_all()

    def set_container_quotas(self, quotas: Iterable[ContainerQuota]) -> None:
        """These are all the limits of containers on shared nodes from now on."""
        self.container_limits = {(one.user, one.group): one.limits for one in quotas}

    def seed_usage(self, usage: Usage) -> None:
        """What users had used before this state was built, decayed to `now`."""
        for (name, user), (node_seconds, last_start) in sorted(usage.items()):
            group = self.group(name)
            group.fair_share.seed(user, node_seconds, last_start, self.now)
            group.queue.refresh(user)

    # the claims

    def put(self, claim: Claim) -> None:
        """A claim is new or has changed."""
        old = self.claims.get(claim.task_id)
        if old != claim:
            self.change(old, claim)

    def change(self, old: Claim | None, claim: Claim) -> None:
        """The claim `old`, None if it is new, becomes another one."""
        if old is not None:
            self._leave(old)
        self.claims[claim.task_id] = claim
        self._enter(claim)
        if old is not None and (not claim.state.is_active or old.group != claim.group):
            self.group(old.group).fair_share.end(claim.task_id, claim.line_since)
        if claim.state.is_active:
            self._book(claim)
        self._refresh(claim, old)
        self._note_promises(claim, old)

    def remove(self, task_id: TaskId, at: float) -> None:
        """The task ended at `at`; harmless if it is not there."""
        old = self.claims.pop(task_id, None)
        if old is not None:
            self._leave(old)
            self.group(old.group).fair_share.end(task_id, at)
            self._refresh(old, None)
            self._note_promises(old, None)

    def _refresh(self, claim: Claim, old: Claim | None) -> None:
        self.group(claim.group).queue.refresh(claim.user)
        if old is not None and (old.group, old.user) != (claim.group, claim.user):
            self.group(old.group).queue.refresh(old.user)

    def _enter(self, claim: Claim) -> None:
        if claim.for_task is not None and not _stays(claim):
            self._victims.setdefault(claim.for_task, set()).add(claim.task_id)
        if claim.state.is_active:
            self.group(claim.group).charge(claim)
            self._hold(claim)
            self._watch(claim)
            self.eligibility.activate(claim)
        elif claim.state.is_waiting:
            self.eligibility.join(claim, self.now)
            self._note_demotion(claim)

    def _leave(self, claim: Claim) -> None:
        if claim.for_task in self._victims:
            victims = self._victims[claim.for_task]
            victims.discard(claim.task_id)
            if not victims:
                del self._victims[claim.for_task]
        self.demotable.discard(claim.task_id)
        if claim.state.is_active:
            self.group(claim.group).discharge(claim)
            self._release(claim)
            self.eligibility.deactivate(claim)
        elif claim.state.is_waiting:
            self.eligibility.leave(claim)

    def _hold(self, claim: Claim) -> None:
        group = self.group(claim.group)
        leaving = claim.state.is_leaving
        for name in claim.holds:
            self._holders.setdefault(name, set()).add(claim.task_id)
            self.inventory_of(name, group).hold(name, claim.task_id, leaving=leaving)
        group.settle(claim, self.now)

    def _release(self, claim: Claim) -> None:
        group = self.group(claim.group)
        for name in claim.holds:
            holders = self._holders.get(name, set())
            holders.discard(claim.task_id)
            if not holders:
                self._holders.pop(name, None)
            self.inventory_of(name, group).release(name, claim.task_id)
        group.unsettle(claim)

    def inventory_of(self, name: NodeName, group: GroupState) -> Inventory:
        """Where the node is: mostly in the group of its holder."""
        node = self.nodes.get(name)
        if node is None or node.group == group.name:
            return group.inventory
        return self.group(node.group).inventory

    # time

    def advance(self, now: float) -> bool:
        """Let time pass up to `now`; True if that alone may change a plan. Going back does
        nothing."""
        if now <= self.now:
            return False
        self.now = now
        changed = False
        for group in self.groups.values():  # first: what is booked next has to be in range
            if group.fair_share.rebase(now):
                group.queue.refresh_all()
        for claim, matter in self._timers.pop_due(now):
            changed = changed or matter > Matter.NOBODY
            self._renew(claim)
        return changed

    def _renew(self, claim: Claim) -> None:
        """Time may have changed what the claim is; harmless if it has not."""
        if claim.state.is_active:
            if self._book(claim):
                self.group(claim.group).queue.refresh(claim.user)
            self.group(claim.group).renew(claim, self.now)
            self._note_demotion(claim)
        else:
            self.eligibility.renew(claim, self.now)

    def _book(self, claim: Claim) -> bool:
        until = self.group(claim.group).fair_share.book(claim, self.now)
        if until is not None:
            self._remind(until, claim, Matter.WAITING)
        return until is not None

    def _watch(self, claim: Claim) -> None:
        """Note when time alone changes what this active claim is."""
        if not claim.state.is_leaving:
            self._remind(slice_end(claim, self.policy), claim, Matter.WAITING)
            self._remind(capped_at(claim, self.policy), claim, Matter.NOBODY)
        demote_at = self._note_demotion(claim)
        if demote_at is not None:
            self._alarm(demote_at, claim)

    def _note_demotion(self, claim: Claim) -> float | None:
        """When it falls to NORMAL, if that is known to come."""
        seconds = self.policy.demote_after_seconds
        if not seconds or claim.priority is not Priority.ABOVE_NORMAL:
            return None
        if (
            defended_level(claim) is not Priority.ABOVE_NORMAL
        ):  # its user asks for more than it holds
            return None
        left = seconds - claim.ran_seconds
        if claim.state.is_leaving or (left > 0 and claim.state is not TaskState.RUNNING):
            return None
        at = claim.slice_since + left
        if left > 0 and at > self.now:
            return at
        self.demotable.add(claim.task_id)
        return None

    def _remind(self, at: float, claim: Claim, matter: Matter) -> None:
        if at > self.now and not self.in_transaction:
            self._timers.set(at, claim, matter)

    def _alarm(self, at: float, claim: Claim) -> None:
        """A reminder of what changes a plan, whether anybody waits or not."""
        self._remind(at, claim, Matter.ALWAYS)

    def next_due(self) -> float | None:
        """The next time at which time alone may change a plan; None: never."""
        if not self.has_waiting:
            return self._timers.first(Matter.ALWAYS)
        first = self._timers.first(Matter.WAITING)
        due = [] if first is None else [first]
        patience = self.policy.patience_seconds
        for group in self.groups.values():
            since = group.queue.next_overdue(self.now - patience)
            if since is not None:
                due.append(_when_past(since, patience))
        return min(due, default=None)

    def begin_assuming(self) -> None:
        """Until `end_assuming` claims that wait only get nodes and others only leave, and all of it
        is undone before: the lines need to be right at their fronts only."""
        for group in self.groups.values():
            group.queue.begin_assuming()

    def end_assuming(self) -> None:
        for group in self.groups.values():
            group.queue.end_assuming()

    @property
    def has_waiting(self) -> bool:
        """Whether anybody stands in a line."""
        return bool(self.eligibility.spot) or any(
            len(group.queue) for group in self.groups.values()
        )

    def _note_promises(self, claim: Claim, old: Claim | None) -> None:
        if not self._victims and not self.promised:
            return
        for heir in {claim.task_id, claim.for_task, old.for_task if old else None}:
            if heir is None:
                continue
            if heir in self._victims and self._is_promised(heir):
                self.promised.add(heir)
            else:
                self.promised.discard(heir)

    def _is_promised(self, task_id: TaskId) -> bool:
        """Whether somebody was suspended for this waiting task since it joined its line."""
        heir = self.claims.get(task_id)
        if heir is None or not heir.state.is_waiting:
            return False
        return any(
            (self.claims[victim].suspended_at or 0.0) >= heir.line_since
            for victim in self._victims[task_id]
        )


def _when_past(since: float, seconds: float) -> float:
    """The first time that lies so many seconds after `since`, by a subtraction as well: a sum that
    was rounded down would come due for ever."""
    at = since + seconds
    while at - seconds < since:
        at = math.nextafter(at, math.inf)
    return at


def _stays(claim: Claim) -> bool:
    return claim.state.is_active and not claim.state.is_leaving


def build_state(
    policy: Policy,
    nodes: Iterable[Node],
    quotas: QuotaTable,
    claims: Iterable[Claim],
    now: float,
    usage: Usage | None = None,
    containers: Iterable[ContainerQuota] = (),
) -> SchedulerState:
    """A state made at once of all that there is; `usage` is that of ended attempts."""
    state = SchedulerState(policy, nodes, quotas, now)
    state.seed_usage(usage or {})
    state.set_container_quotas(containers)
    for claim in sorted(claims, key=lambda claim: claim.task_id):
        state.put(claim)
    return state
