"""What a program may take of its machine that no control group of ours bounds: processes.

The kernel counts them by account over the whole machine, threads included, and spares root's.
"""

from __future__ import annotations

_TABLES = ("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max")
_USUAL = 32768  # where the kernel does not say


def most_processes(asked: int, tables: tuple[str, ...] = _TABLES) -> int:
    """What was asked for; 0: half of what the machine can have, so that others can start some."""
    if asked > 0:
        return asked
    found = []
    for path in tables:
        try:
            with open(path, encoding="ascii") as file:
                found.append(int(file.read()))
        except (OSError, ValueError):
            continue
    return max(1, min(found or [_USUAL]) // 2)


def bound_processes(asked: int) -> None:
    """Of the calling process's account, from its next exec on; never more than it may have now."""
    import resource

    most = most_processes(asked)
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
