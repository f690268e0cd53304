"""What a session needs before its program starts: a log, a port for rank 0, the SDK."""

from __future__ import annotations

import os
import socket

from hai.agent.logs import LogWriter
from hai.agent.segments import Segments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hai.agent.spec import WorkerSpec


def log_of(spec: WorkerSpec) -> LogWriter:
    """The writer of the worker's log, not started yet."""
    keep = spec.log_keep_bytes
    segments = Segments(spec.log_dir, spec.rank, spec.segment_bytes, spec.segments, keep)
    return LogWriter(segments, reserve_bytes=spec.log_reserve_bytes)


def sdk_path() -> str:
    """The folder inside agent.pyz that makes hai.client importable for the program."""
    archive = archive_path()
    return os.path.join(archive, "sdk") if archive else ""


def archive_path() -> str:
    """Of the agent.pyz that this process runs from; "" when it runs from source."""
    archive = getattr(globals().get("__loader__"), "archive", "")
    return os.path.abspath(archive) if archive else ""


def hold_port(spec: WorkerSpec) -> socket.socket | None:
    """Rank 0 offers a free TCP port; bound until the program starts, so that few can take it."""
    if spec.rank:
        return None
    try:
        family = socket.AF_INET6 if ":" in spec.address else socket.AF_INET
        holder = socket.socket(family, socket.SOCK_STREAM)
        holder.bind(("", 0))
    except OSError:
        return None
    return holder
