"""Small languages of the command line: durations, ages, ranks, key=value. Pure."""

import re
from datetime import UTC, datetime

from hai.core.duration import is_duration, parse_seconds
from hai.core.moments import require_year, rfc3339, unix_seconds
from hai.core.types import Priority
from hai.errors import InvalidInput

_EARLIEST = 0.0  # Unix seconds; a duration that reaches further back means everything
_RANKS = re.compile(r"\d{1,6}(?:-\d{1,6})?(?:,\d{1,6}(?:-\d{1,6})?)*")


def parse_duration(text: str) -> float:
    """Seconds of "90", "1.5s", "10m", "1h30m", "2d"; InvalidInput otherwise."""
    try:
        return parse_seconds(text.strip())
    except ValueError:
        hint = "write 30s, 10m, 1h30m or 2d"
        raise InvalidInput(f"{text.strip()!r} is no duration", hint=hint) from None


def parse_since(text: str, now: float) -> str:
    """RFC 3339 of a duration before `now` (Unix seconds) or of a date and time as given."""
    try:
        if is_duration(text):
            return rfc3339(max(now - parse_duration(text), _EARLIEST), "milliseconds")
        at = unix_seconds(text.strip(), zoneless=_local)
        return rfc3339(require_year(at), "milliseconds")
    except OverflowError:
        raise InvalidInput(f"{text!r} is out of range", hint="years are 1 to 9999") from None
    except ValueError:
        raise InvalidInput(
            f"{text!r} is neither a duration nor a time",
            hint="write 10m, or 2030-01-31T12:00:00Z",
        ) from None


def _local(moment: datetime) -> float:
    """A time without a zone is the reader's own."""
    return moment.astimezone(UTC).timestamp()


def parse_time(text: str | None) -> float | None:
    """Unix seconds of an RFC 3339 time; None for none, or for one that cannot be read."""
    try:
        return unix_seconds(text) if text else None
    except ValueError:
        return None


def parse_ranks(text: str) -> str:
    """The server's spelling of "all" or "0,2-3"; InvalidInput otherwise."""
    compact = text.replace(" ", "").lower()
    if compact != "all" and not _RANKS.fullmatch(compact):
        raise InvalidInput(f"{text!r} names no ranks", hint="write 0, 0,2-3 or all")
    for part in compact.split(",") if compact != "all" else []:
        first, dash, last = part.partition("-")
        if dash and int(first) > int(last):
            raise InvalidInput(f"the range {part} of ranks is empty", hint="write the lower first")
    return compact


def several_ranks(ranks: str) -> bool:
    """Whether a parsed rank text can mean more than one rank."""
    return ranks == "all" or "," in ranks or len(set(ranks.split("-"))) > 1


def parse_priority(text: str) -> int:
    """The number of a level given by name (any case) or number; InvalidInput otherwise."""
    wanted = text.strip().upper()
    for level in Priority:
        if wanted in (level.name, level.name.replace("_", "-"), str(level.value)):
            return level.value
    levels = ", ".join(f"{level.name} ({level.value})" for level in Priority)
    raise InvalidInput(f"{text!r} is no priority", hint=f"choose one of {levels}")


def parse_pair(text: str, what: str, example: str) -> tuple[str, str]:
    """Both sides of the first "="; InvalidInput when there is none or the key is empty."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InvalidInput(f"{text!r} is no {what}", hint=f"write it as {example}")
    return key.strip(), value


def set_path(tree: dict[str, object], path: str, value: object) -> None:
    """Sets a.b.c in nested mappings; InvalidInput when a part of the way is a plain value."""
    *way, last = path.split(".")
    if not all([*way, last]):
        raise InvalidInput(f"{path!r} has an empty part", hint="write it as a.b.c=value")
    here = tree
    for part in way:
        step = here.setdefault(part, {})
        if not isinstance(step, dict):
            raise InvalidInput(
                f"{path}: {part} is already set to a plain value", hint="give each key once"
            )
        here = step
    here[last] = value


def human_bytes(count: float) -> str:
    """Binary units with at most one decimal: 512B, 1.5G."""
    for unit in ("B", "K", "M", "G", "T"):
        if abs(count) < 1024 or unit == "T":
            return f"{count:.0f}{unit}" if unit == "B" or count >= 10 else f"{count:.1f}{unit}"
        count /= 1024
    raise AssertionError("unreachable")
