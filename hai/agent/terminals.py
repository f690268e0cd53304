"""Where people type: the terminals of a worker's processes (JupyterLab's, ssh's, tmux's), and the
input of shells without one, which the channel marks.

The kernel writes down when input was last read from a terminal (its access time), as `w` shows it.
Output, an open window and a connection that is kept alive leave that time alone.
"""

from __future__ import annotations

import contextlib
import os
import time

from hai.agent import processes

MARK = "input"  # a file of the control directory, touched while input comes
MARK_SECONDS = 5.0  # between two touches
_TTY = 4  # place in /proc/<pid>/stat, counted from the state field
_MAJORS = range(136, 144)  # of pseudo terminals, 256 of them each


def marks(pids: list[int], control_dir: str, devices: str = "/dev/pts") -> dict[str, int]:
    """When input last came, in nanoseconds, by place."""
    found = {}
    for number in sorted({number_of(tty_of(pid)) for pid in pids} - {-1}):
        path = os.path.join(devices, str(number))
        try:
            found[path] = os.stat(path).st_atime_ns
        except OSError:
            continue
    path = os.path.join(control_dir, MARK)
    with contextlib.suppress(OSError):
        found[path] = os.stat(path, follow_symlinks=False).st_mtime_ns
    return found


def tty_of(pid: int) -> int:
    """The number of a process's terminal as the kernel tells it; 0 without one."""
    fields = processes.stat_fields(pid)
    return int(fields[_TTY]) if len(fields) > _TTY else 0


def number_of(tty: int) -> int:
    """Of a pseudo terminal, its name below /dev/pts; -1 for anything else. proc(5): the minor
    number is in bits 31 to 20 and 7 to 0, the major one in bits 15 to 8."""
    major, minor = tty >> 8 & 0xFF, tty & 0xFF | tty >> 12 & 0xFFF00
    return (major - _MAJORS.start) * 256 + minor if major in _MAJORS else -1


class Marker:
    """Marks input that comes through a channel; in the user's own process."""

    def __init__(self, control_dir: str) -> None:
        self._path = os.path.join(control_dir, MARK)
        self._marked_at: float | None = None

    def note(self) -> None:
        now = time.monotonic()
        if self._marked_at is not None and now - self._marked_at < MARK_SECONDS:
            return
        self._marked_at = now
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
            fd = os.open(self._path, flags, 0o600)
            try:
                os.utime(fd)
            finally:
                os.close(fd)
        except OSError:  # a full disk: the next byte tries again
            return
