"""Copies files and links from one tree into another, each in one step, and never out of it.

The target's directories are opened one below the other without following links, so that a link in
the target (say, data -> /etc) cannot make us write somewhere else.
"""

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hai.errors import Conflict
from hai.workspace.digests import CHUNK_BYTES
from haiworkspace.listing import directory_mode

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def copy(source: Path, target: Path, paths: Iterable[str], *, clear: bool) -> None:
    """Copies `paths` with their permissions and times of change; a directory that is made has
    those of its source.

    With `clear`, a file or link of the target that stands where a directory must be is removed,
    and so is an empty directory where a file must be. Raises Conflict, naming the path, where
    something is still in the way.
    """
    made: dict[str, int] = {}
    try:
        for path in paths:
            _copy_one(_Modes(source, made), target, path, clear=clear)
    finally:  # also of what was made before a full disk
        set_modes(target, made)


def _copy_one(modes: "_Modes", target: Path, path: str, *, clear: bool) -> None:
    with _opened(modes.source, path, create=False) as (folder, name):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        with _opened(target, path, modes=modes, create=True, clear=clear) as (into, _):
            if clear:
                _remove_empty(into, name)
            try:
                if stat.S_ISLNK(status.st_mode):
                    _copy_link(folder, into, name)
                else:
                    _copy_file(folder, into, name)
            except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
                raise in_the_way(target / path) from error


def set_modes(target: Path, modes: Mapping[str, int]) -> None:
    """Gives directories below `target` these modes, the innermost ones first."""
    for name in sorted(modes, key=lambda one: one.count("/"), reverse=True):
        with _opened(target, f"{name}/.", create=False) as (folder, _):
            os.fchmod(folder, modes[name])


@dataclass(frozen=True, slots=True)
class _Modes:
    """The modes that directories have in `source`; `made` are those to be set when all is done."""

    source: Path
    made: dict[str, int]

    def note(self, name: str) -> None:
        self.made[name] = directory_mode(self.source / name)


def destroy(folder: Path) -> None:
    """Removes a folder of ours with all in it, if it is there."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def remove(target: Path, paths: Iterable[str]) -> None:
    """Removes `paths`, and the directories that become empty by it. A missing one is no error."""
    for path in paths:
        with suppress(FileNotFoundError, NotADirectoryError):
            with _opened(target, path, create=False) as (folder, name):
                os.unlink(name, dir_fd=folder)
            for parent in (target / path).parents:
                if parent == target or any(parent.iterdir()):
                    break
                parent.rmdir()


@contextmanager
def _opened(
    root: Path, path: str, *, create: bool, clear: bool = False, modes: _Modes | None = None
) -> Iterator[tuple[int, str]]:
    """The open directory that holds `path` below `root`, and the last name of `path`."""
    *folders, name = path.split("/")
    if create:
        root.mkdir(parents=True, exist_ok=True)
    # The root itself may be reached by a link: it is what the user named.
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for index, part in enumerate(folders):
            try:
                if create and modes:
                    _make(folder, part, "/".join(folders[: index + 1]), modes, clear=clear)
                inner = os.open(part, _DIRECTORY, dir_fd=folder)
            except (NotADirectoryError, OSError) as error:
                if create and isinstance(error, NotADirectoryError):
                    raise in_the_way(root.joinpath(*folders[: index + 1])) from error
                raise
            os.close(folder)
            folder = inner
        yield folder, name
    finally:
        os.close(folder)


def _make(folder: int, part: str, name: str, modes: _Modes, *, clear: bool) -> None:
    """The directory `part` of `folder`, which is `name` below the root, if it is not there."""
    if _is_directory(folder, part):
        return
    if clear:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
    with suppress(FileExistsError):
        os.mkdir(part, 0o700, dir_fd=folder)  # closed to everybody else until all is done
        modes.note(name)


def _is_directory(folder: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _remove_empty(folder: int, name: str) -> None:
    if _is_directory(folder, name):
        with suppress(OSError):  # not empty: the copy will say so
            os.rmdir(name, dir_fd=folder)


def _copy_link(folder: int, into: int, name: str) -> None:
    temporary = temporary_name(name)
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=into)
    os.symlink(os.readlink(name, dir_fd=folder), temporary, dir_fd=into)
    _put(into, temporary, name)


def _copy_file(folder: int, into: int, name: str) -> None:
    temporary = temporary_name(name)
    reading = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(reading, "rb") as source:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=into)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(temporary, flags, 0o600, dir_fd=into), "wb") as target:
                while chunk := source.read(CHUNK_BYTES):
                    target.write(chunk)
                target.flush()
                status = os.fstat(source.fileno())
                os.fchmod(target.fileno(), stat.S_IMODE(status.st_mode) & 0o777)
                os.utime(target.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
        except BaseException:  # a full disk, Ctrl-C: leave no half file behind
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=into)
            raise
    _put(into, temporary, name)


def _put(folder: int, temporary: str, name: str) -> None:
    try:
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(temporary, dir_fd=folder)
        raise


def temporary_name(name: str) -> str:
    """Of the file beside `name` that becomes `name` when it is whole."""
    # Names may be 255 bytes long, and ours must fit too.
    short = os.fsdecode(os.fsencode(name)[:200])
    return f".{short}.{os.getpid()}.haipart"


def in_the_way(path: Path | str) -> Conflict:
    """What stands at `path` cannot be replaced."""
    return Conflict(
        f"{path} is in the way", hint="move it, or give --force to replace what may be replaced"
    )
