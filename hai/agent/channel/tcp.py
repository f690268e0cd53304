"""Connections to what listens in the worker: on its loopback or on its own address."""

from __future__ import annotations

import contextlib
import os
import socket

from hai.agent import jupyter
from hai.agent.channel.pump import Pump, StreamSink, StreamSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.agent.channel.local_process import ProgramContext
    from hai.agent.channel.loop import PollLoop
    from hai.agent.channel.mux import Stream


class TcpConnection(Pump):
    """One connected socket and one stream. `sock` is closed when both directions are over."""

    def __init__(self, stream: Stream, sock: socket.socket, loop: PollLoop) -> None:
        super().__init__(stream)
        stream.handler = self
        sock.setblocking(False)
        self._sock = sock
        self._loop = loop
        self._ends = 0
        self.sources = [StreamSource(stream, sock.fileno())]
        self.sink = StreamSink(stream, sock.fileno(), self._shut)
        loop.parts.append(self)

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        self._end()

    def on_sources_over(self) -> None:
        super().on_sources_over()
        self._end()

    def _end(self) -> None:
        self._ends += 1
        if self._ends == 2:
            self.stream.close(done=True)
            self.leave()

    def on_close(self, message: dict[str, Any]) -> None:
        """What came before the other end was done is still written; after a loss nothing is."""
        self.sources = []
        if message.get("done") and self.sink is not None and not self.sink.is_broken:
            self._ends = 1
            self.sink.end()
        else:
            self.leave()

    def leave(self) -> None:
        if self in self._loop.parts:
            self._loop.parts.remove(self)
            self._sock.close()
            self.sources, self.sink = [], None


def begin(stream: Stream, info: dict[str, Any], loop: PollLoop, place: ProgramContext) -> None:
    """`port`, or `service` "jupyter". The stream is closed with `error` when nobody listens
    there."""
    if info.get("service") == "jupyter":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(jupyter.socket_of(place.control_dir))
        except OSError:
            sock.close()
            raise ValueError("JupyterLab does not answer (yet)") from None
        TcpConnection(stream, sock, loop)
        stream.ready()
        return
    port = int(info["port"])
    if not 0 < port < 65536:
        raise ValueError(f"{port} is no port")
    why = ""
    for host in dict.fromkeys(("127.0.0.1", "::1", place.address)):
        try:
            sock = socket.create_connection((host, port), 2.0)
        except OSError as error:
            why = why or error.strerror or str(error)
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        TcpConnection(stream, sock, loop)
        stream.ready()
        return
    stream.close(error=f"port {port}: {why.lower()}")


def pair(stream: Stream, loop: PollLoop) -> tuple[TcpConnection, int]:
    """A stream and one end of a local socket; the other end is a descriptor for a process."""
    ours, theirs = socket.socketpair()
    return TcpConnection(stream, ours, loop), os.dup(theirs.fileno())
