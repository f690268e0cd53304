"""What the dashboard knows: the server's pieces, put together. No I/O, no clock, no widgets."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hai.core.types import Priority
from hai.tui.text import at_of, printable

EVENTS_KEPT = 2000
ACTIVE = frozenset({"starting", "running", "suspending", "stopping"})
WAITING = frozenset({"queued", "suspended"})
FINAL = frozenset({"succeeded", "failed", "stopped"})
_SILENT = frozenset({"schema_version", "cursor", "at", "server"})  # nothing new to show
Figures = Mapping[str, float]  # cpu_percent, memory_bytes, gpu_percent, ...
_LEVELS = {level.name: level.value for level in Priority}


@dataclass(slots=True, eq=False)
class DashboardTask:
    """A row of the feed with its times as Unix seconds. `position` 1 is next in its group."""

    id: int
    name: str
    user: str
    group: str
    nodes: int
    priority: str
    state: str
    held: bool
    attempts: int
    suspend_count: int
    exit_code: int | None
    why: str
    code: str
    on: tuple[str, ...]
    submitted_at: float
    since: float | None
    ended_at: float | None
    level: str = ""
    safe_until: float | None = None
    backfill: bool = False
    estimate: Mapping[str, Any] | None = None
    asks: Mapping[str, Any] | None = None  # its part of a node that others share
    position: int | None = None

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def is_waiting(self) -> bool:
        return self.state in WAITING

    @property
    def is_final(self) -> bool:
        return self.state in FINAL


Holders = tuple[DashboardTask, ...]


@dataclass(slots=True, eq=False)
class DashboardNode:
    name: str
    group: str
    health: str
    health_why: str
    gpus: int
    cpus: float
    memory_bytes: int
    leaf: str
    zone: str
    launcher: str
    shared: bool = False  # by containers


def rank_of(priority: str) -> int:
    """A number for a level, higher first; AUTO counts as NORMAL."""
    return _LEVELS.get("NORMAL" if priority == "AUTO" else priority, 0)


def task_of(row: Mapping[str, Any]) -> DashboardTask:
    """From the wire, tolerant of keys that an older or newer server lacks."""
    return DashboardTask(
        id=row["id"],
        name=printable(row["name"]),
        user=printable(row["user"]),
        group=printable(row["group"]),
        nodes=row["nodes"],
        priority=row["priority"],
        state=row["state"],
        held=row["held"],
        attempts=row["attempts"],
        suspend_count=row.get("suspend_count") or 0,
        exit_code=row.get("exit_code"),
        why=printable(row.get("why") or ""),
        code=row.get("code") or "",
        on=tuple(row.get("on") or ()),
        submitted_at=at_of(row["submitted_at"]) or 0.0,
        since=at_of(row.get("since")),
        ended_at=at_of(row.get("ended_at")),
        level=row.get("level") or "",
        safe_until=at_of(row.get("safe_until")),
        backfill=bool(row.get("backfill")),
        estimate=row.get("estimate"),
        asks=row.get("asks"),
    )


def node_of(row: Mapping[str, Any]) -> DashboardNode:
    return DashboardNode(
        name=row["name"],
        group=row["group"],
        health=row["health"],
        health_why=printable(row.get("health_why") or ""),
        gpus=row.get("gpus") or 0,
        cpus=row.get("cpus") or 0.0,
        memory_bytes=row.get("memory_bytes") or 0,
        leaf=row.get("leaf") or "",
        zone=row.get("zone") or "",
        launcher=row.get("launcher") or "",
        shared=bool(row.get("shared")),
    )


@dataclass(slots=True, eq=False)
class Model:
    """`version` grows when something in sight changed. `received_at` is this machine's clock, None
    before the first piece; `skew` added to this machine's clock gives the server's."""

    version: int = 0
    complete: bool = False
    received_at: float | None = None
    skew: float = 0.0
    user: str = ""
    role: str = ""
    tasks: dict[int, DashboardTask] = field(default_factory=dict)
    nodes: dict[str, DashboardNode] = field(default_factory=dict)
    order: dict[str, list[int]] = field(default_factory=dict)
    quotas: list[Mapping[str, Any]] = field(default_factory=list)
    history: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Figures] = field(default_factory=dict)  # by node
    task_usage: Mapping[str, Mapping[str, Figures]] = field(default_factory=dict)
    events: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    server: Mapping[str, Any] = field(default_factory=dict)
    _coming: dict[int, DashboardTask] | None = None

    def apply(self, piece: Mapping[str, Any], now: float) -> None:
        """Take over one piece. While a whole set is arriving, the old one stays in sight."""
        self.received_at = now
        self.skew = (at_of(piece.get("at")) or now) - now
        self.server = piece.get("server") or self.server
        if piece.get("whole"):
            self._begin(piece)
        known = self.tasks if self._coming is None else self._coming
        for row in piece.get("tasks") or ():
            known[row["id"]] = task_of(row)
        for task_id in piece.get("gone") or ():
            known.pop(task_id, None)
        self._take_parts(piece)
        if not piece.get("more"):
            self._finish()
        if piece.get("tasks") or "order" in piece:
            self._place()
        if piece.get("whole") or not _SILENT.issuperset(key for key, v in piece.items() if v):
            self.version += 1

    def _begin(self, piece: Mapping[str, Any]) -> None:
        you = piece.get("you") or {}
        self.user, self.role = you.get("name", self.user), you.get("role", self.role)
        self.events.clear()
        self._coming = {} if self.tasks else None  # the first time all is shown as it comes
        self.complete = False

    def _finish(self) -> None:
        if self._coming is not None:
            self.tasks, self._coming = self._coming, None
        self.complete = True

    def _take_parts(self, piece: Mapping[str, Any]) -> None:
        if "nodes" in piece:
            self.nodes = {row["name"]: node_of(row) for row in piece["nodes"]}
        self.order = piece.get("order", self.order)
        self.quotas = piece.get("quotas", self.quotas)
        self.history = piece.get("history", self.history)
        self.usage = piece.get("usage", self.usage)
        self.task_usage = piece.get("task_usage", self.task_usage)
        self.events.extend(piece.get("events") or ())

    def _place(self) -> None:
        for line in self.order.values():
            for position, task_id in enumerate(line, 1):
                task = self.tasks.get(task_id)
                if task is not None:
                    task.position = position

    def holders(self) -> dict[str, Holders]:
        """The tasks that hold each busy node: several share it, or one leaves it to another."""
        found: dict[str, Holders] = {}
        for task in self.tasks.values():
            if task.is_active:
                alone = (task,)
                for node in task.on:
                    others = found.get(node)
                    found[node] = alone if others is None else (*others, task)
        return found

    def use_of(self, task_id: int, node: str) -> Figures | None:
        """What a task uses on a node: its own part of one that several hold."""
        own = self.task_usage.get(str(task_id), {})
        return own[node] if node in own else self.usage.get(node)

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    def groups(self) -> list[str]:
        """Groups that have nodes, then those that only have tasks."""
        names = dict.fromkeys(node.group for node in self.nodes.values())
        names.update(dict.fromkeys(sorted({task.group for task in self.tasks.values()})))
        return list(names)


def in_order(tasks: Iterable[DashboardTask]) -> list[DashboardTask]:
    """As they are served: who runs (high levels first), who waits (by place), who is held, and
    who has ended (the last one first)."""
    return sorted(tasks, key=_serving)


def _serving(task: DashboardTask) -> tuple[float, float, float, int]:
    if task.is_active:
        return (0, -rank_of(task.level or task.priority), task.since or 0.0, task.id)
    if task.is_final:
        return (3, -(task.ended_at or 0.0), 0.0, -task.id)
    if task.held:
        return (2, 0, task.submitted_at, task.id)
    return (1, task.position or 1_000_000, 0.0, task.id)
