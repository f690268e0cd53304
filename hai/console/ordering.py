"""Sorting more than should be held in memory: runs on disk, merged."""

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from tempfile import TemporaryFile
from typing import Any

from hai.console.formats import json_line, text_of
from hai.core.types import Priority

Item = Mapping[str, Any]
SortKey = tuple[int, float, str]
RUN_ITEMS = 10_000  # that are held in memory


def ordered(
    items: Iterable[Item], field: str, *, reverse: bool, run_items: int = RUN_ITEMS
) -> Iterator[Item]:
    """By one field, equal ones as they came; numbers before text before nothing."""
    rest = iter(items)
    key: Callable[[Item], SortKey] = lambda item: sort_key(field, item.get(field))  # noqa: E731

    def run() -> list[Item]:
        return sorted(islice(rest, run_items), key=key, reverse=reverse)

    first = run()
    if len(first) < run_items:
        yield from first
        return
    with ExitStack() as files:
        runs: list[Iterator[Item]] = []
        while first:
            file = files.enter_context(TemporaryFile("w+", encoding="ascii"))
            file.writelines(map(json_line, first))
            file.seek(0)
            runs.append(map(json.loads, file))
            first = run()
        yield from heapq.merge(*runs, key=key, reverse=reverse)


def sort_key(field: str, value: object) -> SortKey:
    if value is None:
        return (2, 0.0, "")
    if field == "priority" and value in Priority.__members__:
        return (0, float(Priority[str(value)]), "")
    if isinstance(value, int | float):
        return (0, float(value), "")
    return (1, 0.0, text_of(value))
