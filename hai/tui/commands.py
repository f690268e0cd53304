"""What is typed after `:`. Pure: text in, a command out; the app carries it out."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hai.errors import InvalidInput

ALIASES = {
    "queue": ("queue", "q", "jobs", "tasks", "squeue", "list"),
    "cluster": ("cluster", "nodes", "n", "sinfo", "top"),
    "users": ("users", "u", "quota"),
    "events": ("events", "ev", "ledger"),
    "task": ("task", "describe"),
    "logs": ("logs", "log"),
    "why": ("why",),
    "theme": ("theme",),
    "help": ("help", "?"),
    "quit": ("quit", "q!", "exit"),
}
SUMMARIES = {
    "queue": ":queue [FILTER]   tasks in the order of service",
    "cluster": ":cluster [FILTER] groups and nodes, who holds what",
    "users": ":users            what everybody holds, and quotas",
    "events": ":events [FILTER]  what happened, live",
    "task": ":task ID          one task",
    "logs": ":logs ID          its output",
    "why": ":why ID           why it waits",
    "theme": ":theme NAME       hai-dark, hai-light, hai-mono",
    "help": ":help             keys of this screen",
    "quit": ":q                leave",
}
SCREENS = ("cluster", "queue", "users", "events", "task", "logs", "why")
_OF_ALIAS = {alias: name for name, aliases in ALIASES.items() for alias in aliases}
_WITH_ID = frozenset({"task", "logs", "why"})


@dataclass(frozen=True, slots=True)
class Command:
    """`argument` is a filter, an id or a theme; "" where none was given."""

    name: str
    argument: str = ""


def parse_command(text: str) -> Command:
    """InvalidInput for what is no command. A bare number is a task; a bare `q` quits."""
    word, _, rest = text.strip().removeprefix(":").partition(" ")
    rest = rest.strip()
    if word == "q" and not rest:
        return Command("quit")
    if word.isdigit() and not rest:
        return Command("task", word)
    name = _OF_ALIAS.get(word.lower())
    if name is None:
        close = difflib.get_close_matches(word.lower(), _OF_ALIAS, n=1)
        hint = f"did you mean :{close[0]}?" if close else "ctrl-a lists all"
        raise InvalidInput(f":{word} is no command", hint=hint)
    if name in _WITH_ID and not rest.isdigit():
        raise InvalidInput(f":{name} needs the id of a task", hint=f":{name} 12")
    return Command(name, rest)


def parse_view(text: str) -> Command:
    """A command that leads to a screen, to begin with; InvalidInput for any other."""
    command = parse_command(text)
    if command.name not in SCREENS:
        raise InvalidInput(f"{command.name} is no screen", hint=f"screens are {', '.join(SCREENS)}")
    return command


def completions(text: str, ids: Iterable[int] = (), themes: Sequence[str] = ()) -> list[str]:
    """Whole lines that `text` may become."""
    word, blank, rest = text.partition(" ")
    if not blank:
        return sorted(alias for alias in _OF_ALIAS if alias.startswith(word.lower()))
    name = _OF_ALIAS.get(word.lower())
    if name in _WITH_ID:
        return [f"{word} {number}" for number in ids if str(number).startswith(rest)][:50]
    if name == "theme":
        return [f"{word} {theme}" for theme in themes if theme.startswith(rest)]
    return []
