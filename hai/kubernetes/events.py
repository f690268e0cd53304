"""The stream of a watch: one JSON object a line."""

from collections.abc import AsyncIterator
from typing import Any

from hai.errors import Unavailable
from hai.kubernetes.keeping import decoded

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
        lines = [line for line in lines if line.strip()]
        if lines:
            yield _decoded(lines)


def _decoded(lines: list[bytes]) -> list[WatchEvent]:
    try:
        # At once, because equal keys of one document are one object, which saves memory.
        return [_event_of(event) for event in _array(lines)]
    except ValueError as error:
        raise Unavailable("the Kubernetes API server sent something else than events") from error


def _array(lines: list[bytes]) -> list[object]:
    array = decoded(b"[" + b",".join(lines) + b"]")
    assert isinstance(array, list)  # noqa: S101 (the brackets are ours)
    return array


def _event_of(event: object) -> WatchEvent:
    if isinstance(event, dict):
        kind, item = event.get("type"), event.get("object")
        if isinstance(kind, str) and isinstance(item, dict):
            return kind, item
    raise ValueError("no event")
