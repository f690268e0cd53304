"""An hour of a busy cluster: what is submitted when, and what must hold of the event log then."""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

USERS = ("ada", "bob", "eve", "kim", "lea")
LEVELS = ("LOW", "NORMAL", "NORMAL", "NORMAL", "ABOVE_NORMAL", "HIGH")
WIDTHS = (1, 1, 1, 1, 2, 2, 4, 8, 16, 64)

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Arrival:
    after_seconds: float  # of the platform's time, since the beginning
    user: str
    nodes: int
    level: str
    seconds: float  # that it runs
    name: str


def full_house(nodes: int, seconds: float) -> list[Arrival]:
    """LOW tasks that hold all nodes from the beginning, and a HIGH one that some must yield to."""
    widths: list[int] = []
    for width in (64, 16, 1):
        widths += [width] * ((nodes - sum(widths)) // width)
    holders = [
        Arrival(0.0, USERS[number % len(USERS)], width, "LOW", seconds, f"holder-{number}")
        for number, width in enumerate(widths)
    ]
    return [*holders, Arrival(0.0, USERS[0], 64, "HIGH", 60.0, "urgent")]


def arrivals(count: int, within_seconds: float, seed: int) -> list[Arrival]:
    """`count` tasks that come within this time, in the order of their coming."""
    chance = random.Random(seed)  # noqa: S311 - a load, not a secret
    found = []
    for number in range(count):
        nodes = chance.choice(WIDTHS)
        seconds = min(chance.lognormvariate(4.0, 1.2), 1500.0) / (4.0 if nodes > 8 else 1.0)
        found.append(
            Arrival(
                after_seconds=within_seconds * number / count,
                user=chance.choice(USERS),
                nodes=nodes,
                level=chance.choice(LEVELS),
                seconds=round(seconds, 1),
                name=f"load-{number}",
            )
        )
    return found


@dataclass
class Ledger:
    """Walks the events in their order and checks each step against all that came before."""

    quota: int  # nodes that each user may hold at each level
    slice_seconds: float
    width: dict[int, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)  # node -> task
    running: dict[int, tuple[str, tuple[str, ...], str, float]] = field(default_factory=dict)
    used: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    ended: dict[int, str] = field(default_factory=dict)
    suspended_at: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    waits_for_start: set[int] = field(default_factory=set)  # somebody left for them
    suspensions: int = 0
    busiest: int = 0

    def walk(self, events: Iterable[Event]) -> None:
        for event in events:
            step = getattr(self, "_" + event["kind"].removeprefix("task."), None)
            if step is not None and event["task_id"] is not None:
                step(event)

    def _submitted(self, event: Event) -> None:
        self.width[event["task_id"]] = event["data"]["nodes"]

    def _starting(self, event: Event) -> None:
        task, user, data = event["task_id"], event["user"], event["data"]
        nodes, level = tuple(data["nodes"]), data["priority"]
        assert task not in self.running, f"task {task} was started twice"
        assert task not in self.ended, f"task {task} was started after its end"
        assert len(set(nodes)) == self.width[task], f"task {task} got no whole gang"
        for name in nodes:
            assert name not in self.held, f"{name} was given to {task}, {self.held[name]} holds it"
            self.held[name] = task
        self.used[user, level] += len(nodes)
        assert self.used[user, level] <= self.quota, f"task {task} is over {user}'s quota"
        self.running[task] = (user, nodes, level, _at(event))
        self.waits_for_start.discard(task)
        self.busiest = max(self.busiest, len(self.held))

    def _suspending(self, event: Event) -> None:
        heir = event["data"].get("for_task")
        if heir is None:
            return
        self.suspensions += 1
        assert heir not in self.running
        self.waits_for_start.add(heir)
        self.suspended_at[event["task_id"]].append(_at(event))

    def _suspended(self, event: Event) -> None:
        self._leave(event)

    def _succeeded(self, event: Event) -> None:
        self._leave(event)
        self.ended[event["task_id"]] = "succeeded"

    def _failed(self, event: Event) -> None:
        self._leave(event)
        self.ended[event["task_id"]] = "failed"

    def _leave(self, event: Event) -> None:
        user, nodes, level, _ = self.running.pop(event["task_id"])
        for name in nodes:
            assert self.held.pop(name) == event["task_id"]
        self.used[user, level] -= len(nodes)


def _at(event: Event) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()
