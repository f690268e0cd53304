"""What the main thread waits on: signals, news from the other threads, the program's output."""

from __future__ import annotations

import os
import select
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


class Wakeup:
    """Signal handlers of the agent and one poll for all events. Main thread only, but for wake."""

    def __init__(self) -> None:
        self.is_terminated = False  # somebody sent SIGTERM to the agent itself
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._poll = select.poll()
        self._poll.register(self._reader, select.POLLIN)
        self._output = -1
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._terminate)
        signal.signal(signal.SIGCHLD, _ignore)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_IGN)

    def wake(self) -> None:
        """From any thread: end the current wait."""
        try:
            os.write(self._writer, b"\0")
        except BlockingIOError:
            return  # it is full of wake-ups already

    def watch(self, output: int) -> None:
        """Also wait for this descriptor from now on."""
        self._output = output
        self._poll.register(output, select.POLLIN)

    def unwatch(self) -> None:
        if self._output >= 0:
            self._poll.unregister(self._output)
            self._output = -1

    @property
    def is_watching(self) -> bool:
        return self._output >= 0

    def wait(self, timeout_seconds: float) -> bool:
        """Until something happens; True if the watched descriptor can be read (or has ended)."""
        ready = self._poll.poll(max(0, int(timeout_seconds * 1000 + 0.999)))
        for fd, _ in ready:
            if fd == self._reader:
                self._clear()
        return any(fd == self._output for fd, _ in ready)

    def _clear(self) -> None:
        try:
            while len(os.read(self._reader, 4096)) == 4096:
                continue
        except BlockingIOError:
            return

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self.is_terminated = True


def _ignore(number: int, frame: FrameType | None) -> None:
    """SIGCHLD needs a handler to wake the poll; the work is done in the loop."""
