"""Small files that other processes read: whole or not at all, and never through a symbolic link.

The control directory belongs to the user's uid while the agent may be root, so every access there
goes through a directory descriptor, without following links and without opening devices or pipes.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_BYTES = 64 * 1024
MAX_END_DETAIL = 600  # characters: JSON may need six bytes for one, and a cluster keeps 4096 bytes
MOST_END_BYTES = 65536  # of the file for the last word; a cluster reads 4096 of it


def complain(text: str) -> None:
    """A line for agent.err, if the disk takes it."""
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode("utf-8", "replace"))


def open_dir(name: str, parent: int | None = None) -> int:
    """A descriptor of a real directory; OSError if it is missing or a link."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)


def exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


def changed_at(name: str, folder: int) -> float | None:
    """When a regular file was last written, in Unix seconds; None if there is none."""
    try:
        info = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    return info.st_mtime if stat.S_ISREG(info.st_mode) else None


def write(name: str, data: bytes, folder: int, mode: int = 0o600, uid: int | None = None) -> None:
    """Put `data` under `name` in one step; OSError leaves what was there."""
    temporary = f".{name}.{os.getpid()}.{os.urandom(4).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    fd = os.open(temporary, flags, mode, dir_fd=folder)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            if uid is not None:
                os.fchown(fd, uid, -1)
        finally:
            os.close(fd)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        remove(temporary, folder)
        raise


def write_private(path: str, text: str) -> None:
    """Of the calling process's own, in a folder of its own; not in one step. OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)


def write_json(name: str, value: Any, folder: int, uid: int | None = None) -> None:
    write(name, json.dumps(value).encode(), folder, uid=uid)


def read(name: str, folder: int, limit: int = MAX_BYTES) -> bytes | None:
    """The bytes of a regular file of at most `limit` bytes; None for anything else."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
        fd = os.open(name, flags, dir_fd=folder)
    except OSError:
        return None
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size > limit:
            return None
        return os.read(fd, limit)
    except OSError:
        return None
    finally:
        os.close(fd)


def read_json(name: str, folder: int) -> Any:
    """The value in a small JSON file; None if there is none that can be read."""
    data = read(name, folder)
    if data is None:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):  # the latter: 60 000 brackets
        return None


def read_spec(path: str) -> Any:
    """The order that a cluster mounted for us; it lies behind links of the cluster's own. None if
    there is none."""
    try:
        with open(path, "rb") as file:
            return json.loads(file.read())
    except (OSError, ValueError):
        return None


def read_stdin_json() -> Any:
    """An order that the agent left as standard input."""
    parts: list[bytes] = []
    while True:
        part = os.read(0, 1 << 16)
        if not part:
            return json.loads(b"".join(parts))
        parts.append(part)


def guard(end_file: str) -> None:
    """Take the file for the last word out of the program's hands: a runtime lets everybody write
    to it."""
    if end_file:
        with contextlib.suppress(OSError):
            os.chmod(end_file, 0o600)


def keep_small(end_file: str) -> None:
    """Where the program runs as the agent does, it can write there too: the file lies on the node's
    own disk, and nobody else bounds it."""
    if end_file:
        with contextlib.suppress(OSError):
            if os.stat(end_file).st_size > MOST_END_BYTES:
                os.truncate(end_file, 0)


def tell_end(end_file: str, end: dict[str, Any]) -> None:
    """Leave the last word where the cluster keeps it ("" : nowhere); OSError as it comes."""
    if not end_file:
        return
    detail = str(end.get("detail") or "")[:MAX_END_DETAIL]
    words = {name: end.get(name) for name in ("exit_code", "acked", "saved", "lost")}
    data = json.dumps(dict(words, detail=detail)).encode()
    fd = os.open(end_file, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def remove(name: str, folder: int) -> None:
    """Unlink if it is there."""
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return
