"""Server-sent events: a decoder of bytes, and a reader that outlives lost connections.

The transport is an argument, so the same logic serves the CLI and the TUI and is tested without a
network. Runs on Python 3.8.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hai.errors import Unavailable, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import ContextManager  # noqa: UP035 (typing's name works on 3.8)

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 5.0


@dataclass(frozen=True)
class ServerEvent:
    """`data` is decoded JSON; `id` is the cursor to resume from ("" when the event has none)."""

    name: str
    data: Any
    id: str = ""


def decode_events(chunks: Iterable[bytes]) -> Iterator[ServerEvent]:
    """Events in a byte stream cut anywhere. Comments and events without data are skipped.

    Raises Unreachable when the data of an event is not JSON.
    """
    name, cursor = "message", ""
    data: list[bytes] = []
    for line in _lines(chunks):
        if not line:
            if data:
                yield ServerEvent(name, _json(b"\n".join(data)), cursor)
            name, data, cursor = "message", [], ""
            continue
        key, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if key == b"event":
            name = value.decode("utf-8", "replace")
        elif key == b"data":
            data.append(value)
        elif key == b"id":
            cursor = value.decode("utf-8", "replace")


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their ends. Only \\n ends a line here: JSON text may hold other separators."""
    rest: list[bytes] = []
    for chunk in chunks:
        *whole, last = chunk.split(b"\n")
        for part in whole:
            rest.append(part)
            yield b"".join(rest).rstrip(b"\r")
            rest = []
        if last:
            rest.append(last)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        raise Unreachable(
            "the server's event stream is damaged", hint="is the configured URL a HAI server?"
        ) from None


@dataclass(frozen=True)
class Resume:
    """How a reader behaves when the connection goes away.

    `wait(seconds)` sleeps; `lost` and `back` are told once per outage. `ends_on_close`: a stream
    that closes without an `end` event is complete. `tries` bounds reconnects in a row that bring
    nothing (None: for ever). `patient`: the first connection is tried again, too.
    """

    wait: Callable[[float], object]
    lost: Callable[[], object] = lambda: None
    back: Callable[[], object] = lambda: None
    ends_on_close: bool = False
    tries: int | None = None
    patient: bool = False


def read_resumed(
    connect: Callable[[str], ContextManager[Iterable[bytes]]], resume: Resume, cursor: str = ""
) -> Iterator[ServerEvent]:
    """Events until `end`, reconnecting with the last cursor as often as needed.

    `connect(cursor)` opens the stream; it raises Unreachable or Unavailable when it cannot, and so
    does iterating when the connection breaks. Every other error goes through.
    """
    reader = _Reader(connect, resume, cursor)
    while True:
        try:
            yield from reader.one_connection()
        except (Unreachable, Unavailable) as error:
            if not (reader.connected_once or resume.patient):
                raise
            reader.note_loss(error)
        else:
            if reader.finished:
                return
            reader.note_loss(None)


class _Reader:
    def __init__(
        self,
        connect: Callable[[str], ContextManager[Iterable[bytes]]],
        resume: Resume,
        cursor: str,
    ) -> None:
        self._connect = connect
        self._resume = resume
        self._cursor = cursor
        self._failures = 0
        self._outage = False
        self.connected_once = False
        self.finished = False

    def one_connection(self) -> Iterator[ServerEvent]:
        with self._connect(self._cursor) as chunks:
            self.connected_once = True
            for event in decode_events(chunks):
                self._note_life()
                self._cursor = event.id or self._cursor
                self.finished = event.name == "end"
                yield event
                if self.finished:
                    return
            self.finished = self._resume.ends_on_close

    def _note_life(self) -> None:
        self._failures = 0
        if self._outage:
            self._outage = False
            self._resume.back()

    def note_loss(self, error: Unreachable | Unavailable | None) -> None:
        self._failures += 1
        if self._resume.tries is not None and self._failures > self._resume.tries:
            raise error or Unreachable(
                "the server closed the stream before its end", hint="run the command again"
            )
        # A server closes streams when it restarts: one quick try first, then say so.
        if self._failures > 1 and not self._outage:
            self._outage = True
            self._resume.lost()
        delay = min(FIRST_DELAY_SECONDS * 2 ** min(self._failures - 1, 10), LONGEST_DELAY_SECONDS)
        self._resume.wait(delay)
