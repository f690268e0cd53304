"""The rows of users: who holds how much, and what is used of each quota."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hai.tui.chart import bar
from hai.tui.columns import TableColumn
from hai.tui.model import Model, rank_of
from hai.tui.present import SHORT_LEVELS, Context, percent_bar
from hai.tui.text import Span


class QuotaUse(NamedTuple):
    """Nodes held and allowed of one group at one level."""

    group: str
    level: str
    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class UserRow:
    """What one user has of the cluster."""

    name: str
    held: int
    share: float  # of all nodes that are held
    running: int
    waiting: int
    quotas: tuple[QuotaUse, ...] = ()


def user_rows(model: Model) -> list[UserRow]:
    """Everybody who has tasks or quotas of their own, the largest holder first."""
    held: dict[str, set[str]] = {}  # a node that several of one's tasks share is one node
    running: dict[str, int] = {}
    waiting: dict[str, int] = {}
    used: dict[tuple[str, str, str], int] = {}
    for task in model.tasks.values():
        if task.is_active:
            held.setdefault(task.user, set()).update(task.on)
            running[task.user] = running.get(task.user, 0) + 1
            key = (task.user, task.group, task.level or task.priority)
            if task.asks is None:  # a part of a node is no node of a quota
                used[key] = used.get(key, 0) + task.nodes
        elif task.is_waiting:
            waiting[task.user] = waiting.get(task.user, 0) + 1
    names = {*held, *waiting, model.user, *(q["user"] for q in model.quotas)} - {"*", ""}
    total = sum(map(len, held.values())) or 1
    limits = _limits(model.quotas)
    rows = [
        UserRow(
            name,
            len(held.get(name, ())),
            len(held.get(name, ())) / total,
            running.get(name, 0),
            waiting.get(name, 0),
            _quotas_of(name, used, limits),
        )
        for name in names
    ]
    return sorted(rows, key=lambda row: (-row.held, row.name))


def _limits(quotas: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], int]:
    return {(q["user"], q["group"], q["priority"]): q["nodes"] for q in quotas}


def _quotas_of(
    name: str, used: Mapping[tuple[str, str, str], int], limits: Mapping[tuple[str, str, str], int]
) -> tuple[QuotaUse, ...]:
    """Own rows win over everybody's; highest level first."""
    keys = {(group, level) for user, group, level in limits if user in (name, "*")}
    rows = []
    for group, level in sorted(keys, key=lambda key: (key[0], -rank_of(key[1]))):
        limit = limits.get((name, group, level), limits.get(("*", group, level), 0))
        rows.append(QuotaUse(group, level, used.get((name, group, level), 0), limit))
    return tuple(rows)


def _quota_text(row: UserRow, context: Context) -> Span:
    """Bars of the quotas that are in use, the fullest first."""
    parts = []
    fullest_first = sorted(row.quotas, key=lambda one: -(one.used / max(one.limit, 1)))
    for group, level, used, limit in fullest_first:
        if used:
            full, empty = bar(used, limit, 6, context.glyphs)
            parts.append(f"{group}/{SHORT_LEVELS.get(level, level)} {full}{empty} {used}/{limit}")
    return "  ".join(parts), "run"


def _share(row: UserRow, context: Context) -> Span:
    return (percent_bar(row.share * 100, 12, context.glyphs) if row.held else ""), "run"


USER_COLUMNS = (
    TableColumn("USER", 12, lambda u, c: (u.name, "mine" if u.name == c.user else ""), most=24,
                letter="U", sort=lambda u: u.name),
    TableColumn("NODES", 6, lambda u, c: (str(u.held or ""), ""), right=True, letter="W",
                sort=lambda u: -u.held),
    TableColumn("SHARE", 12, _share, from_width=70),
    TableColumn("RUN", 5, lambda u, c: (str(u.running or ""), "run"), right=True),
    TableColumn("WAIT", 6, lambda u, c: (str(u.waiting or ""), "wait"), right=True, letter="S",
                sort=lambda u: -u.waiting),
    TableColumn("QUOTA IN USE", 20, _quota_text, grows=True),
)  # fmt: skip
