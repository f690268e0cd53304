"""What is asked of the event log, as parameters of its queries."""

import re

from hai.ports import EventFilter
from hai.store.rows import timestamp


def filter_parameters(where: EventFilter) -> dict[str, object]:
    """Of the event log's queries; kinds become patterns for LIKE."""
    return {
        "task_id": where.task_id,
        "user": where.user,
        "since": timestamp(where.since),
        "until": timestamp(where.until),
        "kinds": [_pattern(kind) for kind in sorted(where.kinds)] or None,
    }


def _pattern(kind: str) -> str:
    escaped = re.sub(r"([\\\\%_])", r"\\\1", kind)
    return escaped[:-1] + "%" if kind.endswith(".*") else escaped
