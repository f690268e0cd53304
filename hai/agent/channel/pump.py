"""A stream's bytes to and from descriptors: pipes, sockets, terminals."""

from __future__ import annotations

import os

from hai.agent.channel.loop import Part
from hai.agent.channel.mux import PIECE_BYTES, Handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hai.agent.channel.mux import Stream


class StreamSource:
    """What is read here goes out as the stream's data."""

    def __init__(self, stream: Stream, fd: int, *, is_errors: bool = False) -> None:
        self.fd = fd
        self.is_over = fd < 0
        self._stream = stream
        self._is_errors = is_errors

    @property
    def wants(self) -> bool:
        return not self.is_over and self._stream.may_send > 0

    def read(self) -> None:
        try:
            data = os.read(self.fd, min(PIECE_BYTES, self._stream.may_send))
        except BlockingIOError:
            return
        except OSError:  # a terminal whose last process has ended; a connection that was reset
            data = b""
        if data:
            self._stream.send(data, is_errors=self._is_errors)
        else:
            self.is_over = True


class StreamSink:
    """The stream's data is written here. `on_empty` comes once: after the end, when all is out."""

    def __init__(self, stream: Stream, fd: int, on_empty: Callable[[], None]) -> None:
        self.fd = fd
        self.is_broken = fd < 0
        self._stream = stream
        self._on_empty = on_empty
        self._kept = bytearray()
        self._is_ending = False

    @property
    def wants(self) -> bool:
        return bool(self._kept) and not self.is_broken

    def put(self, data: bytes) -> None:
        if self.is_broken:
            self._stream.consumed(len(data))  # nobody reads it: let the other end go on
        else:
            self._kept += data

    def end(self) -> None:
        self._is_ending = True
        self._look()

    def write(self) -> None:
        try:
            count = os.write(self.fd, bytes(self._kept[:PIECE_BYTES]))
        except BlockingIOError:
            return
        except OSError:
            self.is_broken = True
            count = len(self._kept)
        del self._kept[:count]
        self._stream.consumed(count)
        self._look()

    def _look(self) -> None:
        if self._is_ending and not self._kept:
            self._is_ending = False
            self._on_empty()


class Pump(Part, Handler):
    """Both directions of one stream. Subclasses say what an end means; `sources` may share their
    descriptor with a sink."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.sources: list[StreamSource] = []
        self.sink: StreamSink | None = None
        self.error_sink: StreamSink | None = None
        self._has_told_end = False

    def wants(self) -> Iterable[tuple[int, bool, bool]]:
        for source in self.sources:
            yield source.fd, source.wants, False
        for sink in (self.sink, self.error_sink):
            if sink is not None:
                yield sink.fd, False, sink.wants

    def ready(self, fd: int, can_read: bool, can_write: bool) -> None:
        for source in self.sources:
            if can_read and source.fd == fd and source.wants:
                source.read()
        for sink in (self.sink, self.error_sink):
            if can_write and sink is not None and sink.fd == fd and sink.wants:
                sink.write()
        if not self._has_told_end and self.sources and all(one.is_over for one in self.sources):
            self._has_told_end = True
            self.on_sources_over()

    def on_data(self, data: bytes, is_errors: bool) -> None:
        sink = self.error_sink if is_errors and self.error_sink is not None else self.sink
        if sink is None:
            self.stream.consumed(len(data))
        else:
            sink.put(data)

    def on_eof(self) -> None:
        if self.sink is not None:
            self.sink.end()

    def on_sources_over(self) -> None:
        """Nothing is left to be read here."""
        self.stream.eof()
