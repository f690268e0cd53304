"""Files that are whole or not there, locks that harm nothing, and whose a file is: the one place.

Standard library only, Python 3.8 and newer. Everything here raises OSError; whoever calls it knows
what it means to the user. A name may be relative to an open directory (`folder`): then nobody can
put a link in place of a directory above it meanwhile.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import stat
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path
    from typing import BinaryIO

NO_WRITING = (errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT)
_PIECE_BYTES = 1 << 17  # fits into a processor's cache: much quicker than all at once
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def new_file(
    path: Path | str,
    *,
    mode: int | None = 0o600,
    sync: bool = False,
    folder: int | None = None,
    part: str | None = None,
    replaces: bool = True,
) -> Iterator[BinaryIO]:
    """A file to write that becomes `path` in one step when the block ends, never through a link;
    what was there stays if the block or the disk fails.

    `mode` is exact; None: as the umask allows. With `sync` it outlives a power cut. The directory
    must exist. `part` is its name until then, for large ones: what a killed process left under it
    is written anew, so only one process may do so at a time. Unless it `replaces` what is there,
    FileExistsError.
    """
    head, tail = os.path.split(os.fspath(path))
    # Names may be 255 bytes long, and this one must fit too.
    short = os.fsdecode(os.fsencode(tail)[:200])
    place = os.path.join(head, part or f".{short}.{os.urandom(4).hex()}")  # noqa: PTH118
    if part:
        _remove(place, folder)
    handle = os.open(place, _NEW, 0o666 if mode is None else mode, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        if replaces:
            os.rename(place, path, src_dir_fd=folder, dst_dir_fd=folder)
        else:
            os.link(place, path, src_dir_fd=folder, dst_dir_fd=folder)
            _remove(place, folder)
    except BaseException:  # a full disk, Ctrl-C (also just after the rename): no half file stays
        _remove(place, folder)
        raise


def _remove(path: str, folder: int | None) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path, dir_fd=folder)


def write_whole(
    path: Path | str,
    data: bytes | str,
    *,
    mode: int | None = 0o600,
    sync: bool = False,
    folder: int | None = None,
    replaces: bool = True,
) -> None:
    """Puts `data` in `path` in one step, as `new_file` does."""
    content = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    with new_file(path, mode=mode, sync=sync, folder=folder, replaces=replaces) as file:
        for at in range(0, len(content), _PIECE_BYTES):
            file.write(content[at : at + _PIECE_BYTES])


def open_lock(
    path: Path | str, *, folder: int | None = None, owners: Collection[int] | None = None
) -> int:
    """A handle to lock by. The file is made if need be (0600), never changed, and opened
    read-only where nothing can be written. A link, or what is no file, is refused; so is a file of
    anybody but `owners` (uids; None: whosever it is)."""
    common = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | common, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno not in NO_WRITING:
            raise
        handle = os.open(path, os.O_RDONLY | common, dir_fd=folder)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no file", os.fspath(path))
        if owners is not None and found.st_uid not in owners:
            raise _foreign(path, found)
    except BaseException:
        os.close(handle)
        raise
    return handle


def try_lock(handle: int) -> bool:
    """Takes the lock on an open file; False while another process has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def held(handle: int) -> Iterator[None]:
    """Waits for the lock on an open file (see `open_lock`), holds it, closes the file."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def opened_folder(path: Path | str, *, folder: int | None = None) -> Iterator[int]:
    """A directory that is no link, open."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(path, flags, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)


def trusted_owners() -> set[int]:
    """Whose files may tell this process what to do: its user's, root's (who can do all of it
    anyway), and under sudo those of the user who called it."""
    owners = {os.geteuid(), 0}
    caller = os.environ.get("SUDO_UID", "")
    if os.geteuid() == 0 and caller.isascii() and caller.isdigit():
        owners.add(int(caller))
    return owners


def check_trusted(path: Path | str) -> None:
    """PermissionError if somebody else owns `path`, or the link that it is, or may write it."""
    for found in (os.lstat(path), os.stat(path)):  # noqa: PTH116 (3.8, and text)
        if found.st_uid not in trusted_owners():
            raise _foreign(path, found)
        writable = stat.S_IMODE(found.st_mode) & stat.S_IWOTH
        if writable and not stat.S_ISLNK(found.st_mode):
            raise PermissionError(errno.EPERM, "everybody may write it", os.fspath(path))


def _foreign(path: Path | str, found: os.stat_result) -> PermissionError:
    try:
        owner = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        owner = str(found.st_uid)
    return PermissionError(errno.EPERM, f"it belongs to {owner}", os.fspath(path))
