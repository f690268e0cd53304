"""Process trees, read from /proc: who descends from a process, who carries a marker, who is who.

A pid alone names nothing (it is reused); a pid with its start time does.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PPID, _PGRP, _START = 1, 2, 19  # places in /proc/<pid>/stat, counted from the state field


def stat_fields(pid: int) -> list[bytes]:
    """/proc/<pid>/stat from field 3 (state) on; [] when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def start_time(pid: int) -> int:
    """Field 22 of /proc/<pid>/stat, clock ticks after boot; 0 when there is no such process."""
    fields = stat_fields(pid)
    return int(fields[_START]) if fields else 0


def reset_signals(*kept: int) -> None:
    """All of this process but those that are `kept` do again what the kernel does with them."""
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP, *kept):
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):  # the C library's own
                continue


def ended_children() -> Iterator[tuple[int, int]]:
    """Pid and wait status of each child that has ended since; none of them stays a zombie."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, status


def is_running(pid: int) -> bool:
    """False for zombies: they hold nothing but an exit status."""
    fields = stat_fields(pid)
    return bool(fields) and fields[0] not in (b"Z", b"X")


def boot_id() -> str:
    """Changes whenever the machine starts."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _children(pid: int) -> list[int] | None:
    """None when this kernel does not list children."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found.extend(int(child) for child in file.read().split())
    except (FileNotFoundError, ProcessLookupError):
        return None if not os.path.exists(f"/proc/self/task/{os.getpid()}/children") else found
    except OSError:
        return found
    return found


def descendants(pid: int) -> list[int]:
    """All below `pid`, parents first, zombies included."""
    found: list[int] = []
    todo = [pid]
    while todo:
        children = _children(todo.pop())
        if children is None:
            return _descendants_by_parent(pid)
        found.extend(children)
        todo.extend(children)
    return found


def _descendants_by_parent(pid: int) -> list[int]:
    parent_of = {}
    for other in all_pids():
        fields = stat_fields(other)
        if fields:
            parent_of[other] = int(fields[_PPID])
    family = {pid}
    found: list[int] = []
    grew = True
    while grew:
        new = [p for p, parent in parent_of.items() if parent in family and p not in family]
        family.update(new)
        found.extend(new)
        grew = bool(new)
    return found


def marked(marker: bytes) -> list[int]:
    """Processes whose initial environment holds exactly `marker` (b"NAME=value"), zombies not."""
    found = []
    for pid in all_pids():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = file.read()
        except OSError:
            continue
        if marker in environment and marker in environment.split(b"\0"):
            found.append(pid)
    return found


def marker_of(control_dir: str) -> bytes:
    """What marks the processes of one worker: no two workers of a machine share a directory."""
    return b"HAI_CONTROL_DIR=" + os.fsencode(control_dir)


def in_group(pid: int, pgid: int) -> bool:
    fields = stat_fields(pid)
    return bool(fields) and int(fields[_PGRP]) == pgid


def signal_all(pids: list[int], number: int) -> None:
    """Signal each that still exists."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def signal_group(pgid: int, number: int) -> None:
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):
        return


def signal_exactly(pid: int, started: int, number: int) -> bool:
    """Signal the process that had this pid and start time; False if it is gone or another's."""
    if not started or start_time(pid) != started:
        return False
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_exactly(pid: int, started: int) -> bool:
    """SIGKILL the process that had this pid and start time; False if it is gone."""
    return signal_exactly(pid, started, signal.SIGKILL)


def resume_stopped(pids: list[int]) -> None:
    """SIGCONT to those that are stopped: they would not see another signal before."""
    for pid in pids:
        if stat_fields(pid)[:1] == [b"T"]:
            signal_all([pid], signal.SIGCONT)


def ticks_since_boot() -> int:
    """Now, on the scale of `start_time`. 0 where the kernel does not say."""
    try:
        with open("/proc/uptime", encoding="ascii") as file:
            return int(float(file.read().split()[0]) * os.sysconf("SC_CLK_TCK"))
    except OSError:
        return 0
