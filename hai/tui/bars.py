"""Header and footer as lines: where we are connected, how fresh it is, which keys there are."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hai.core.duration import age_of
from hai.tui.actions import Action
from hai.tui.columns import shortened
from hai.tui.keys import key_text
from hai.tui.text import Line, line_width

if TYPE_CHECKING:
    from hai.tui.dashboard import Dashboard

STALE_SECONDS = 15.0  # the server says something every few seconds


def header_line(hai: "Dashboard", width: int) -> Line:
    """Where and who, free nodes and GPUs, and the age of all this: amber when it is old."""
    model, total = hai.model, hai.totals.total
    server: Line = [(hai.server_name, "dim")]
    user: Line = (
        [(f"  {model.user}{' (admin)' if model.is_admin else ''}", "")] if model.user else []
    )
    badge: Line = [("  ", ""), (" READ-ONLY ", "badge")] if hai.mode.read_only else []
    title: Line = [(" HAI ", "title")]
    nodes: Line = _free(total.free, total.nodes, "nodes")
    gpus: Line = _free(total.gpus_free, total.gpus, "GPUs")
    state: Line = [("  ", ""), freshness(hai), (" ", "")]
    for left, right in (
        ([*title, *server, *user, *badge], [*nodes, *gpus, *state]),
        ([*title, *server, *user, *badge], [*nodes, *state]),
        ([*title, *user, *badge], [*nodes, *state]),
        ([*title, *badge], [*nodes, *state]),
        ([*title, *badge], state),
    ):
        blanks = width - line_width(left) - line_width(right)
        if blanks > 0:
            return [*left, (" " * blanks, ""), *right]
    return shortened([*badge, freshness(hai)], width, hai.glyphs.more)


def _free(free: int, whole: int, noun: str) -> Line:
    if not whole:
        return []
    role = "run" if free else "warn"
    return [("  ", ""), (f"{free:,}", role), (f"/{whole:,} {noun} free", "dim")]


def freshness(hai: "Dashboard") -> tuple[str, str]:
    """live; or how old the data is, and why."""
    if hai.model.received_at is None:
        return (hai.lost or "connecting"), ("alert" if hai.lost else "dim")
    age = hai.clock() - hai.model.received_at
    if hai.failure is not None:
        return f"{age_of(age)} old: refused (ctrl-r tries again)", "alert"
    if hai.lost:
        return f"{age_of(age)} old: no connection", "alert"
    if age > STALE_SECONDS:
        return f"{age_of(age)} old", "alert"
    if not hai.model.complete:
        return "loading", "dim"
    return "live", "run"


def footer_line(hai: "Dashboard", actions: Iterable[Action], width: int) -> Line:
    """A notice while there is one, else the keys that fit."""
    notice = hai.notice
    if notice is not None:
        return shortened([(" ", ""), notice], width, hai.glyphs.more)
    line: Line = [(" ", "")]
    hints = [action for action in actions if action.hint]
    hints.sort(key=lambda action: action.name not in ("help", "command", "filter"))
    for action in hints:
        key = key_text(action.key.split()[0])
        part: Line = [(key, "key"), (f" {action.hint}  ", "dim")]
        if line_width(line) + line_width(part) > width:
            break
        line += part
    return line
