"""A proxy on loopback that cuts a connection after so many bytes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Cutter:
    """`cut_after` bytes of both directions together each connection ends; None: none does."""

    port: int
    cut_after: int | None = None
    cuts: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def cutter(target: int) -> Iterator[Cutter]:
    """In front of a port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    made = Cutter(listener.getsockname()[1])
    accepting = threading.Thread(target=_accept, args=(listener, target, made), daemon=True)
    accepting.start()
    try:
        yield made
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(timeout=30)


def _accept(listener: socket.socket, target: int, made: Cutter) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        try:
            far = socket.create_connection(("127.0.0.1", target))
        except OSError:  # nobody is there
            near.close()
            continue
        passed = _Passed(made, near, far)
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=passed.on, args=(source, sink), daemon=True).start()


class _Passed:
    """Bytes of one connection."""

    def __init__(self, made: Cutter, near: socket.socket, far: socket.socket) -> None:
        self._made = made
        self._both = (near, far)
        self._left = made.cut_after

    def on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._left is not None and len(data) >= self._left:
                    sink.sendall(data[: self._left])
                    with self._made.lock:
                        self._made.cuts += 1
                    break
                if self._left is not None:
                    self._left -= len(data)
                sink.sendall(data)
        for one in self._both:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
