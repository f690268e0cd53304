"""The table of actions as bindings of the terminal library: the only place where keys are bound."""

from collections.abc import Mapping

from textual.binding import Binding, BindingType

from hai.tui.actions import ACTIONS, Action

_COMMA = {",": "comma"}  # the library separates keys by it


def bindings_of(screen: str) -> list[BindingType]:
    """What a screen itself binds: its own actions and those of the app."""
    return [_binding(a) for a in ACTIONS if screen in a.screens and a.target != "main"]


def moves() -> list[BindingType]:
    """What the widget in the middle of every screen binds."""
    return [_binding(action) for action in ACTIONS if action.target == "main"]


def _binding(action: Action) -> Binding:
    return Binding(_keys(action.key), action.call, action.help, show=False, id=action.name)


def keymap_of(keys: Mapping[str, str]) -> dict[str, str]:
    """The user's own keys by the ids of bindings."""
    return {name: _keys(text) for name, text in keys.items()}


def _keys(text: str) -> str:
    return ",".join(_COMMA.get(key, key) for key in text.split())
