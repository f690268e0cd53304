"""How dev containers look in a table."""

from dataclasses import replace
from typing import Any

from hai.cli.layouts import tasks_layout, why_line
from hai.console.output import Column, ListLayout

_LEFT_OUT = ("why",)


def dev_layout(now: float) -> ListLayout:
    """Rows of `dev list`: as `list`, and what is known of their use."""
    layout = tasks_layout(now)
    kept = tuple(column for column in layout.columns if column.key not in _LEFT_OUT)
    return replace(layout, columns=(*kept, Column("idle", "USE", _use, cut=True)))


def _use(task: Any) -> str:
    """Of a running one its idleness, of another why it is where it is."""
    idle = task.get("idle")
    return str(idle["text"]) if idle else why_line(task)
