"""One thread, one poll: sockets, pipes and terminals of one end of a channel.

Each part says anew before every wait what it waits for, so that no interest is ever stale.
"""

from __future__ import annotations

import heapq
import select
import time

from hai.agent.channel.mux import Broken, Mux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hai.agent.channel.websocket import WebSocket

_PASS_SECONDS = 1.0  # silence is noticed at least this exactly
_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Part:
    """Something with descriptors."""

    def wants(self) -> Iterable[tuple[int, bool, bool]]:
        """(descriptor, to read, to write) for now."""
        return ()

    def ready(self, fd: int, can_read: bool, can_write: bool) -> None:
        """One of them is. What has ended or broken can be read and written."""

    def run_once(self) -> None:
        """After every wait."""


class PollLoop:
    """Runs its parts until somebody calls `stop`."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._is_stopped = False

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._count, call))

    def stop(self) -> None:
        self._is_stopped = True

    def run(self) -> None:
        while not self._is_stopped:
            self._wait()
            self._due()
            for part in list(self.parts):
                part.run_once()

    def _wait(self) -> None:
        poll = select.poll()
        owners: dict[int, list[Part]] = {}
        masks: dict[int, int] = {}
        for part in self.parts:
            for fd, reads, writes in part.wants():
                if fd >= 0 and (reads or writes):
                    mask = (select.POLLIN if reads else 0) | (select.POLLOUT if writes else 0)
                    masks[fd] = masks.get(fd, 0) | mask
                    owners.setdefault(fd, []).append(part)
        for fd, mask in masks.items():
            poll.register(fd, mask)
        for fd, events in poll.poll(int(self._patience() * 1000 + 0.999)):
            is_gone = bool(events & _GONE)
            can_read = is_gone or bool(events & select.POLLIN)
            can_write = is_gone or bool(events & select.POLLOUT)
            for part in owners[fd]:
                part.ready(
                    fd,
                    can_read and bool(masks[fd] & select.POLLIN),
                    can_write and bool(masks[fd] & select.POLLOUT),
                )

    def _patience(self) -> float:
        if not self._timers:
            return _PASS_SECONDS
        return max(0.0, min(_PASS_SECONDS, self._timers[0][0] - time.monotonic()))

    def _due(self) -> None:
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()


class ChannelSocket(Part):
    """The WebSocket of one end, with its streams. `on_lost` hears why it is over, once."""

    def __init__(self, socket: WebSocket, mux: Mux, on_lost: Callable[[str], None]) -> None:
        self._socket = socket
        self._mux = mux
        self._on_lost = on_lost
        self._is_over = False

    def wants(self) -> Iterable[tuple[int, bool, bool]]:
        if not self._is_over:
            yield self._socket.fileno(), True, self._socket.wants_write

    def ready(self, fd: int, can_read: bool, can_write: bool) -> None:
        if can_read:
            self.feed()
        if can_write:
            self._socket.flush()

    def feed(self) -> None:
        try:
            for message in self._socket.read():
                self._mux.feed(message)
        except Broken as error:
            self._end("the other end sent " + str(error))

    def run_once(self) -> None:
        if self._is_over:
            return
        self._socket.flush()
        if self._socket.is_over:
            self._end(self._socket.reason)
        elif self._socket.is_silent:
            self._end("no sign of life from the server")

    def _end(self, why: str) -> None:
        if not self._is_over:
            self._is_over = True
            self._socket.close(1002 if why else 1000, why)
            self._on_lost(why)  # first: the streams' ends may tell of it
            self._mux.lost()
