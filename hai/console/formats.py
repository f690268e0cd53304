"""The formats for programs, piece by piece: what is written does not wait for the last item."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from hai.core.visible import INVISIBLE, shown

Item = Mapping[str, Any]
_YAML_ITEMS = 100  # dumped at once: each dump has a cost of its own


def json_of(document: Any) -> str:
    # ASCII escapes keep the text valid in every terminal encoding, and undecoded bytes lossless.
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def json_line(document: Any) -> str:
    return json.dumps(document, ensure_ascii=True) + "\n"


def yaml_of(document: Any) -> str:
    import yaml

    def dumped(*, allow_unicode: bool) -> str:
        text: str = yaml.safe_dump(
            document, sort_keys=False, allow_unicode=allow_unicode, width=100
        )
        return text

    text = dumped(allow_unicode=True)
    # the same values, but nothing that turns a terminal's writing round
    return dumped(allow_unicode=False) if INVISIBLE.search(text) else text


def text_of(value: object) -> str:
    """One value as text: nothing is empty, lists are joined by commas, mappings are JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return json.dumps(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(text_of(part) for part in value)
    return str(value)


def json_pieces(items: Iterable[Item]) -> Iterator[str]:
    """One array, laid out as json_of does. It is closed behind the last item only: what was cut
    short by an error is no JSON."""
    opening = "[\n"
    for item in items:
        body = json.dumps(item, indent=2, ensure_ascii=True).replace("\n", "\n  ")
        yield f"{opening}  {body}"
        opening = ",\n"
    yield "\n]\n" if opening == ",\n" else "[]\n"


def yaml_pieces(items: Iterable[Item]) -> Iterator[str]:
    """One sequence; sequences one below the other are one."""
    rest = iter(items)
    first = list(islice(rest, _YAML_ITEMS))
    yield yaml_of(first)
    while first and (some := list(islice(rest, _YAML_ITEMS))):
        yield yaml_of(some)


def cell_of(value: object) -> str:
    """One value for a spreadsheet: what somebody else wrote neither drives a terminal nor is taken
    for a formula."""
    text = shown(text_of(value))
    is_formula = isinstance(value, str) and text[:1] in tuple("=+-@\t") and len(text) > 1
    return f"'{text}" if is_formula else text


def csv_pieces(items: Iterable[Item], keys: Sequence[str], *, headers: bool) -> Iterator[str]:
    head: Iterable[Sequence[str]] = [keys] if headers else []
    for row in chain(head, ([cell_of(item.get(key)) for key in keys] for item in items)):
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(row)
        yield line.getvalue()
