"""The environment that a task records: `options.environment` of a submission, as hai-cli makes it.

name, owner   what people call it
identity      digest of its lock; equal identities are equal environments
follow        every attempt takes what stands at options.py_venv then
pack          the file it is unpacked from, `digest` its SHA-256, `bytes` what it takes unpacked;
              without these two it is made only when the environment is about to change
state, sites  how an agent sees that what stands at options.py_venv is still the same
"""

import re
from collections.abc import Mapping
from typing import Any

_HINT = "hai-cli fills it in from --env NAME, or from `environment: NAME` below options"
_IDENTITY = re.compile(r"[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_PATH = 4096
_LONGEST_NAME = 255
_MOST_SITES = 64
_MOST_BYTES = 2**50
_KEYS = frozenset({"name", "owner", "identity", "follow"})
_PLACE_KEYS = frozenset({"pack", "state", "sites"})
_PACK_KEYS = frozenset({"digest", "bytes"})


def check_recorded(options: Mapping[str, Any]) -> None:
    """ValueError unless `options` have a whole record of an environment, or none, and what is in
    `py_venv` can be found on a node."""
    venv, given = options.get("py_venv"), options.get("environment")
    if venv and not _is_path(venv):
        raise ValueError(
            f"options.py_venv {str(venv)[:80]!r} is no absolute path; {_HINT} "
            "(an environment of haienv has a name)"
        )
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise ValueError(f"options.environment {str(given)[:80]!r} is a name alone; {_HINT}")
    if not venv:
        raise ValueError(f"options.environment needs options.py_venv, its place; {_HINT}")
    wanted = _KEYS if given.get("follow") is True else _KEYS | _PLACE_KEYS
    if wanted != _KEYS and _PACK_KEYS & set(given):  # packed already
        wanted |= _PACK_KEYS
    if set(given) != wanted:
        wrong = ", ".join(sorted(map(str, set(given) ^ wanted)))[:200]
        raise ValueError(f"options.environment lacks, or does not know: {wrong}; {_HINT}")
    for key in sorted(wanted):
        if not _CHECKS[key](given[key]):
            raise ValueError(f"options.environment.{key} cannot be {str(given[key])[:80]!r}")


def recorded_name(options: Mapping[str, Any]) -> str:
    """As `vision[ann] 3fa4c0ffee12`; "" where none was recorded."""
    given = options.get("environment")
    if not isinstance(given, Mapping) or "identity" not in given:
        return ""
    follows = ", follows" if given.get("follow") else ""
    return f"{given.get('name')}[{given.get('owner')}] {given['identity']}{follows}"


def _is_path(value: object) -> bool:
    is_text = isinstance(value, str) and value.startswith("/") and "\0" not in value
    return is_text and len(str(value)) <= _LONGEST_PATH


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()


def _matches(pattern: re.Pattern[str]) -> Any:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _are_sites(value: object) -> bool:
    return isinstance(value, list) and len(value) <= _MOST_SITES and all(map(_is_path, value))


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_BYTES


_CHECKS: Mapping[str, Any] = {
    "name": _is_name,
    "owner": _is_name,
    "identity": _matches(_IDENTITY),
    "follow": lambda value: isinstance(value, bool),
    "pack": _is_path,
    "digest": _matches(_SHA256),
    "bytes": _is_size,
    "state": _matches(_SHA256),
    "sites": _are_sites,
}
