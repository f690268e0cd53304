"""CPU time and memory of one worker by its control group, where one counts for it alone.

Version 2 counts CPU time in every group, and memory where that controller is on; a container of
version 1 has a hierarchy for each. What a group does not count is taken from /proc (usage.py).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOUNT = "/sys/fs/cgroup"
_V1_CPU = ("cpuacct/cpuacct.usage", "cpu,cpuacct/cpuacct.usage")
_NO_LIMIT = 2**60  # a figure beyond it is no measurement


def of_group(group: str, root: str = "") -> tuple[float | None, int | None]:
    """CPU seconds of all that ever ran in this group of version 2, and bytes of memory that are in
    use there (without the page cache that the kernel can take back); None for what it does not
    count. `group` "": none."""
    if not group:
        return None, None
    return _cpu_of_v2(root + group), _memory_of_v2(root + group)


def of_container(root: str = "") -> tuple[float | None, int | None]:
    """The same of a whole container, which sees its own group as the root of the hierarchy. The
    machine's own root counts for everybody, and is told apart by having no memory.current."""
    mount = root + _MOUNT
    memory = _memory_of_v2(mount)
    if memory is not None:
        return _cpu_of_v2(mount), memory
    return _cpu_of_v1(mount), _memory_of_v1(mount)


def _cpu_of_v2(group: str) -> float | None:
    return _seconds(_fields(group + "/cpu.stat").get("usage_usec"), 1e6)


def _memory_of_v2(group: str) -> int | None:
    idle = _fields(group + "/memory.stat").get("inactive_file", 0)
    return _in_use(_number(group + "/memory.current"), idle)


def _cpu_of_v1(mount: str) -> float | None:
    for name in _V1_CPU:
        seconds = _seconds(_number(os.path.join(mount, name)), 1e9)
        if seconds is not None:
            return seconds
    return None


def _memory_of_v1(mount: str) -> int | None:
    idle = _fields(mount + "/memory/memory.stat").get("total_inactive_file", 0)
    return _in_use(_number(mount + "/memory/memory.usage_in_bytes"), idle)


def _in_use(whole: int | None, idle: int) -> int | None:
    if whole is None or whole >= _NO_LIMIT:
        return None
    return max(0, whole - idle)


def _seconds(count: Any, per_second: float) -> float | None:
    return None if count is None else count / per_second


def _number(path: str) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _fields(path: str) -> dict[str, int]:
    found = {}
    for line in _read(path).splitlines():
        name, _, value = line.partition(" ")
        if value.strip().isdigit():
            found[name] = int(value)
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(65536)
    except OSError:
        return ""
