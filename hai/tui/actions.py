"""Every action there is, once: key bindings, `?`, the palette, the footer and the user's keymap are
made from this table.

`target` says who performs it: the method `action_<method>` of the app, of the screen, or of its
main widget. Keys are Textual's names ("ctrl+d", "enter") or single characters; several are
separated by blanks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hai.errors import InvalidInput
from hai.tui.keys import key_names

ROWS = frozenset({"queue", "cluster", "users", "events"})
TASKS = frozenset({"queue", "cluster", "events", "task"})
EVERY = ROWS | {"task", "logs", "text"}


@dataclass(frozen=True, slots=True)
class Action:
    """`changes`: not in read-only mode. `local`: touches this machine's files or programs, so not
    in the browser. `hint` is its word in the footer, where it has a place there."""

    name: str
    key: str
    help: str
    screens: frozenset[str]
    target: str = "screen"
    hint: str = ""
    changes: bool = False
    local: bool = False
    argument: str = ""
    performs: str = ""  # the method, where it is not the name

    @property
    def method(self) -> str:
        """Of an action with an argument, that of its family: sort_I is sort("I")."""
        return self.performs or (self.name.rpartition("_")[0] if self.argument else self.name)

    @property
    def call(self) -> str:
        """As the terminal library writes it: "stop", "sort('I')", "app.help"."""
        where = "app." if self.target == "app" else ""
        return f"{where}{self.method}({self.argument!r})" if self.argument else where + self.method


def _only(*names: str) -> frozenset[str]:
    return frozenset(names)


_SORTS = {
    "I": ("id", _only("queue")),
    "N": ("name", _only("queue", "cluster")),
    "U": ("user or group", _only("queue", "cluster", "users")),
    "W": ("nodes", _only("queue", "users")),
    "P": ("priority", _only("queue")),
    "S": ("state", _only("queue", "cluster", "users")),
    "A": ("age", _only("queue")),
}
_FORMER = {"twin": "cli_equivalent"}  # names that a keymap may still have
_RANGES = ("the end", "the beginning", "minute", "5 minutes", "15 minutes", "hour")

ACTIONS: tuple[Action, ...] = (
    Action("open", "enter", "Go into the row", ROWS, hint="open"),
    Action("logs", "l", "Logs of the task", TASKS, hint="logs"),
    Action("previous", "p", "Logs of the attempt before the last", TASKS | {"logs"}),
    Action("why", "w", "Why it waits, runs here, or was suspended", TASKS, hint="why"),
    Action("describe", "d", "All about the task", TASKS, hint="describe"),
    Action("yaml", "y", "The task as YAML", TASKS),
    Action("shell", "s", "A shell in the task, in place of the dashboard", TASKS, hint="shell",
           changes=True, local=True),
    Action("forward", "F", "Its ports on this machine, while the dashboard runs", TASKS,
           local=True),
    Action("copy", "c", "Copy the id to the clipboard", TASKS | {"logs"}),
    Action("toggle", "z", "Suspend it, or resume it", TASKS, hint="suspend", changes=True,
           performs="suspend_or_resume"),
    Action("stop", "ctrl+d", "Stop it for good", TASKS, hint="stop", changes=True),
    Action("kill", "ctrl+k", "Stop all that is marked; type how many", TASKS, changes=True),
    Action("raise", "+", "A higher priority, after its effect is shown", TASKS, hint="prio",
           changes=True),
    Action("lower", "-", "A lower priority, after its effect is shown", TASKS, changes=True),
    Action("edit", "e", "Choose a priority", TASKS, changes=True),
    Action("drain", "r", "Drain the node, or take it back (admin)", _only("cluster"), hint="drain",
           changes=True),
    Action("table", "t", "Heat map or table of nodes", _only("cluster"), hint="table"),
    Action("mark", "space", "Mark the row; verbs act on what is marked", _only("queue")),
    Action("mark_range", "ctrl+@", "Mark from the last mark to here", _only("queue")),
    *(
        Action(f"sort_{letter}", letter, f"Sort by {what}; again reverses", screens,
               argument=letter)
        for letter, (what, screens) in _SORTS.items()
    ),
    Action("follow", "f", "Follow the end, or stay", _only("logs"), hint="follow"),
    Action("wrap", "w", "Wrap long lines, or not", _only("logs"), hint="wrap"),
    Action("times", "t", "Show the time of each line, or not", _only("logs"), hint="time"),
    Action("rank", "r", "Which ranks: all, or like 0,2-3", _only("logs"), hint="rank"),
    Action("next_match", "n", "Next match", _only("logs")),
    Action("last_match", "N", "Match before", _only("logs")),
    Action("left", "left h", "To the left", _only("logs", "cluster")),
    Action("right", "right L", "To the right", _only("logs", "cluster")),
    *(
        Action(f"range_{number}", str(number), f"From {what} on" if number < 2 else
               f"The last {what}", _only("logs"), argument=str(number))
        for number, what in enumerate(_RANGES)
    ),
    Action("save", "s", "Save what is shown to a file", _only("logs"), local=True),
    Action("pager", "o", "Open in $PAGER", _only("logs", "text"), hint="pager", local=True),
    Action("up", "up k", "Up", EVERY, target="main"),
    Action("down", "down j", "Down", EVERY, target="main"),
    Action("page_up", "pageup ctrl+b", "A page up", EVERY, target="main"),
    Action("page_down", "pagedown ctrl+f", "A page down", EVERY, target="main"),
    Action("first", "home g", "To the first line", EVERY, target="main"),
    Action("last", "end G", "To the last line", EVERY, target="main"),
    Action("filter", "/", "Filter: regex, !regex, -f fuzzy, -l key=value", ROWS | {"logs"},
           hint="filter"),
    *(
        Action(f"view_{number}", str(number), f"Saved view {number}", EVERY - {"logs"},
               target="app", argument=str(number))
        for number in range(1, 10)
    ),
    Action("dump", "x", "Write what is shown to a file", EVERY, local=True),
    Action("cli_equivalent", "=", "The same with hai-cli; copied to the clipboard", EVERY,
           hint="cli"),
    Action("command", ":", "Command: :queue :cluster :task 12 :q, Tab completes", EVERY,
           target="app", hint="command"),
    Action("help", "?", "Keys of this screen", EVERY, target="app", hint="help"),
    Action("aliases", "ctrl+a", "All commands of `:`", EVERY, target="app"),
    Action("refresh", "ctrl+r", "Connect and read everything again", EVERY, target="app"),
    Action("mouse", "f2", "Mouse on or off", EVERY, target="app"),
    Action("back", "escape", "Back; clears filter and marks", EVERY),
    Action("leave", "q", "Back, or quit", EVERY),
)  # fmt: skip
OURS = frozenset(action.method for action in ACTIONS)


@dataclass(frozen=True, slots=True)
class Mode:
    """What this run may do."""

    read_only: bool = False
    in_browser: bool = False

    def allows(self, action: Action) -> bool:
        return not (self.read_only and action.changes) and not (self.in_browser and action.local)


def actions_of(screen: str, mode: Mode, keys: Mapping[str, str] | None = None) -> list[Action]:
    """What can be done on a screen, with the user's own keys."""
    own = keys or {}
    return [
        replace(action, key=own.get(action.name, action.key))
        for action in ACTIONS
        if screen in action.screens and mode.allows(action)
    ]


def checked_keys(wanted: Mapping[str, str]) -> dict[str, str]:
    """A keymap in the terminal library's names. InvalidInput where it names no action or no key, or
    takes one key twice on a screen."""
    known = {action.name for action in ACTIONS}
    keys: dict[str, str] = {}
    for written, text in wanted.items():
        name = _FORMER.get(written, written)
        if name not in known:
            raise InvalidInput(
                f"[keys] {name}: there is no such action",
                hint=f"actions are {', '.join(sorted(known))}",
            )
        try:
            keys[name] = key_names(text)
        except InvalidInput as error:
            raise InvalidInput(f"[keys] {name}: {error.message}", hint=error.hint) from None
    for screen in EVERY:
        taken: dict[str, str] = {}
        for action in actions_of(screen, Mode(), keys):
            for key in action.key.split():
                other = taken.setdefault(key, action.name)
                if other != action.name and {other, action.name} & set(keys):
                    raise InvalidInput(
                        f"[keys] {key} is the key of both {other} and {action.name}",
                        hint="give one of them another key",
                    )
    return keys
