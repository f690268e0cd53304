"""The `/` filter: a regular expression, /!x for the inverse, /-f x fuzzy, /-l key=value."""

import re
from collections.abc import Callable, Mapping

from hai.errors import InvalidInput

Matcher = Callable[[str, Mapping[str, str]], bool]


def matcher(text: str) -> Matcher:
    """Decides on (all that is shown of a row, its labels). InvalidInput names what is wrong."""
    text = text.strip()
    if not text:
        return lambda shown, labels: True
    if text.startswith("!"):
        wanted = matcher(text[1:])
        return lambda shown, labels: not wanted(shown, labels)
    if text.startswith("-f"):
        return _fuzzy(text[2:].strip())
    if text.startswith("-l"):
        return _labelled(text[2:].strip())
    found = expression(text)
    return lambda shown, labels: found.search(shown) is not None


def expression(text: str) -> re.Pattern[str]:
    """A regular expression; capital letters in it make case count."""
    flags = re.IGNORECASE if text == text.lower() else re.NOFLAG
    try:
        return re.compile(text, flags)
    except re.error as error:
        raise InvalidInput(f"{text!r} is no regular expression: {error}") from None


def _fuzzy(text: str) -> Matcher:
    letters = [re.escape(letter) for letter in text.lower() if letter != " "]
    found = re.compile(".*?".join(letters))
    return lambda shown, labels: found.search(shown.lower()) is not None


def _labelled(text: str) -> Matcher:
    pairs = []
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise InvalidInput(f"{part!r} is no label", hint="write -l user=alice,state=running")
        pairs.append((key.strip().lower(), value.strip().lower()))
    return lambda shown, labels: all(labels.get(key, "").lower() == v for key, v in pairs)
