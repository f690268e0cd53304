"""Small parts of sentences, so that counts, tasks and durations read alike everywhere."""

import math
from collections.abc import Iterable


def nodes(count: int) -> str:
    return f"{count} node" if count == 1 else f"{count} nodes"


def are(count: int) -> str:
    return "is" if count == 1 else "are"


def have(count: int) -> str:
    return "has" if count == 1 else "have"


def tasks(ids: Iterable[object], more: int = 0) -> str:
    """ "task 7", "tasks 7, 9 and 2 more"; empty for nobody."""
    names = [str(task_id) for task_id in ids]
    if not names:
        return ""
    rest = f" and {more} more" if more else ""
    return f"task {names[0]}" if len(names) == 1 and not more else f"tasks {', '.join(names)}{rest}"


def jump(seconds: float) -> str:
    """What a clock did, without a subject: "jumped ahead by 2 h"."""
    return f"jumped {'ahead' if seconds > 0 else 'back'} by {span(abs(seconds))}"


def span(seconds: float) -> str:
    """A duration as people say it, rounded up: 45 s, 12 min, 3 h 5 min, 2 days."""
    left = max(0, math.ceil(seconds))
    if left < 120:
        return f"{left} s"
    minutes = math.ceil(left / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{hours // 24} days"
