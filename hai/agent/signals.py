"""Which processes would handle a signal: read from /proc, so that nobody else is sent it.

A signal that is neither handled nor ignored ends a process: what a program's handler is to see
must not reach the shell around it or a tool beside it.
"""

from __future__ import annotations

import os

from hai.agent import processes

_TICKS = os.sysconf("SC_CLK_TCK")
SETTLED_SECONDS = 0.2  # younger: it may still be the copy of its parent, before its exec
_CAUGHT, _BLOCKED, _IGNORED = b"SigCgt:", b"SigBlk:", b"SigIgn:"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def masks(status: bytes) -> dict[bytes, int]:
    """The signal masks in the text of a /proc/<pid>/status; bit 0 is signal 1."""
    found = {}
    for line in status.splitlines():
        name, _, value = line.partition(b"\t")
        if name in (_CAUGHT, _BLOCKED, _IGNORED):
            found[name] = int(value, 16)
    return found


def has_handler(status: bytes, number: int) -> bool:
    return bool(masks(status).get(_CAUGHT, 0) >> (number - 1) & 1)


def handles(pid: int, number: int) -> bool:
    return has_handler(_read(f"/proc/{pid}/status"), number)


def is_held_back(statuses: Iterable[bytes], number: int) -> bool:
    """Every thread blocks it: somebody takes it from a signalfd, or nobody does; either way it ends
    nothing. (Who is inside sigwait does not look like this, and is not sent it.)"""
    bit = number - 1
    all_masks = [masks(status) for status in statuses]
    return bool(all_masks) and all(
        mask.get(_BLOCKED, 0) >> bit & 1 and not mask.get(_IGNORED, 0) >> bit & 1
        for mask in all_masks
    )


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _age_seconds(pid: int) -> float:
    started = processes.start_time(pid)
    uptime = _read("/proc/uptime").split()
    return float(uptime[0]) - started / _TICKS if started and uptime else 0.0


class HandlerSignal:
    """One signal for each process that handles it, whenever it comes to do so."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._sent: set[tuple[int, int]] = set()
        self._held_back: set[tuple[int, int]] = set()  # seen so at the last look

    def deliver(self, pids: Iterable[int]) -> int:
        """Send it to those of `pids` that handle it and have not had it; how many these were.

        A process that holds it back has to be seen so twice: all signals are blocked for a moment
        while a process starts another one.
        """
        sent = 0
        held_back: set[tuple[int, int]] = set()
        for pid in pids:
            who = (pid, processes.start_time(pid))
            if who in self._sent or _age_seconds(pid) < SETTLED_SECONDS:
                continue
            if not handles(pid, self._number):
                if not is_held_back(_thread_statuses(pid), self._number):
                    continue
                held_back.add(who)
                if who not in self._held_back:
                    continue
            self._sent.add(who)
            sent += processes.signal_exactly(*who, self._number)
        self._held_back = held_back
        return sent


def _thread_statuses(pid: int) -> list[bytes]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    return [_read(f"/proc/{pid}/task/{thread}/status") for thread in threads]


def readers_of_handlers(pids: Iterable[int], number: int) -> set[int]:
    """Those without a handler that read what a handler's process writes, at any remove: tee, cat
    or grep behind a pipe. Without them its next line of output would fail, and its save with it;
    they end by themselves when it does."""
    kin = set(pids)
    writers = {pid for pid in kin if handles(pid, number)}
    spared: set[int] = set()
    todo = writers
    while todo:
        written = {_pipe_at(pid, fd) for pid in todo for fd in (1, 2)} - {""}
        unseen = kin - writers - spared
        todo = {pid for pid in unseen if _pipe_at(pid, 0) in written}
        spared |= todo
    return spared


def _pipe_at(pid: int, fd: int) -> str:
    """The name of the pipe that is this descriptor; "" if it is none."""
    try:
        name = os.readlink(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return ""
    return name if name.startswith("pipe:") else ""
