"""How much memory a process takes at most while something is done to it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Growth:
    """`bytes`: how far the peak lay above what it was before."""

    bytes: int = 0


@contextmanager
def watched(pid: int) -> Iterator[Growth]:
    """Known when the body has ended; 0 if the process has gone, which others notice."""
    growth = Growth()
    before = _resident(pid, "VmRSS")
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
    yield growth
    if os.path.exists(f"/proc/{pid}"):  # noqa: PTH110 - no exception when it goes
        growth.bytes = max(0, _resident(pid, "VmHWM") - before)


def _resident(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return 0
