"""The stream of a watch: one JSON object a line."""

import json
from collections.abc import AsyncIterator
from typing import Any

from hai.errors import Unavailable

WatchEvent = tuple[str, dict[str, Any]]  # ADDED, MODIFIED, DELETED, BOOKMARK or ERROR; the object

EVENT_BYTES = 64 * 1024 * 1024  # of one event, at most; etcd keeps objects below 1.5 MB


async def events_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[list[WatchEvent]]:
    """The events of each piece together. A line that the end cuts off is dropped: the server sends
    it again after the version before it. Unavailable: this is no watch."""
    rest: list[bytes] = []
    size = 0
    async for piece in pieces:
        head, newline, tail = piece.rpartition(b"\n")
        if not newline:
            rest.append(piece)
            size += len(piece)
            if size > EVENT_BYTES:
                raise Unavailable("the Kubernetes API server sent an event that is too large")
            continue
        lines = b"".join((*rest, head)).split(b"\n")
        rest, size = [tail], len(tail)
        yield [_event_of(line) for line in lines if line.strip()]


def _event_of(line: bytes) -> WatchEvent:
    try:
        event = json.loads(line)
        kind, item = event["type"], event["object"]
        if isinstance(kind, str) and isinstance(item, dict):
            return kind, item
    except (ValueError, KeyError, TypeError):
        pass
    raise Unavailable("the Kubernetes API server sent something else than an event")
