"""What the tables show: cells of tasks, nodes, users and events. Pure functions of their arguments.

`Context` carries what a cell may depend on beside its row: the time, and who looks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hai.core.duration import age_of
from hai.tui.chart import bar
from hai.tui.columns import TableColumn
from hai.tui.glyphs import UNICODE, Glyphs
from hai.tui.model import DashboardNode, DashboardTask, Figures, Holders, rank_of
from hai.tui.text import Span, at_of, clock_of, printable, size_of
from hai.tui.usage import UseOf, in_use

ROLES = {
    "running": "run",
    "starting": "start",
    "queued": "wait",
    "suspended": "held",
    "suspending": "start",
    "stopping": "start",
    "succeeded": "dim",
    "failed": "bad",
    "stopped": "dim",
    "ready": "run",
    "suspect": "warn",
    "cordoned": "held",
    "drained": "held",
    "down": "bad",
}
SHORT_LEVELS = {
    "BELOW_NORMAL": "BELOW",
    "UNDER_NORMAL": "UNDER",
    "ABOVE_NORMAL": "ABOVE",
    "VERY_HIGH": "V.HIGH",
    "EXTREME_HIGH": "EXTREME",
}


@dataclass(frozen=True, slots=True)
class Context:
    """`now` is the server's clock, in Unix seconds."""

    now: float = 0.0
    user: str = ""
    glyphs: Glyphs = UNICODE
    holders: Mapping[str, Holders] = field(default_factory=dict)
    usage: Mapping[str, Figures] = field(default_factory=dict)  # by node
    use_of: UseOf = lambda _task, _node: None


# tasks


def state_of(task: DashboardTask) -> str:
    """The state in one word; a task that a person took out of the line is "held"."""
    return "held" if task.held and task.is_waiting else task.state


def _state(task: DashboardTask, _: Context) -> Span:
    return state_of(task), ROLES.get(task.state, "")


def _id(task: DashboardTask, context: Context) -> Span:
    return str(task.id), "mine" if task.user == context.user else ""


def _name(task: DashboardTask, context: Context) -> Span:
    return task.name, "mine" if task.user == context.user else ""


def _user(task: DashboardTask, context: Context) -> Span:
    return task.user, "mine" if task.user == context.user else ""


def _priority(task: DashboardTask, _: Context) -> Span:
    """What it asks for; behind a slash the level that it is charged at, where that differs. AUTO
    alone asks for none: the level is the platform's choice, and the task's page tells it."""
    asked = SHORT_LEVELS.get(task.priority, task.priority)
    level = SHORT_LEVELS.get(task.level, task.level)
    is_other = bool(level) and level != asked and task.priority != "AUTO"
    return (f"{asked}/{level}", "warn") if is_other else (asked, "")


def _place(task: DashboardTask, _: Context) -> Span:
    if not task.is_waiting or task.held or task.position is None:
        return "", ""
    return str(task.position), "key" if task.position == 1 else ""


def _age(task: DashboardTask, context: Context) -> Span:
    """Since its attempt began, since it was submitted, or since it ended."""
    if task.is_final:
        return age_of(context.now - (task.ended_at or context.now)), "dim"
    return age_of(context.now - ((task.is_active and task.since) or task.submitted_at)), ""


def next_of(task: DashboardTask, now: float) -> Span:
    """What comes next for it: how long it is sure of its nodes, or when it may start."""
    if task.is_active:
        if task.backfill:
            return "backfill", "warn"
        if task.safe_until is None:
            return "", ""
        left = task.safe_until - now
        return (f"safe {age_of(left)}", "run") if left > 0 else ("may yield", "warn")
    estimate = task.estimate if task.is_waiting else None
    earliest = at_of((estimate or {}).get("earliest"))
    if estimate is None or earliest is None:
        return "", ""
    if estimate.get("latest") is None:  # nobody can say: a lower bound alone
        return (f"after {age_of(earliest - now)}" if earliest > now else ""), "dim"
    return (f"in {age_of(earliest - now)}" if earliest > now else "any moment"), "key"


def why_of(task: DashboardTask) -> Span:
    """Why it waits, how it ended, or its place in the line; empty while it simply runs."""
    if task.is_waiting and not task.why:
        if task.position is None:
            return "", ""
        return f"number {task.position} in its line", "dim"
    if task.is_final and task.exit_code:
        return f"exit {task.exit_code}: {task.why}" if task.why else f"exit {task.exit_code}", "bad"
    return task.why, "dim"


TASK_COLUMNS = (
    TableColumn("ID", 6, _id, right=True, letter="I", sort=lambda t: t.id),
    TableColumn("NAME", 14, _name, most=32, letter="N", sort=lambda t: t.name.lower()),
    TableColumn("USER", 8, _user, most=12, letter="U", from_width=50,
                sort=lambda t: (t.user, t.id)),
    TableColumn("GROUP", 10, lambda t, c: (t.group, ""), most=16, from_width=100),
    TableColumn("N", 3, lambda t, c: (str(t.nodes), ""), right=True, letter="W",
                sort=lambda t: t.nodes),
    TableColumn("PRIO", 7, _priority, most=11, letter="P", from_width=60,
                sort=lambda t: -rank_of(t.priority)),
    TableColumn("STATE", 10, _state, letter="S", sort=lambda t: (t.state, t.id)),
    TableColumn("POS", 5, _place, right=True, from_width=60),
    TableColumn("AGE", 5, _age, right=True, letter="A", sort=lambda t: t.since or t.submitted_at),
    TableColumn("NEXT", 10, lambda t, c: next_of(t, c.now), from_width=90),
    TableColumn("TRY", 3, lambda t, c: (str(t.attempts or ""), "dim"), right=True, from_width=110),
    TableColumn("CPU", 14, lambda t, c: in_use(t, c.use_of), right=True, from_width=140),
    TableColumn("WHY", 8, lambda t, c: why_of(t), grows=True, from_width=60),
)  # fmt: skip


def task_text(task: DashboardTask) -> str:
    """What a filter searches."""
    return (
        f"{task.id} {task.name} {task.user} {task.group} {task.priority} "
        f"{state_of(task)} {task.why}"
    )


def task_labels(task: DashboardTask) -> dict[str, str]:
    """What `/-l key=value` knows of a task."""
    return {
        "id": str(task.id),
        "name": task.name,
        "user": task.user,
        "group": task.group,
        "priority": task.priority,
        "state": state_of(task),
        "nodes": str(task.nodes),
        "code": task.code,
    }


# nodes


def node_state(node: DashboardNode, context: Context) -> Span:
    """free, busy, or the health where that is not good."""
    if node.health != "ready":
        return node.health, ROLES.get(node.health, "warn")
    return ("busy", "run") if node.name in context.holders else ("free", "dim")


def _holder(node: DashboardNode, context: Context) -> Span:
    tasks = context.holders.get(node.name, ())
    if not tasks:
        return "", ""
    told = [f"{task.id} {task.name}" for task in tasks]
    return ", ".join(told), _mine(tasks, context)


def _holder_user(node: DashboardNode, context: Context) -> Span:
    tasks = context.holders.get(node.name, ())
    return ", ".join(dict.fromkeys(task.user for task in tasks)), _mine(tasks, context)


def _mine(tasks: Sequence[DashboardTask], context: Context) -> str:
    return "mine" if any(task.user == context.user for task in tasks) else ""


def percent_bar(percent: float | None, width: int, glyphs: Glyphs) -> str:
    """A bar with its number: "███░░ 61%"; empty when nothing is known."""
    if percent is None:
        return ""
    full, empty = bar(percent, 100, width - 5, glyphs)
    return f"{full}{empty}{min(999, round(percent)):4d}%"


def _cpu(node: DashboardNode, context: Context) -> Span:
    used = context.usage.get(node.name, {}).get("cpu_percent")
    share = None if used is None else used / max(node.cpus, 1.0)
    return percent_bar(share, 11, context.glyphs), "run"


def _gpu(node: DashboardNode, context: Context) -> Span:
    return percent_bar(
        context.usage.get(node.name, {}).get("gpu_percent"), 11, context.glyphs
    ), "run"


def _memory(node: DashboardNode, context: Context) -> Span:
    used = context.usage.get(node.name, {}).get("memory_bytes")
    if used is None:
        return (size_of(node.memory_bytes) if node.memory_bytes else ""), "dim"
    whole = f"/{size_of(node.memory_bytes)}" if node.memory_bytes else ""
    return f"{size_of(used)}{whole}", ""


NODE_COLUMNS = (
    TableColumn("NODE", 16, lambda n, c: (n.name, ""), most=24, letter="N", sort=lambda n: n.name),
    TableColumn(
        "GROUP",
        10,
        lambda n, c: (n.group, ""),
        most=16,
        letter="U",
        sort=lambda n: (n.group, n.name),
    ),
    TableColumn("STATE", 8, node_state, letter="S", sort=lambda n: (n.health, n.name)),
    TableColumn("GPUS", 4, lambda n, c: (str(n.gpus), ""), right=True),
    TableColumn("GPU", 11, _gpu, from_width=100),
    TableColumn("CPU", 11, _cpu, from_width=70),
    TableColumn("MEMORY", 11, _memory, right=True, from_width=70),
    TableColumn("LEAF", 10, lambda n, c: (n.leaf, "dim"), most=16, from_width=130),
    TableColumn("USER", 8, _holder_user, from_width=100),
    TableColumn("TASK", 12, lambda n, c: _task_or_why(n, c), grows=True),
)


def _task_or_why(node: DashboardNode, context: Context) -> Span:
    return (node.health_why, "warn") if node.health_why else _holder(node, context)


def node_labels(node: DashboardNode, context: Context) -> dict[str, str]:
    tasks = context.holders.get(node.name, ())
    return {
        "name": node.name,
        "group": node.group,
        "state": node_state(node, context)[0],
        "leaf": node.leaf,
        "zone": node.zone,
        "user": ",".join(dict.fromkeys(task.user for task in tasks)),
    }


# events

_KIND_ROLES = {
    "running": "run",
    "starting": "start",
    "suspending": "warn",
    "suspended": "held",
    "failed": "bad",
    "stopped": "dim",
    "succeeded": "run",
}


def _kind(event: Mapping[str, Any], _: Context) -> Span:
    kind = str(event["kind"])
    return kind, _KIND_ROLES.get(kind.rpartition(".")[2], "")


def _event_why(event: Mapping[str, Any], _: Context) -> Span:
    why = event.get("why") or ""
    data = event.get("data") or {}
    values = " ".join(f"{key}={_brief(value)}" for key, value in data.items())
    return printable(why or values), "dim"


def _brief(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"{value[0]}+{len(value) - 1}" if len(value) > 1 else "".join(map(str, value))
    return str(value)


EVENT_COLUMNS = (
    TableColumn("TIME", 8, lambda e, c: (clock_of(at_of(e["at"])), "dim")),
    TableColumn("TASK", 6, lambda e, c: ("" if e["task_id"] is None else str(e["task_id"]), ""),
                right=True),
    TableColumn("KIND", 18, _kind),
    TableColumn("ACTOR", 10, lambda e, c: (printable(str(e["actor"])), ""), from_width=70),
    TableColumn("USER", 8, lambda e, c: (printable(e.get("user") or ""), ""), from_width=90),
    TableColumn("WHY", 12, _event_why, grows=True),
)  # fmt: skip


def event_labels(event: Mapping[str, Any]) -> dict[str, str]:
    return {
        "task": str(event.get("task_id") or ""),
        "kind": str(event["kind"]),
        "actor": str(event["actor"]),
        "user": str(event.get("user") or ""),
    }
