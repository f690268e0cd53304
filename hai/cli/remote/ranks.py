"""Which ranks a command means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hai.errors import InvalidInput

if TYPE_CHECKING:
    from hai.cli.session import Session

MOST_RANKS = 64  # at once: each is a connection


def parse_ranks(session: Session, ref: str, text: str) -> list[int]:
    """ "0,2-3" -> [0, 2, 3]; "all" asks the server how many there are."""
    if text == "all":
        ranks = list(range(int(session.client.call("task", ref=ref)["nodes"])))
    else:
        ranks = sorted({rank for part in text.split(",") for rank in _span(part.strip())})
    if len(ranks) > MOST_RANKS:
        raise InvalidInput(
            f"{len(ranks)} ranks at once", hint=f"{MOST_RANKS} at most: --rank 0-{MOST_RANKS - 1}"
        )
    return ranks


def _span(part: str) -> range:
    match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise InvalidInput(f"{part!r} is no rank", hint='for example 0, 0,2-3 or "all"')
    return range(int(match[1]), int(match[2] or match[1]) + 1)
