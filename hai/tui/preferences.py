"""What a user may set for `hai top`: $XDG_CONFIG_HOME/hai/top.toml.

theme = "hai-light"

[keys]
stop = "ctrl+x"

[views]
5 = "queue -l user=alice,state=running"
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hai.errors import InvalidInput
from hai.tui.actions import checked_keys
from hai.tui.commands import parse_command

DEFAULT_VIEWS = {
    "1": "queue",
    "2": "queue -l user=@me",
    "3": "queue -l state=running",
    "4": "queue -l state=queued",
    "5": "cluster",
    "6": "users",
    "7": "events",
}


@dataclass(frozen=True, slots=True)
class Preferences:
    """`theme` "" means: what the terminal asks for. `views` are commands by digit."""

    theme: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_VIEWS))


def preferences_path(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base.startswith("/") else Path(environ.get("HOME", "/")) / ".config"
    return folder / "hai" / "top.toml"


def load_preferences(path: Path) -> Preferences:
    """Defaults without a file; InvalidInput names what is wrong in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Preferences()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {path}: {error}", hint="correct or remove it") from None
    try:
        return parse(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path}: {error}", hint="it must be valid TOML") from None
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.message}", hint=error.hint) from None


def parse(values: Mapping[str, Any]) -> Preferences:
    unknown = set(values) - {"theme", "keys", "views"}
    if unknown:
        raise InvalidInput(
            f"{sorted(unknown)[0]} is no setting of top.toml", hint="there are theme, keys, views"
        )
    keys, views = checked_keys(_texts(values, "keys")), _texts(values, "views")
    for digit, command in views.items():
        if digit not in set("123456789"):
            raise InvalidInput(f"[views] {digit}: a view has a digit from 1 to 9")
        try:
            parse_command(command)
        except InvalidInput as error:
            raise InvalidInput(f"[views] {digit}: {error.message}", hint=error.hint) from None
    theme = values.get("theme", "")
    if not isinstance(theme, str):
        raise InvalidInput("theme must be a name", hint="hai-dark, hai-light or hai-mono")
    return Preferences(theme, keys, {**DEFAULT_VIEWS, **views})


def _texts(values: Mapping[str, Any], name: str) -> dict[str, str]:
    table = values.get(name, {})
    if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
        raise InvalidInput(f'[{name}] must hold lines of name = "text"')
    return {str(key): text for key, text in table.items()}
