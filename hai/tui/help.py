"""`?` and ctrl-a: pages made of the tables of actions and commands, so they are never wrong."""

from collections.abc import Mapping

from hai.tui.actions import Action, Mode, actions_of
from hai.tui.commands import ALIASES, SUMMARIES
from hai.tui.keys import key_text
from hai.tui.preferences import Preferences
from hai.tui.text import Line, wrapped

_KEYS = 20  # columns
_SUMMARY = 54
_MOVES = frozenset({"up", "down", "page_up", "page_down", "first", "last", "left", "right"})


def help_page(view: str, mode: Mode, keys: Mapping[str, str], width: int = 120) -> list[Line]:
    """Every key of a screen, the ones that move last."""
    actions = [a for a in actions_of(view, mode, keys) if not a.name.startswith("view_")]
    ordinary = [action for action in actions if action.name not in _MOVES]
    moves = [action for action in actions if action.name in _MOVES]
    lines: list[Line] = [line for action in ordinary for line in _lines(action, width)]
    lines += [[], [("MOVING", "head")]]
    lines += [line for action in moves for line in _lines(action, width)]
    lines.append([])
    if len(ordinary) + len(moves) < len(actions_of(view, mode, keys)):
        lines.append(_row("1 ... 9", "Saved views"))  # in logs digits are ranges
    lines += [_row("ctrl-p", "Search all actions by name"), _row("ctrl-c, :q", "Quit")]
    if mode.read_only:
        lines += [[], [("read-only: nothing can be changed from here", "warn")]]
    return lines


def _lines(action: Action, width: int) -> list[Line]:
    first, *rest = wrapped(action.help, max(20, width - _KEYS))
    return [_row(key_text(action.key), first), *(_row("", line) for line in rest)]


def _row(key: str, text: str) -> Line:
    return [(f"  {key:<{_KEYS - 2}}", "key"), (text, "")]


def aliases_page(preferences: Preferences, width: int) -> list[Line]:
    """All commands with their other names, and the saved views."""
    indent = _SUMMARY if width >= _SUMMARY + 20 else 6
    lines: list[Line] = [[("COMMANDS", "head")]]
    for name, summary in SUMMARIES.items():
        others = ", ".join(f":{alias}" for alias in ALIASES[name] if alias != name)
        names = wrapped(others, max(20, width - indent)) if others else []
        line: Line = [(f"  {summary:<{_SUMMARY - 2}}", "")]
        if names and indent == _SUMMARY:
            line.append((names.pop(0), "dim"))
        lines += [line, *([(" " * indent + name, "dim")] for name in names)]
    lines += [[], [("SAVED VIEWS", "head")]]
    lines += [_row(digit, f":{text}") for digit, text in sorted(preferences.views.items())]
    return lines
