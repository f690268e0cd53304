"""What a worker may take of a machine that others share, by control groups: memory and cpus.

Version 2: the worker's own group, where its parent passes these controllers on. Version 1: a group
of its own in the hierarchy of each controller. Where neither may be written nothing holds it.
"""

from __future__ import annotations

import contextlib
import os

from hai.agent import cgroups

_PERIOD = 100_000  # microseconds, of the bandwidth control of cpus
_LEAST_QUOTA = 1000  # microseconds: the kernel takes no less


def settings_of(limits: dict[str, float]) -> dict[str, list[tuple[str, str]]]:
    """By controller, what is to be written into which file; "" for version 2."""
    memory = str(int(limits.get("memory_bytes") or 0))
    quota = str(max(_LEAST_QUOTA, int((limits.get("cpus") or 0) * _PERIOD)))
    found: dict[str, list[tuple[str, str]]] = {"": []}
    if memory != "0":
        found[""] += [("memory.max", memory), ("memory.swap.max", "0")]
        found["memory"] = [("memory.limit_in_bytes", memory)]
        found["memory"] += [("memory.memsw.limit_in_bytes", memory)]
    if limits.get("cpus"):
        found[""] += [("cpu.max", f"{quota} {_PERIOD}")]
        found["cpu"] = [("cpu.cfs_period_us", str(_PERIOD)), ("cpu.cfs_quota_us", quota)]
    return found


def folders(worker_dir: str, limits: dict[str, float]) -> list[str]:
    """Those of version 1 that `bind` makes."""
    return [path for path, _ in _old_groups(worker_dir, limits)]


def bind(worker_dir: str, cgroup: str, limits: dict[str, float]) -> None:
    """Hold this process, and whatever comes of it, to these limits, as far as may be."""
    for name, text in settings_of(limits)[""] if cgroup else []:
        _write(os.path.join(cgroup, name), text)
    for path, settings in _old_groups(worker_dir, limits):
        with contextlib.suppress(OSError):
            os.mkdir(path, 0o755)
        for name, text in settings:
            _write(os.path.join(path, name), text)
        _write(os.path.join(path, "cgroup.procs"), str(os.getpid()))


def _old_groups(
    worker_dir: str, limits: dict[str, float]
) -> list[tuple[str, list[tuple[str, str]]]]:
    found = []
    for controller, settings in settings_of(limits).items():
        if controller:
            homes = cgroups.own_homes((controller,))
            found += [(cgroups.group_in(home, worker_dir), settings) for home in homes]
    return found


def _write(path: str, text: str) -> None:
    """Into a file that the kernel made, if it is there."""
    with contextlib.suppress(OSError), open(path, "r+b", buffering=0) as file:
        file.write(text.encode())
