"""Conditions of rows: one comparison each, read as data and never run as code.

    '{task.task_type}' == 'jupyter'     {task.mount_code} & 2     not '{task.group}' in ['a', 'b']

Texts are compared as they are, numbers as numbers. Of several conditions all have to hold; for
"or" write a second row.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from hai.core.placeholders import HOLE, Facts, names_in

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>[frb]{0,2}'[^'\\]*'|[frb]{0,2}"[^"\\]*")
  | (?P<hole>\{[^{}]*\})
  | (?P<number>-?\d{1,18})
  | (?P<word>not\ +in|not|in)\b
  | (?P<sign>==|!=|<=|>=|<|>|&)
  | (?P<mark>[\[\](),])
  )""",
    re.VERBOSE,
)
_ORDERS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "&": lambda left, right: left & right != 0,
}
_OPERATORS = ("==", "!=", "in", "not in", *_ORDERS)
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Condition:
    """`left operator right`; `right` has several values for "in" and "not in" alone."""

    left: str
    operator: str
    right: tuple[str, ...]
    negated: bool = False

    def holds(self, facts: Facts) -> bool:
        """ValueError when a number is asked for and there is none."""
        left = _value(self.left, facts)
        right = [_value(one, facts) for one in self.right]
        return self._compare(left, right) is not self.negated

    def _compare(self, left: str, right: list[str]) -> bool:
        if self.operator in ("==", "in"):
            return left in right
        if self.operator in ("!=", "not in"):
            return left not in right
        return _ORDERS[self.operator](_number(left), _number(right[0]))


def parse_condition(text: str) -> Condition:
    """ValueError says what is not understood and where."""
    if len(text) > _LONGEST:
        raise ValueError(f"a condition has {_LONGEST:,} characters at most")
    tokens = _Tokens(text)
    negated = tokens.take("word", "not") is not None
    left = tokens.operand()
    sign = tokens.sign()
    right = tokens.values() if sign in ("in", "not in") else (tokens.operand(),)
    tokens.end()
    return Condition(left, sign, right, negated)


class _Tokens:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def take(self, kind: str, wanted: str | None = None) -> str | None:
        """The next token if it is of that kind (and says that)."""
        match = _TOKEN.match(self._text, self._at)
        if match is None or match.lastgroup != kind:
            return None
        found = " ".join(match.group(kind).split()) if kind == "word" else match.group(kind)
        if wanted is not None and found != wanted:
            return None
        self._at = match.end()
        return found

    def operand(self) -> str:
        text = self.take("text")
        if text is not None:
            text = text.lstrip("frb")[1:-1]
        else:
            text = self.take("hole") or self.take("number")
        if text is None:
            raise self._unclear("a placeholder, a number or a text in quotes")
        names_in(text)
        return text

    def sign(self) -> str:
        found = self.take("sign") or self.take("word")
        if found not in _OPERATORS:
            raise self._unclear(f"one of {' '.join(_OPERATORS)}")
        return found

    def values(self) -> tuple[str, ...]:
        close = {"[": "]", "(": ")"}.get(self.take("mark") or "")
        if close is None:
            raise self._unclear("a list: ['a', 'b']")
        values = [self.operand()]
        while self.take("mark", ","):
            if self.take("mark", close):
                return tuple(values)
            values.append(self.operand())
        if not self.take("mark", close):
            raise self._unclear(f"{close!r}")
        return tuple(values)

    def end(self) -> None:
        if self._text[self._at :].strip():
            raise self._unclear("nothing more: one comparison is one condition")

    def _unclear(self, wanted: str) -> ValueError:
        rest = self._text[self._at :].strip()[:40]
        return ValueError(
            f"condition {self._text[:80]!r}: expected {wanted}, "
            + (f"not {rest!r}" if rest else "and it ends")
        )


def _value(text: str, facts: Facts) -> str:
    return HOLE.sub(lambda match: facts[match.group(1)], text)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None
