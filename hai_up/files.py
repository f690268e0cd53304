"""Small files that hold the platform's facts: whole or not there, never world-readable."""

import os
from pathlib import Path

from hai.errors import HaiError, PlatformError
from hai.files import NO_WRITING, write_whole


def write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace `path` atomically; its folder must exist."""
    try:
        write_whole(path, text, mode=mode, sync=True)
    except OSError as error:
        raise os_error(f"cannot write {path}", error) from error


def remove_stale(path: Path) -> None:
    """Remove a file that does no harm if it stays, as it must where nothing can be written."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in NO_WRITING:
            raise os_error(f"cannot remove {path}", error) from error


def read_text(path: Path) -> str | None:
    """The file's text; None if there is no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise os_error(f"cannot read {path}", error) from error


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
