"""What people write of a dev container, in a terminal or a form, and its run document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hai.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_GIB_OF = {"K": 2**-20, "M": 2**-10, "": 1.0, "G": 1.0, "T": 2**10}
_KEPT = ("spec", "resource", "options", "priority", "services")
_SERVICE_HINT = (
    "NAME, NAME:PORT, NAME:PORT/tcp, each with =COMMAND behind it; NAME=COMMAND is local"
)


def container_document(name: str, workspace: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """Of a new dev container in a folder; as it was, where an earlier document is `known`."""
    document: dict[str, Any] = {
        "version": 2,
        "name": name,
        "task_type": "jupyter",
        "spec": {"entrypoint": "jupyterlab", "workspace": workspace},
        "resource": {"node_count": 1},
        "options": {},
    }
    return {**document, **{part: known[part] for part in _KEPT if known.get(part)}}


def gib_of(text: str, what: str = "--memory") -> float:
    """ "32G", "512M", "32" (GiB) as GiB. `what` names it where it is no size."""
    found = _MEMORY.fullmatch(text.strip())
    gib = float(found[1]) * _GIB_OF[found[2].upper()] if found else 0.0
    if gib <= 0:
        raise InvalidInput(f"{what} {text!r} is no size", hint=f"for example {what} 32G")
    return int(gib) if gib == int(gib) else gib


def parse_service(text: str) -> dict[str, Any]:
    """ "jupyter", "tb:6006", "db:5432/tcp=run-db", "sync=copy-it" -> of a run document."""
    head, has_command, command = text.partition("=")
    name, has_port, port = head.partition(":")
    number, _, kind = port.partition("/")
    if not name or (has_port and not number.isdecimal()) or (has_command and not command.strip()):
        raise InvalidInput(f"{text!r} is no service", hint=_SERVICE_HINT)
    found: dict[str, Any] = {"name": name}
    if has_port:
        found["port"] = int(number)
    if kind or (has_command and not has_port):
        found["type"] = kind or "local"
    if has_command:
        found["startup_script"] = command.strip()
    return found
