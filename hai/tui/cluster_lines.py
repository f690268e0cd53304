"""The cluster in lines: one summary per group, and a heat map of who holds what. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hai.core.resources import NOTHING, Resources, of_data, total
from hai.tui.chart import bar_line, sparkline
from hai.tui.glyphs import Glyphs
from hai.tui.model import DashboardNode, Holders, Model
from hai.tui.text import Line, fit, size_of

USER_COLOURS = 8
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWYZabefghijklmnopqrstuvwyz"  # without those of _SICK
_BESIDE = 57  # columns of a group's line beside what is free and the bar
_LEAST_BAR, _MOST_BAR = 8, 24
_LEAST_FREE = 10  # columns of what is free: the lines of all groups stand below each other
_SEVERAL = "+"  # users on one node
_SICK = {
    "suspect": ("?", "warn"),
    "cordoned": ("c", "held"),
    "drained": ("d", "held"),
    "down": ("X", "bad"),
}


@dataclass(frozen=True, slots=True)
class GroupTotals:
    """Counts of one group; `sick` nodes are neither free nor busy, whoever is on them, and nor are
    their GPUs. `room`: what containers can still get of nodes that they share."""

    name: str
    nodes: int = 0
    busy: int = 0
    sick: int = 0
    gpus: int = 0
    gpus_busy: int = 0
    gpus_sick: int = 0
    running: int = 0
    waiting: int = 0
    health: Mapping[str, int] = field(default_factory=dict)
    room: Resources | None = None

    @property
    def free(self) -> int:
        return self.nodes - self.busy - self.sick

    @property
    def gpus_free(self) -> int:
        return self.gpus - self.gpus_busy - self.gpus_sick


def group_totals(model: Model, holders: Mapping[str, Holders]) -> list[GroupTotals]:
    """One line of counts for every group."""
    counts: dict[str, dict[str, Any]] = {name: {"health": {}} for name in model.groups()}

    def add(group: str, key: str, amount: int = 1) -> None:
        counts[group][key] = counts[group].get(key, 0) + amount

    for node in model.nodes.values():
        add(node.group, "nodes")
        add(node.group, "gpus", node.gpus)
        if node.health != "ready":
            add(node.group, "sick")
            add(node.group, "gpus_sick", node.gpus)
            health = counts[node.group]["health"]
            health[node.health] = health.get(node.health, 0) + 1
        elif node.name in holders:
            add(node.group, "busy")
            add(node.group, "gpus_busy", gpus_held(node, holders[node.name]))
        room = room_of(node, holders.get(node.name, ()))
        if room is not None:
            counts[node.group]["room"] = room.plus(counts[node.group].get("room", NOTHING))
    for task in model.tasks.values():
        if task.is_active:
            add(task.group, "running")
        elif task.is_waiting:
            add(task.group, "waiting")
    return [GroupTotals(name, **values) for name, values in counts.items()]


def total_of(groups: Sequence[GroupTotals]) -> GroupTotals:
    """All groups together."""
    health: dict[str, int] = {}
    for group in groups:
        for name, count in group.health.items():
            health[name] = health.get(name, 0) + count
    names = ("nodes", "busy", "sick", "gpus", "gpus_busy", "gpus_sick", "running", "waiting")
    sums = {name: sum(getattr(group, name) for group in groups) for name in names}
    return GroupTotals("", **sums, health=health)


def room_of(node: DashboardNode, tasks: Holders) -> Resources | None:
    """What containers can still get of a node that they share; None of one that is held whole."""
    if not node.shared:
        return None
    if node.health != "ready" or any(task.asks is None for task in tasks):
        return NOTHING
    held = total(of_data(task.asks or {}) for task in tasks)
    has = Resources(round(node.cpus * 1000), node.memory_bytes, node.gpus)
    return Resources(*(max(0, left) for left in has.minus(held)))


def room_text(room: Resources, *, is_brief: bool = False) -> str:
    """As "2 GPUs 30 CPUs 96G"; in brief what is scarce, GPUs or CPUs."""
    gpus = f"{room.gpus} GPU{'' if room.gpus == 1 else 's'}"
    cpus = f"{room.cpus:.3g} CPU{'' if room.millicores == 1000 else 's'}"
    if is_brief:
        return gpus if room.gpus else cpus
    parts = [gpus] if room.gpus else []
    return " ".join([*parts, cpus, size_of(room.memory_bytes)])


def group_lines(
    groups: Sequence[GroupTotals], model: Model, width: int, glyphs: Glyphs
) -> list[Line]:
    """Of each group the name, a bar of busy nodes, counts, and the last hour as far as the width
    goes; where it is narrow, no bar."""
    told = [_free_text(group, is_brief=False) for group in groups]
    if max(map(len, told), default=0) + _BESIDE > width:
        told = [_free_text(group, is_brief=True) for group in groups]
    column = max([_LEAST_FREE, *map(len, told)])
    spare = width - _BESIDE + 1 - column
    bar = max(_LEAST_BAR, min(_MOST_BAR, spare)) if spare > 0 else 0
    return [
        _group_line(group, model, (width, bar), text.rjust(column), glyphs)
        for group, text in zip(groups, told, strict=True)
    ]


def _free_text(group: GroupTotals, *, is_brief: bool) -> str:
    if group.room is None:
        return f"{group.free} free"
    return f"{room_text(group.room, is_brief=is_brief)} free"


def _group_line(
    group: GroupTotals, model: Model, widths: tuple[int, int], free: str, glyphs: Glyphs
) -> Line:
    """`widths`: of the line and of its bar."""
    width, bar = widths
    has_room = any(group.room) if group.room is not None else group.free > 0
    line: Line = [(fit(group.name, 12), "title"), (" ", "")]
    line += bar_line(group.busy, group.nodes, bar, "run", glyphs)
    line.append((f" {group.busy:>5}/{group.nodes:<5}", ""))
    line.append((f"{free} ", "run" if has_room else "dim"))
    line.append((f"{group.running:>5} run", "run" if group.running else "dim"))
    line.append((f"{group.waiting:>6} wait ", "wait" if group.waiting else "dim"))
    sick = " ".join(f"{count} {name}" for name, count in sorted(group.health.items()))
    used = sum(len(text) for text, _ in line)
    if used + len(sick) <= width:
        line.append((sick, "warn"))
        used += len(sick)
    if width - used > 12:
        spark = min(60, width - used - 2)
        busy = (model.history.get("busy") or {}).get(group.name) or []
        line.append(("  " + sparkline(busy, spark, glyphs, top=group.nodes)[0], "run"))
    return line


def history_lines(
    model: Model, groups: Sequence[GroupTotals], width: int, glyphs: Glyphs
) -> list[Line]:
    """Busy nodes and waiting tasks of the last hour, side by side."""
    total = total_of(groups)
    busy = (model.history.get("busy") or {}).get("") or []
    waiting = (model.history.get("waiting") or {}).get("") or []
    half = max(10, (width - 4) // 2)
    percent = round(100 * total.busy / total.nodes) if total.nodes else 0
    left = sparkline(busy, half - 1, glyphs, top=total.nodes, height=2)
    right = sparkline(waiting, half - 1, glyphs, height=2)
    title_left = _hour(f"nodes busy: {total.busy}/{total.nodes} ({percent} %)", half)
    title_right = _hour(f"tasks waiting: {total.waiting:,}", half)
    lines: list[Line] = [[(title_left, "dim"), ("  ", ""), (title_right, "dim")]]
    for upper, lower in zip(left, right, strict=True):
        lines.append([(fit(upper, half), "run"), ("  ", ""), (fit(lower, half), "wait")])
    return lines


def _hour(text: str, width: int) -> str:
    """The title of a chart, which says how far back it goes where there is room for that."""
    whole = f"{text}, last hour"
    return fit(whole if len(whole) <= width else text, width)


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One line of the map: a caption, then nodes."""

    caption: str
    nodes: tuple[DashboardNode, ...]


CAPTION = 14


def heat_rows(nodes: Sequence[DashboardNode], width: int, *, group: str = "") -> list[HeatRow]:
    """Nodes by group and leaf switch, in rows of as many as fit."""
    room = max(1, width - CAPTION)
    rows: list[HeatRow] = []
    by_group: dict[str, list[DashboardNode]] = {}
    for node in nodes:
        if group in ("", node.group):
            by_group.setdefault(node.group, []).append(node)
    for name, members in by_group.items():
        members.sort(key=lambda node: (node.zone, _natural(node.leaf), _natural(node.name)))
        for at in range(0, len(members), room):
            caption = name if at == 0 else ""
            rows.append(HeatRow(caption, tuple(members[at : at + room])))
    return rows


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """hollow-leaf-10 comes after hollow-leaf-9."""
    parts = text.replace("_", "-").split("-")
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)


def heat_cell(
    node: DashboardNode, holders: Mapping[str, Holders], letters: Mapping[str, int]
) -> tuple[str, str]:
    """One character and its colour: the letter of whoever holds it, or what is wrong with it."""
    if node.health in _SICK:
        return _SICK[node.health]
    tasks = holders.get(node.name)
    if tasks is None:
        return ".", "faint"
    if _is_of_several(tasks):
        return _SEVERAL, "run"
    number = letters.get(tasks[0].user, 0)
    return _LETTERS[number % len(_LETTERS)], f"user{number % USER_COLOURS}"


def _is_of_several(tasks: Holders) -> bool:
    return len(tasks) > 1 and len({task.user for task in tasks}) > 1


def user_letters(holders: Mapping[str, Holders]) -> dict[str, int]:
    """A number for every user who holds nodes, in order of the alphabet: stable while they do."""
    users = {task.user for tasks in holders.values() for task in tasks}
    return {user: number for number, user in enumerate(sorted(users))}


def nodes_held(holders: Mapping[str, Holders]) -> dict[str, int]:
    """By user: a node that several of one's tasks share is one node."""
    held: dict[str, int] = {}
    for tasks in holders.values():
        for user in {task.user for task in tasks} if len(tasks) > 1 else (tasks[0].user,):
            held[user] = held.get(user, 0) + 1
    return held


def gpus_held(node: DashboardNode, tasks: Holders) -> int:
    """Of a node: all of them, or what the containers that share it have asked for."""
    parts = [node.gpus if task.asks is None else int(task.asks.get("gpus") or 0) for task in tasks]
    return min(node.gpus, sum(parts))


def legend(letters: Mapping[str, int], holders: Mapping[str, Holders]) -> Line:
    """Whose letter is whose, the largest holder first."""
    held = nodes_held(holders)
    line: Line = []
    for user in sorted(held, key=lambda name: (-held[name], name)):
        number = letters[user]
        line.append((_LETTERS[number % len(_LETTERS)], f"user{number % USER_COLOURS}"))
        line.append((f" {user} {held[user]}  ", ""))
    if any(_is_of_several(tasks) for tasks in holders.values()):
        line.append((f"{_SEVERAL} several users  ", "dim"))
    return [*line, (". free  c cordoned  d drained  ? suspect  X down", "dim")]
