"""Run documents: what each field makes of the characters that were written.

YAML 1.1 reads NO as false, 3.10 as 3.1, 010 as 8 and 12:30:00 as 45000. Here the field decides:
text keeps its characters, numbers and booleans are read as such or refused, and in options, which
may hold anything, what has two readings is refused. Standard library only and Python 3.8.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Union

from hai.client.written import Listed, Mapped, Scalar, Written, at, read_written
from hai.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    Document = str | os.PathLike[str] | io.TextIOBase | Mapping[str, Any]

Rule = Union[str, "dict[str, Rule]"]

TEXT, OPTIONAL, WHOLE, NUMBER = "text", "optional", "whole", "number"
BOOLEAN, LEVEL, ANY = "boolean", "level", "any"
OTHERS = "*"  # the rule of every key that a mapping does not name; of items, in a list
FIELDS: dict[str, Rule] = {
    "version": WHOLE,
    "name": TEXT,
    "task_type": TEXT,
    "priority": LEVEL,
    "spec": {
        "entrypoint": TEXT,
        "workspace": TEXT,
        "parameters": TEXT,
        "environments": {OTHERS: TEXT},
        "entrypoint_executable": BOOLEAN,
        "git_remote_repo": TEXT,
        "git_target_revision": TEXT,
    },
    "resource": {
        "image": TEXT,
        "group": TEXT,
        "node_count": WHOLE,
        "is_spot": BOOLEAN,
        "gpu": WHOLE,
        "cpu": NUMBER,
        "memory": NUMBER,
    },
    "options": {
        "after": OPTIONAL,
        "array": OPTIONAL,
        "checkpoint": OPTIONAL,
        "environment": {
            OTHERS: OPTIONAL,
            "follow": BOOLEAN,
            "bytes": WHOLE,
            "sites": {OTHERS: TEXT},
        },
        "py_venv": OPTIONAL,
        "suspend_signal": OPTIONAL,
    },
    "services": {
        OTHERS: {
            "name": TEXT,
            "port": ANY,
            "type": TEXT,
            "rank": {OTHERS: WHOLE},
            "startup_script": TEXT,
            "rewrite_uri": BOOLEAN,
        }
    },
    "request_id": OPTIONAL,
}

_MOST_VALUES = 100_000  # aliases may repeat what was written
_DEEPEST = 64
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_YES = frozenset({"yes", "Yes", "YES", "on", "On", "ON"})
_NO = frozenset({"no", "No", "NO", "off", "Off", "OFF"})
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,399})")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,100}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_TWO_READINGS = re.compile(
    r"[-+]?0[0-9_]+|0o[0-7]+|[-+]?0b[01_]+|0x[0-9a-fA-F_]+"
    r"|[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
)
_NOT_FINITE = re.compile(r"[-+]?\.?inf(?:inity)?|\.?nan", re.IGNORECASE)


def load_document(document: Document) -> dict[str, Any]:
    """The run document as a mapping; InvalidInput when it is none, NotFound when there is no file.

    Text with a line break or a brace is the document itself, other text is a path.
    """
    if isinstance(document, Mapping):
        return dict(document)
    if isinstance(document, io.TextIOBase):
        return parse_document(document.read(), "the given stream")
    if isinstance(document, str) and ("\n" in document or "{" in document):
        return parse_document(document, "the given text")
    try:
        text = Path(document).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(f"no file {str(document)!r}", hint="check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidInput(f"cannot read {str(document)!r}: {why}", hint="check the path") from None
    return parse_document(text, str(document))


def parse_document(text: str, source: str) -> dict[str, Any]:
    """JSON always, YAML when pyyaml is there. InvalidInput names `source`, the line and the key."""
    written = read_written(text, source)
    if not isinstance(written, Mapped):
        raise InvalidInput(
            f"{source} is no run document", hint="it starts with `version: 2` and has a `spec:`"
        )
    found: dict[str, Any] = _Typing(source).value(written, FIELDS, "")
    return found


def parse_option(text: str, key: str, source: str) -> Any:
    """The value of one option, whose `key` is as a.b.c; InvalidInput as above."""
    rule: Rule = FIELDS["options"]
    for name in key.split("."):
        rule = _rule_below(rule, name)
    return _Typing(source).value(read_written(text, source), rule, f"options.{key}")


def _rule_below(rule: Rule, name: str) -> Rule:
    if isinstance(rule, dict):
        return rule.get(name) or rule.get(OTHERS) or ANY
    return rule


class _Typing:
    """From what was written to values, by the rules of their fields."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._left = _MOST_VALUES

    def value(self, written: Written, rule: Rule, key: str, depth: int = 0) -> Any:
        self._left -= 1
        if self._left < 0:
            self._refuse(written, key, f"with its aliases it has more than {_MOST_VALUES:,} values")
        if depth > _DEEPEST:
            self._refuse(written, key, "it is nested too deeply")
        if isinstance(written, Scalar):
            return self._scalar(written, rule, key)
        if isinstance(rule, str) and rule not in (ANY, OPTIONAL):
            self._refuse(written, key, f"it must be {_WANTED[rule]}")
        if isinstance(written, Listed):
            below = _rule_below(rule, OTHERS)
            return [
                self.value(item, below, f"{key}[{index}]", depth + 1)
                for index, item in enumerate(written.items)
            ]
        return {
            name: self.value(
                item, _rule_below(rule, name), f"{key}.{name}" if key else name, depth + 1
            )
            for name, (_, item) in written.pairs.items()
        }

    def _scalar(self, written: Scalar, rule: Rule, key: str) -> Any:
        text = written.text
        if written.is_null or (rule == OPTIONAL and written.plain and text in _NULLS):
            return None
        if rule in (TEXT, OPTIONAL):
            return text
        if rule == ANY or isinstance(rule, dict):
            return self._any(written, key) if written.plain else text
        found = _READERS[rule](text)
        if found is None:
            self._refuse(written, key, f"{text[:40]!r} is not {_WANTED[rule]}")
        return found

    def _any(self, written: Scalar, key: str) -> Any:
        """A plain word where anything may stand: YAML 1.2, but for what 1.1 reads otherwise."""
        text = written.text
        if text in _NULLS:
            return None
        if text in _TRUE | _FALSE:
            return text in _TRUE
        if text in _YES | _NO:
            hint = f"write true, false or {text!r}"
            self._refuse(written, key, f"{text} can be text or a boolean", hint)
        number = _number(text)
        if number is not None and math.isfinite(number):
            return number
        if number is not None or _NOT_FINITE.fullmatch(text):
            self._refuse(written, key, f"{text[:40]} is no number that can be kept")
        if _TWO_READINGS.fullmatch(text):
            hint = f"write a decimal number without _ and leading zeros, or {text[:40]!r}"
            self._refuse(written, key, f"{text[:40]} has several readings", hint)
        return text

    def _refuse(self, written: Written, key: str, why: str, hint: str = "") -> NoReturn:
        named = f"{key}: " if key else ""
        raise InvalidInput(f"{at(self._source, written.line)}: {named}{why}", hint=hint)


def _whole(text: str) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) else None


def _boolean(text: str) -> bool | None:
    if text in _TRUE | _YES:
        return True
    return False if text in _FALSE | _NO else None


def _level(text: str) -> int | str | None:
    whole = _whole(text)
    if whole is not None:
        return whole
    return None if re.fullmatch("[-+]?[0-9]+", text) else text


def _number(text: str) -> float | None:
    """Of what YAML 1.1, YAML 1.2 and people read as the same number."""
    if _WHOLE.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):
        return int(text, 16)
    return float(text) if _FLOAT.fullmatch(text) else None


_READERS: dict[str, Callable[[str], Any]] = {
    WHOLE: _whole,
    NUMBER: _number,
    BOOLEAN: _boolean,
    LEVEL: _level,
}
_WANTED = {
    TEXT: "text",
    WHOLE: "a whole number, in decimal digits",
    NUMBER: "a number",
    BOOLEAN: "true or false",
    LEVEL: "a priority, by name or number",
}
