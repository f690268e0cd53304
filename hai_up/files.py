"""Small files that hold the platform's facts: whole or not there, never world-readable."""

import errno
import os
import secrets
from pathlib import Path

from hai.errors import HaiError, PlatformError

_NO_WRITING = (errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT)


def write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace `path` atomically; its folder must exist."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise os_error(f"can not write {path}", error) from error


def open_lock(path: Path, flags: int = 0) -> int:
    """A handle to lock by; the file is made if need be, and can be read-only. Raises OSError."""
    common = os.O_CLOEXEC | flags
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | common, 0o600)
    except OSError as error:
        if error.errno not in _NO_WRITING:
            raise
    return os.open(path, os.O_RDONLY | common)


def remove_stale(path: Path) -> None:
    """Remove a file that does no harm if it stays, as it must where nothing can be written."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in _NO_WRITING:
            raise os_error(f"can not remove {path}", error) from error


def read_text(path: Path) -> str | None:
    """The file's text; None if there is no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise os_error(f"can not read {path}", error) from error


def os_error(what: str, error: OSError | ValueError) -> HaiError:
    """The operating system's refusal as one of ours."""
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return PlatformError(f"{what}: {why}", hint="hai-up doctor checks the folder and the disk")


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines of a log (at most its last 64 KiB); [] if there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 65536))
            return file.read().decode("utf-8", "replace").splitlines()[-count:]
    except OSError:
        return []
