"""A large made-up cluster for the planner's benchmark, and its life from event to event.

Everything follows from the seed: ~1,000 users, gangs of 1 to 64 nodes, all kinds of priorities,
quotas that keep part of the line back, tasks that run, end, save, and leave when they are asked to.
"""

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate, count

from hai.core.lifecycle.claim_updates import back_in_line, leaving, starting
from hai.core.node import Node, NodeHealth
from hai.core.plan import Claim, Plan
from hai.core.quota import EVERYONE, Quota, QuotaTable
from hai.core.state import SchedulerState
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName

GROUP = GroupName("training")
USERS = 1000
LEAF_NODES = 40
ZONES = ("east", "west")
DAY = 86400.0
NOW = 20_000 * DAY
WIDTHS = {1: 65, 2: 17, 4: 11, 8: 5, 16: 1, 32: 0.4, 64: 0.1}
PRIORITIES = {
    Priority.NORMAL: 55,
    Priority.LOW: 15,
    Priority.AUTO: 12,
    Priority.ABOVE_NORMAL: 10,
    Priority.HIGH: 5,
    Priority.UNDER_NORMAL: 3,
}
LIMITS = {Priority.NORMAL: 64, Priority.UNDER_NORMAL: 64, Priority.LOW: 128}  # of everybody
MORE_LIMITS = {Priority.HIGH: 4, Priority.ABOVE_NORMAL: 8, Priority.NORMAL: 256}  # of every 20th


class Draw:
    """Random claims and nodes; the busiest users have some hundred times what the others have."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - nothing is kept secret
        self.ids = count(1)
        self._users = [UserName(f"user{number:04}") for number in range(USERS)]
        self._user_weights = list(accumulate(1 / (10 + number) for number in range(USERS)))

    def user(self) -> UserName:
        return self.random.choices(self._users, cum_weights=self._user_weights)[0]

    def width(self) -> int:
        return self.random.choices(list(WIDTHS), list(WIDTHS.values()))[0]

    def priority(self) -> Priority:
        return self.random.choices(list(PRIORITIES), list(PRIORITIES.values()))[0]

    def waiting(self, now: float, nodes: int | None = None) -> Claim:
        return Claim(
            task_id=TaskId(next(self.ids)),
            user=self.user(),
            group=GROUP,
            nodes=nodes or self.width(),
            priority=self.priority(),
            state=TaskState.QUEUED,
            submitted_at=now,
        )

    def running(self, holds: Sequence[NodeName]) -> Claim:
        since = NOW - self.random.uniform(0, 2) * 1800
        claim = self.waiting(since - self.random.uniform(0, DAY), len(holds))
        level = claim.priority
        if level is Priority.AUTO:
            level = self.random.choice([Priority.NORMAL, Priority.LOW])
        return replace(
            claim,
            state=TaskState.RUNNING,
            holds=tuple(holds),
            charged=level,
            since=since,
            running_since=since,
            saved_at=self.random.choice([None, since + self.random.uniform(0, NOW - since)]),
        )

    def quotas(self) -> QuotaTable:
        rows = [Quota(EVERYONE, GROUP, level, nodes) for level, nodes in LIMITS.items()]
        for user in self._users[::20]:
            rows += [Quota(user, GROUP, level, nodes) for level, nodes in MORE_LIMITS.items()]
        return QuotaTable.of(rows)


def make_nodes(nodes: int) -> list[Node]:
    members = []
    for number in range(nodes):
        leaf = number // LEAF_NODES
        zone = ZONES[leaf % len(ZONES)]
        name = NodeName(f"node{number:05}")
        members.append(Node(name, GROUP, "hollow", gpus=8, leaf=f"leaf{leaf:03}", zone=zone))
    return members


def make_claims(draw: Draw, members: Sequence[Node], waiting: int) -> list[Claim]:
    """Running ones on all the nodes, and those that wait."""
    claims = []
    free = [node.name for node in members]
    while free:
        width = min(draw.width(), len(free))
        claims.append(draw.running(free[:width]))
        del free[:width]
    return claims + [draw.waiting(NOW - draw.random.uniform(0, DAY)) for _ in range(waiting)]


class Bag:
    """Task ids to draw from at random."""

    def __init__(self) -> None:
        self._ids: list[TaskId] = []
        self._places: dict[TaskId, int] = {}

    def set(self, task_id: TaskId, *, present: bool) -> None:
        place = self._places.get(task_id)
        if present and place is None:
            self._places[task_id] = len(self._ids)
            self._ids.append(task_id)
        elif not present and place is not None:
            last = self._ids.pop()
            del self._places[task_id]
            if last != task_id:
                self._ids[place] = last
                self._places[last] = place

    def draw(self, rng: random.Random) -> TaskId | None:
        return rng.choice(self._ids) if self._ids else None


Event = Callable[[], None]


class Life:
    """What happens to the cluster, in the order of time: one event after the other.

    `next_event` names one and gives what it does to the state; `apply` does what the platform
    makes of a plan, and foresees its echoes: starts are acknowledged, victims leave.
    """

    def __init__(self, state: SchedulerState, draw: Draw) -> None:
        self.state = state
        self.now = state.now
        self._draw = draw
        self._rng = draw.random
        self._order = count()
        self._coming: list[tuple[float, int, str, Callable[[], Event | None]]] = []
        self._waiting, self._running = Bag(), Bag()
        for claim in state.claims.values():
            self._sort(claim)
        # about one of 3,600 running tasks ends within a second, and as many are submitted
        pace = len(state.claims) and sum(c.state.is_active for c in state.claims.values()) / 3600
        self._again("submit", pace, self._submit)
        self._again("finish", pace, self._finish)
        self._again("stop waiting", pace / 20, self._stop_waiting)
        self._again("priority", pace / 10, self._change_priority)
        self._again("checkpoint", pace, self._save)
        self._again("node down", pace / 50, self._node_down)

    def next_event(self) -> tuple[str, Event]:
        """Time passes up to it; an echo of something that is gone is passed over."""
        while True:
            due = self.state.next_due()
            at = self._coming[0][0]
            if due is not None and self.now < due < at:
                self.now = due
                return "time passes", _nothing
            at, _, kind, prepare = heapq.heappop(self._coming)
            self.now = max(self.now, at)
            event = prepare()
            if event is not None:
                return kind, event

    def apply(self, made: Plan) -> None:
        claims = self.state.claims
        for demotion in made.demotions:
            self._put(replace(claims[demotion.task_id], priority=demotion.priority))
        for suspend in made.suspends:
            leaver = leaving(claims[suspend.task_id], suspend.for_task, self.now)
            self._put(leaver)
            self._later("left", self._rng.uniform(3, 20), partial(self._left, leaver))
        for start in made.starts:
            begun = starting(claims[start.task_id], start, self.now)
            self._put(begun)
            self._later("acknowledged", self._rng.uniform(1, 8), partial(self._began, begun))

    # what is to come

    def _later(self, kind: str, seconds: float, prepare: Callable[[], Event | None]) -> None:
        heapq.heappush(self._coming, (self.now + seconds, next(self._order), kind, prepare))

    def _again(self, kind: str, per_second: float, prepare: Callable[[], Event | None]) -> None:
        def again() -> Event | None:
            self._later(kind, self._rng.expovariate(per_second), again)
            return prepare()

        self._later(kind, self._rng.expovariate(per_second), again)

    def _put(self, claim: Claim) -> None:
        self.state.put(claim)
        self._sort(claim)

    def _sort(self, claim: Claim) -> None:
        self._waiting.set(claim.task_id, present=claim.state.is_waiting)
        self._running.set(claim.task_id, present=claim.state is TaskState.RUNNING)

    def _remove(self, task_id: TaskId) -> None:
        self.state.remove(task_id, self.now)
        self._waiting.set(task_id, present=False)
        self._running.set(task_id, present=False)

    # events

    def _submit(self) -> Event:
        return partial(self._put, self._draw.waiting(self.now))

    def _finish(self) -> Event | None:
        task_id = self._running.draw(self._rng)
        return None if task_id is None else partial(self._remove, task_id)

    def _stop_waiting(self) -> Event | None:
        task_id = self._waiting.draw(self._rng)
        return None if task_id is None else partial(self._remove, task_id)

    def _change_priority(self) -> Event | None:
        task_id = self._waiting.draw(self._rng)
        if task_id is None:
            return None
        claim = self.state.claims[task_id]
        return partial(self._put, replace(claim, priority=self._draw.priority()))

    def _save(self) -> Event | None:
        task_id = self._running.draw(self._rng)
        if task_id is None:
            return None
        return partial(self._put, replace(self.state.claims[task_id], saved_at=self.now))

    def _began(self, begun: Claim) -> Event | None:
        if self.state.claims.get(begun.task_id) is not begun:
            return None
        running = replace(begun, state=TaskState.RUNNING, running_since=self.now)
        return partial(self._put, running)

    def _left(self, leaver: Claim) -> Event | None:
        claim = self.state.claims.get(leaver.task_id)
        if claim is not leaver:
            return None
        return partial(self._put, self._suspended(claim))

    def _suspended(self, claim: Claim) -> Claim:
        return back_in_line(claim, self.now)

    def _node_down(self) -> Event:
        """With all that runs there; it is back a few minutes later."""
        node = self._rng.choice(list(self.state.nodes.values()))
        self._later("node up", self._rng.uniform(60, 600), partial(self._node_up, node.name))
        return partial(self._lose, node, self._nodes_with(replace(node, health=NodeHealth.DOWN)))

    def _nodes_with(self, changed: Node) -> list[Node]:
        """All nodes as the store would tell them after the change: values of their own."""
        return [
            changed if node.name == changed.name else replace(node)
            for node in self.state.nodes.values()
        ]

    def _lose(self, node: Node, told: list[Node]) -> None:
        self.state.set_nodes(told)
        for claim in self.state.holders_of(node.name):
            self._put(replace(self._suspended(claim), first=True, for_task=None))

    def _node_up(self, name: NodeName) -> Event:
        node = replace(self.state.nodes[name], health=NodeHealth.READY)
        return partial(self.state.set_nodes, self._nodes_with(node))


def _nothing() -> None:
    """Time alone has passed."""
