"""Reads what `sim` is given: traces, policies by name or as TOML, results of earlier runs."""

import gzip
import json
import tomllib
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hai.core.policy import Policy
from hai.core.simulation.jobs import Trace
from hai.core.simulation.run import POLICIES, REFERENCES, TIMESHARE
from hai.core.simulation.trace_rows import read_trace
from hai.core.types import Priority
from hai.errors import HaiError, InvalidInput, NotFound

_GZIP = b"\x1f\x8b"
_KNOBS = {knob.name for knob in fields(Policy)}
# What the server's [scheduler] also holds: it says nothing about who gets which nodes.
SERVER_ONLY = frozenset(
    {
        "default_group",
        "tick_seconds",
        "busy_fraction",
        "journal_days",
        "max_array_size",
        "max_array_bytes",
        "max_unfinished_tasks",
        "max_unfinished_bytes",
    }
)
_LEVELS = {level.name for level in Priority if level is not Priority.AUTO}
_KNOB_HINT = "docs/scheduling.md explains every knob of [scheduler]"
_NEEDED = ("policy", "avg_jct_s", "avg_wait_s", "p99_wait_s", "occupancy", "by_gang")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy to simulate: a reference by name, or the production planner with these knobs."""

    label: str
    reference: str | None = None
    knobs: Policy = field(default_factory=Policy)


def load_trace(file: str) -> Trace:
    """The trace in a file, gzipped or not; NotFound or InvalidInput otherwise."""
    path = Path(file)
    with readable(path, "trace"):
        with path.open("rb") as stream:
            is_packed = stream.read(2) == _GZIP
        opener = gzip.open if is_packed else open
        # An odd byte matters only where it is read: there the trace's reader names the line.
        with opener(path, "rt", encoding="utf-8", errors="surrogateescape", newline="") as lines:
            return read_trace(lines)


def load_candidate(text: str) -> Candidate:
    """A policy by its name, or timeshare with the knobs of FILE.toml."""
    if text in REFERENCES:
        return Candidate(text, text)
    if text == TIMESHARE:
        return Candidate(text)
    if not text.endswith(".toml"):
        close = get_close_matches(text, POLICIES, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise InvalidInput(
            f"{text!r} is no policy",
            hint=f"{meant}choose one of {', '.join(POLICIES)}, or a FILE.toml with knobs",
        )
    path = Path(text)
    with readable(path, "policy"), path.open("rb") as stream:
        table = tomllib.load(stream)
        knobs = _table(table.get("scheduler", table), "scheduler")
        return Candidate(path.name, None, _policy(knobs))


def load_result(file: str) -> dict[str, Any]:
    """What `sim run -o json` wrote earlier."""
    path = Path(file)
    with readable(path, "result"):
        found = json.loads(path.read_text(encoding="utf-8"))
    missing = [key for key in _NEEDED if not isinstance(found, dict) or key not in found]
    if missing:
        raise InvalidInput(
            f"{file} is no result of a simulation: it has no {missing[0]}",
            hint="make one with: hai-cli sim run TRACE --nodes N -o json > FILE.json",
        )
    return dict(found)


@contextmanager
def readable(path: Path, what: str) -> Iterator[None]:
    """Whatever may be wrong with a file, told in one line."""
    hint = f"give an existing {what} file"
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"no file {str(path)!r}", hint=hint) from None
    except HaiError as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is no text in UTF-8", hint=hint) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidInput(f"{path} is a damaged gzip file: {error}", hint=hint) from None
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise InvalidInput(f"{path}: {error}", hint=hint) from None
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}", hint=hint) from None


def _policy(table: Mapping[str, Any]) -> Policy:
    """Knobs by the names of Policy's fields; nested tables `slices` and `weights`."""
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key in SERVER_ONLY:
            continue
        if key not in _KNOBS:
            raise _unknown(f"{key} is no knob of the scheduler", key, _KNOBS)
        if key == "slices":
            levels = _table(value, key)
            values[key] = {_level(k): _number(v, k) for k, v in levels.items()}
        elif key == "weights":
            users = _table(value, key)
            values[key] = {user: _number(v, user) for user, v in users.items()}
        elif isinstance(getattr(_DEFAULTS, key), bool):
            values[key] = _switch(value, key)
        else:
            values[key] = _number(value, key)
    return Policy(**values)


_DEFAULTS = Policy()


def _table(value: object, key: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{key} must be a table", hint=f"write [{key}] above it")
    return value


def _number(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{key} is {value!r}, and must be a number", hint=_KNOB_HINT)
    return float(value)


def _switch(value: object, key: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{key} is {value!r}, and must be true or false")
    return value


def _level(name: str) -> Priority:
    if name not in _LEVELS:
        raise _unknown(f"{name} is no priority", name.upper(), _LEVELS)
    return Priority[name]


def _unknown(message: str, word: str, known: set[str]) -> InvalidInput:
    close = get_close_matches(word, sorted(known), n=1)
    meant = f"did you mean {close[0]}? " if close else ""
    return InvalidInput(message, hint=f"{meant}known: {', '.join(sorted(known))}")
