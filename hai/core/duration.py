"""Durations as people write them (90, "1.5s", "10m", "1h30m", "2d") and as they are shown; in
sentences they stand as `hai.wording.phrases.span` says."""

import math
import re
from collections.abc import Mapping

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+|\d+(?:\.\d+)?", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw]?)", re.ASCII)


def is_duration(text: str) -> bool:
    """Whether the text can be read as a duration."""
    return bool(_DURATION.fullmatch(text.strip()))


def parse_seconds(value: object) -> float:
    """Seconds of a number or of a text with units; ValueError otherwise."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value) if abs(value) < 1e15 else math.inf
    elif isinstance(value, str) and is_duration(value):
        seconds = sum(float(number) * _UNITS[unit or "s"] for number, unit in _PART.findall(value))
    else:
        raise ValueError(f"{value!r} is no duration: write 30s, 10m, 1h30m or 2d")
    if not 0 <= seconds < 1e15:
        raise ValueError(f"{value!r} is no duration that makes sense")
    return seconds


def duration_text(seconds: float) -> str:
    """The shortest text for people: 45s, 10m, 1h30m, 2d."""
    if seconds < 60 or seconds != int(seconds):
        return f"{seconds:g}s"
    left, parts = int(seconds), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def short_age(seconds: float) -> str:
    """For lists: one or two units, as kubectl prints them: 8s, 3m, 2h5m, 4d."""
    left = max(0, int(seconds))
    if left < 120:
        return f"{left}s"
    if left < 3600:
        return f"{left // 60}m"
    if left < 86400:
        minutes = left % 3600 // 60
        return f"{left // 3600}h{minutes}m" if minutes else f"{left // 3600}h"
    return f"{left // 86400}d"


def age_of(seconds: float) -> str:
    """For the dashboard: at most five characters: 7s, 12m, 5h03, 3d, 120d."""
    left = int(max(0.0, seconds))
    if left < 60:
        return f"{left}s"
    if left < 3600:
        return f"{left // 60}m"
    if left < 86400:
        return f"{left // 3600}h{left % 3600 // 60:02d}"
    return f"{left // 86400}d"


def human_time(seconds: float) -> str:
    """For charts: with one unit and a decimal where that says more: 2.5 h, 26 d."""
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        count = seconds / length
        if count >= 2:
            number = f"{count:.0f}" if count >= 20 else f"{count:.1f}".removesuffix(".0")
            return f"{number} {unit}"
    return f"{seconds:.0f} s"


def time_limit(options: Mapping[str, object]) -> float | None:
    """Seconds that a task may run: options.time_limit ("2h" or seconds), or the original platform's
    options.timeout (seconds). None without one; ValueError for what is no limit."""
    given = [key for key in ("time_limit", "timeout") if options.get(key) is not None]
    if not given:
        return None
    if len(given) > 1:
        raise ValueError("options.time_limit and options.timeout mean the same: leave one out")
    try:
        seconds = parse_seconds(options[given[0]])
    except ValueError as error:
        raise ValueError(f"options.{given[0]}: {error}") from None
    if not seconds > 0:
        raise ValueError(f"options.{given[0]} must be more than 0 seconds")
    return seconds
