"""What must be known before the command line is parsed: how to report that it cannot be. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from hai.cli.split import SEPARATORS

LAUNCH_VERBS = ("python", "bash", "exec")


@dataclass(frozen=True, slots=True)
class Peeked:
    as_json: bool = False
    debug: bool = False
    color: str = ""


def peek(args: Sequence[str], default_format: str = "") -> Peeked:
    """Looks for --json, -o json, --debug and --color among our own words only."""
    ours = _ours(args)
    chosen = any(word.startswith(("-o", "--output")) for word in ours)
    by_default = default_format == "json" and not chosen
    as_json = (
        by_default
        or "--json" in ours
        or "-j" in ours
        or any(
            word in ("-ojson", "-o=json", "--output=json")
            or (word in ("-o", "--output") and ours[index + 1 : index + 2] == ["json"])
            for index, word in enumerate(ours)
        )
    )
    return Peeked(as_json=as_json, debug="--debug" in ours, color=_value(ours, "--color"))


def _value(words: Sequence[str], name: str) -> str:
    """What follows `name`, as its own word or behind "="; "" when nothing does."""
    for word, after in zip_longest(words, words[1:], fillvalue=""):
        if word == name or word.startswith(f"{name}="):
            return after if word == name else word.partition("=")[2]
    return ""


def _ours(args: Sequence[str]) -> list[str]:
    """Words before the program of python|bash|exec, and behind its separator."""
    words = list(args)
    launch = next((i for i, word in enumerate(words) if word in LAUNCH_VERBS), None)
    if launch is None:
        return words
    cut = next((i for i, word in enumerate(words) if word in SEPARATORS), len(words))
    return words[:launch] + words[cut + 1 :]
