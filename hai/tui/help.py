"""`?` and ctrl-a: pages made of the tables of actions and commands, so they are never wrong."""

from collections.abc import Mapping

from hai.tui.actions import Action, Mode, actions_of
from hai.tui.commands import ALIASES, SUMMARIES
from hai.tui.keys import key_text
from hai.tui.preferences import Preferences
from hai.tui.text import Line

_MOVES = frozenset({"up", "down", "page_up", "page_down", "first", "last", "left", "right"})


def help_page(view: str, mode: Mode, keys: Mapping[str, str]) -> list[Line]:
    """Every key of a screen, the ones that move last."""
    actions = [a for a in actions_of(view, mode, keys) if not a.name.startswith("view_")]
    ordinary = [action for action in actions if action.name not in _MOVES]
    moves = [action for action in actions if action.name in _MOVES]
    lines: list[Line] = [*map(_line, ordinary)]
    lines += [[], [("MOVING", "head")], *map(_line, moves)]
    lines.append([])
    if len(ordinary) + len(moves) < len(actions_of(view, mode, keys)):
        lines.append(_row("1 ... 9", "Saved views"))  # in logs digits are ranges
    lines += [_row("ctrl-p", "Search all actions by name"), _row("ctrl-c, :q", "Quit")]
    if mode.read_only:
        lines += [[], [("read-only: nothing can be changed from here", "warn")]]
    return lines


def _line(action: Action) -> Line:
    return _row(key_text(action.key), action.help)


def _row(key: str, text: str) -> Line:
    return [(f"  {key:<18}", "key"), (text, "")]


def aliases_page(preferences: Preferences) -> list[Line]:
    """All commands with their other names, and the saved views."""
    lines: list[Line] = [[("COMMANDS", "head")]]
    for name, summary in SUMMARIES.items():
        others = ", ".join(f":{alias}" for alias in ALIASES[name] if alias != name)
        lines.append([(f"  {summary:<50}", ""), (others, "dim")])
    lines += [[], [("SAVED VIEWS", "head")]]
    lines += [_row(digit, f":{text}") for digit, text in sorted(preferences.views.items())]
    return lines
