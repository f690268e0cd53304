"""YAML and JSON as they were written: scalars keep their characters, everything knows its line.

What a word such as 3.10, NO or 2026-01-02 means is not decided here: that needs to know the field
(hai.client.document). Standard library only (and pyyaml, where there is one) and Python 3.8.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Union

from hai.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

_HINT = "it must be YAML or JSON"
_CORE = "tag:yaml.org,2002:"
_PLAIN = "plain"  # our tag of a scalar without quotes and without a tag
_TYPED = frozenset(_CORE + name for name in ("int", "float", "bool", "null"))


@dataclass(frozen=True)
class Scalar:
    """`plain`: without quotes, so that it may be more than text. `line` counts from 1; 0: unknown.
    `is_null`: JSON's null, which has no other reading."""

    text: str
    plain: bool
    line: int = 0
    is_null: bool = False


@dataclass(frozen=True)
class Listed:
    items: tuple[Written, ...]
    line: int = 0


@dataclass(frozen=True)
class Mapped:
    """Keys are text, whatever they look like; each is there once."""

    pairs: dict[str, tuple[int, Written]] = field(default_factory=dict)  # key -> its line, value
    line: int = 0


Written = Union[Scalar, Listed, Mapped]  # noqa: UP007 (evaluated, and Python 3.8 has no |)


def read_written(text: str, source: str) -> Written:
    """JSON always, YAML when pyyaml is there. InvalidInput names `source` and the line."""
    try:
        return _from_json(json.loads(text, **_JSON_HOOKS), source)
    except RecursionError:
        raise InvalidInput(f"{source} is nested too deeply", hint=_HINT) from None
    except ValueError:
        return _from_yaml(text, source)


def at(source: str, line: int) -> str:
    return f"{source}, line {line}" if line else source


class _Number(str):
    """A number of a JSON text, in its characters."""


_JSON_HOOKS: dict[str, Any] = {
    "parse_int": _Number,
    "parse_float": _Number,
    "parse_constant": _Number,
    "object_pairs_hook": tuple,  # arrays are lists
}


def _from_json(value: Any, source: str) -> Written:
    if isinstance(value, tuple):
        pairs: dict[str, tuple[int, Written]] = {}
        for key, item in value:
            if key in pairs:
                raise InvalidInput(f"{source}: the key {key!r} is there twice", hint=_HINT)
            pairs[key] = (0, _from_json(item, source))
        return Mapped(pairs)
    if isinstance(value, list):
        return Listed(tuple(_from_json(item, source) for item in value))
    if value is None:
        return Scalar("null", plain=True, is_null=True)
    if isinstance(value, bool):
        return Scalar("true" if value else "false", plain=True)
    return Scalar(str(value), plain=isinstance(value, _Number))


def _from_yaml(text: str, source: str) -> Written:
    try:
        import yaml
    except ImportError:
        raise InvalidInput(
            f"{source} is not JSON, and reading YAML needs pyyaml here",
            hint="pass a mapping or JSON, or install pyyaml in this environment",
        ) from None

    class Loader(yaml.BaseLoader):
        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
            if kind is yaml.ScalarNode and implicit[0]:
                return _PLAIN
            return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]

    try:
        root = yaml.compose(text, Loader=Loader)
        return Scalar("", plain=True) if root is None else _Reader(source).read(root)
    except RecursionError:
        raise InvalidInput(f"{source} is nested too deeply", hint=_HINT) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        where = at(source, mark.line + 1 if mark else 0)
        raise InvalidInput(f"{where}: {problem}", hint=_HINT) from None


class _Reader:
    """From pyyaml's nodes. What an alias names is read once and shared."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._done: dict[int, Written] = {}
        self._open: set[int] = set()

    def read(self, node: Any) -> Written:
        known = self._done.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            self._refuse(node, "an alias names what it is part of")
        self._open.add(id(node))
        found = self._read(node)
        self._open.discard(id(node))
        self._done[id(node)] = found
        return found

    def _read(self, node: Any) -> Written:
        line = node.start_mark.line + 1
        if isinstance(node.value, str):
            if node.tag not in (_PLAIN, _CORE + "str", *_TYPED):
                self._refuse(node, f"the tag {node.tag} means nothing here")
            return Scalar(node.value, plain=node.tag != _CORE + "str", line=line)
        if node.tag == _CORE + "seq":
            return Listed(tuple(self.read(item) for item in node.value), line)
        if node.tag == _CORE + "map":
            return Mapped(self._pairs(node.value), line)
        return self._refuse(node, f"the tag {node.tag} means nothing here")

    def _pairs(self, pairs: Sequence[tuple[Any, Any]]) -> dict[str, tuple[int, Written]]:
        own: dict[str, tuple[int, Written]] = {}
        merged: dict[str, tuple[int, Written]] = {}
        for key, value in pairs:
            if not isinstance(key.value, str):
                self._refuse(key, "a key must be text")
            if key.tag == _PLAIN and key.value == "<<":
                for name, pair in self._merged(value).items():
                    merged.setdefault(name, pair)
                continue
            if key.value in own:
                first = own[key.value][0]
                self._refuse(key, f"the key {key.value!r} is there twice, first in line {first}")
            own[key.value] = (key.start_mark.line + 1, self.read(value))
        return {**merged, **own}

    def _merged(self, node: Any) -> dict[str, tuple[int, Written]]:
        """What `<<: *anchor` brings in; of several the first one's value counts."""
        found = self.read(node)
        brought: dict[str, tuple[int, Written]] = {}
        for one in found.items if isinstance(found, Listed) else (found,):
            if not isinstance(one, Mapped):
                self._refuse(node, "only a mapping can be merged with <<")
            for name, pair in one.pairs.items():
                brought.setdefault(name, pair)
        return brought

    def _refuse(self, node: Any, why: str) -> NoReturn:
        raise InvalidInput(f"{at(self._source, node.start_mark.line + 1)}: {why}", hint=_HINT)
