"""Names of keys: as people write them, and as the terminal library says them. Pure."""

from textual.keys import Keys

from hai.errors import InvalidInput

_SHORT = {"escape": "esc", "ctrl+@": "ctrl-space", "pageup": "pgup", "pagedown": "pgdn"}
_LONG = {
    **{short.replace("-", "+"): name for name, short in _SHORT.items()},
    "del": "delete",
    "ins": "insert",
    "return": "enter",
}
_KNOWN = frozenset(key.value for key in Keys if "<" not in key.value)
_TAKEN = frozenset({"ctrl+c", "ctrl+p", "ctrl+q", "tab", "shift+tab"})


def key_text(key: str) -> str:
    """Keys as people write them: "ctrl+d" -> "ctrl-d", "up k" -> "up, k"."""
    return ", ".join(_SHORT.get(part, part).replace("ctrl+", "ctrl-") for part in key.split())


def key_names(text: str) -> str:
    """The library's names for what somebody wrote: "Ctrl-X F5" -> "ctrl+x f5". InvalidInput for
    what no terminal sends, and for the keys that mean the same everywhere."""
    names = [_key_name(part) for part in text.split()]
    if not names:
        raise InvalidInput("it has no key", hint='write one, such as "ctrl-x"; "space" is the bar')
    return " ".join(names)


def _key_name(text: str) -> str:
    if len(text) == 1:
        return text
    name = text.lower().replace("-", "+")
    name = _LONG.get(name, name)
    if name in _TAKEN:
        raise InvalidInput(f"{text} cannot be given away", hint="choose another key")
    is_alt = name.startswith("alt+") and len(name) == len("alt+x")
    if name not in _KNOWN and not is_alt:
        raise InvalidInput(
            f"there is no key {text!r}", hint="keys are x, X, ctrl-x, alt-x, f5, space, pgup, ..."
        )
    return name
