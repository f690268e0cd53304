"""Whether the kernel has killed something of this container for using up its memory."""

from __future__ import annotations

# version 2, then version 1 of control groups; a container sees its own group as the root
_EVENTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_NO_LIMIT = 2**60  # version 1 has a number for it


def shortage(root: str = "") -> str:
    """What happened, with the limit, for people; empty if nothing was killed for memory."""
    kills = max((_count(_read(root + path)) for path in _EVENTS), default=0)
    if not kills:
        return ""
    for path in _LIMITS:
        text = _read(root + path).strip()
        if text.isdigit() and int(text) < _NO_LIMIT:
            return f"out of memory: the limit here is {int(text) / 2**30:.1f} GiB"
    return "out of memory"


def _count(events: str) -> int:
    for line in events.splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.strip().isdigit():
            return int(value)
    return 0


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(4096)
    except OSError:
        return ""
