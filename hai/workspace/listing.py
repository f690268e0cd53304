"""What is below a folder, with what tells whether it has changed, and digests of contents."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hai.errors import Conflict, InvalidInput
from hai.workspace.digests import digest_of_open
from hai.workspace.places import DEEPEST, DIRECTORY, PRIVATE, RECORDS, OpenDirectories, scanned

if TYPE_CHECKING:
    from collections.abc import Iterable

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SECOND_NS = 1_000_000_000
_TICK_NS = 20_000_000  # of the kernel's clock for files, with room
_CLOCKS_DIFFER_NS = 2 * _SECOND_NS
# size, mtime and ctime in ns, inode: while they stay, so does the content
Stamp = tuple[int, int, int, int]
# path, permissions, size, mtime, ctime, inode, where a link points (None: a file)
Row = tuple[str, int, int, int, int, int, "str | None"]


@dataclass
class Listing:
    """`directories` are modes by path; `others` are neither files, links nor directories."""

    rows: list[Row] = field(default_factory=list)
    directories: dict[str, int] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    size: int = 0  # bytes of all files


def listed(root: int, most: int) -> Listing:
    """Everything below an open folder but its records. InvalidInput for more than `most` files."""
    found = Listing()
    _list(root, "", found, most)
    return found


def _list(folder: int, prefix: str, found: Listing, most: int) -> None:
    if prefix.count("/") >= DEEPEST:
        raise InvalidInput(
            f"{prefix[:80]}… has more than {DEEPEST} directories in one another",
            hint="remove them there",
        )
    for item in scanned(folder):
        if not prefix and item.name in PRIVATE:
            continue
        path = prefix + item.name
        if item.is_dir(follow_symlinks=False):
            status = item.stat(follow_symlinks=False)
            found.directories[path] = stat.S_IMODE(status.st_mode) & 0o777 | 0o700
            try:
                inner = os.open(item.name, DIRECTORY, dir_fd=folder)
            except (FileNotFoundError, NotADirectoryError):
                continue  # gone, or replaced, meanwhile
            with closing(Open(inner)):
                _list(inner, path + "/", found, most)
        else:
            _add(folder, item, path, found)
        if len(found.rows) > most:
            raise InvalidInput(
                f"there are more than {most:,} files",
                hint="keep data elsewhere, or in another workspace",
            )


def _add(folder: int, item: os.DirEntry[str], path: str, found: Listing) -> None:
    try:
        status = item.stat(follow_symlinks=False)
        is_link = stat.S_ISLNK(status.st_mode)
        link = os.readlink(item.name, dir_fd=folder) if is_link else None
    except FileNotFoundError:
        return  # gone meanwhile
    if not is_link and not stat.S_ISREG(status.st_mode):
        found.others.append(path)
        return
    found.size += 0 if is_link else status.st_size
    mode = 0 if is_link else stat.S_IMODE(status.st_mode) & 0o777
    found.rows.append((path, mode, *stamp_of(status), link))


class Open:
    """A handle for `closing`."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def close(self) -> None:
        os.close(self.handle)


def stamp_of(status: os.stat_result) -> Stamp:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def opened_file(places: OpenDirectories, path: str) -> int:
    """The file `path`, open for reading. FileNotFoundError; Conflict where it is no file."""
    folder, name = places.of(path)
    try:
        handle = os.open(name, READ, dir_fd=folder)
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise Conflict(f"{path} is no file any more", hint="try again") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Conflict(f"{path} is no file any more", hint="try again")
    return handle


def digests(root: int, paths: Iterable[str], *, by_chunks: bool) -> dict[str, tuple[str, Stamp]]:
    """Digest and stamp of files; one that is gone is left out."""
    found = {}
    with OpenDirectories(root) as places:
        for path in paths:
            try:
                handle = opened_file(places, path)
            except (FileNotFoundError, NotADirectoryError, Conflict):
                continue
            with closing(Open(handle)):
                stamp = stamp_of(os.fstat(handle))
                found[path] = (digest_of_open(handle, by_chunks=by_chunks), stamp)
    return found


def chunks_of(root: int, path: str, size: int) -> tuple[list[str], Stamp]:
    """SHA-256 of each chunk of `size` bytes of a file, and its stamp."""
    with OpenDirectories(root) as places, closing(Open(opened_file(places, path))) as file:
        return chunk_digests(file.handle, size)


def chunk_digests(handle: int, size: int) -> tuple[list[str], Stamp]:
    """The same of an open file."""
    stamp = stamp_of(os.fstat(handle))
    found = []
    while chunk := read_exactly(handle, size):
        found.append(hashlib.sha256(chunk).hexdigest())
    return found, stamp


def read_exactly(handle: int, size: int) -> bytes:
    """The next `size` bytes, fewer at the end of the file."""
    chunk = os.read(handle, size)
    while 0 < len(chunk) < size and (more := os.read(handle, size - len(chunk))):
        chunk += more
    return chunk


def file_time(root: int) -> int:
    """What a file that is written now has as its time, in ns: by the clock of the file system,
    where the lock can be touched. Some file systems know whole seconds only: then two earlier."""
    try:
        with closing(Open(os.open(RECORDS, DIRECTORY, dir_fd=root))) as records:
            flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            lock = os.open("workspace.lock", flags, dir_fd=records.handle)
        with closing(Open(lock)):
            os.utime(lock)
            now = os.fstat(lock).st_mtime_ns
    except OSError:
        return time.time_ns() - _CLOCKS_DIFFER_NS
    return now if now % _SECOND_NS else now - 2 * _SECOND_NS


def is_settled(stamp: Stamp, now: int) -> bool:
    """Whether what changes from `now` on changes the stamp too (as git's index has it: a file that
    was written within one tick of the clock may be written again in the same one)."""
    return max(stamp[1], stamp[2]) < now - _TICK_NS
