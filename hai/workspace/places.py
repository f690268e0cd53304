"""Names below a folder, and the open directories that they lead to. No link is followed."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from hai.errors import Conflict, Denied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

RECORDS = ".hai"
PRIVATE = (RECORDS, ".hfai")  # the workspace's own: neither listed nor written by name
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
DEEPEST = 200  # directories in one another
_LONGEST_NAME = 255  # bytes
_LONGEST_PATH = 3800  # bytes: what is left of PATH_MAX for the folder above


def names_of(path: str) -> list[str]:
    """The names of a path below the folder. Denied for one that leads out of it, or into the
    workspace's own records, and for one that no file can have."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or parts[0] in PRIVATE:
        raise Denied(f"{path[:200]!r} is no path of a workspace", hint="nothing was changed")
    lengths = [len(os.fsencode(part)) for part in parts]
    is_long = max(lengths) > _LONGEST_NAME or sum(lengths) > _LONGEST_PATH
    if "\0" in path or is_long or len(parts) > DEEPEST:
        raise Denied(f"{path[:80]!r}… cannot be the name of a file", hint="nothing was changed")
    return parts


def in_the_way(path: str) -> Conflict:
    """What stands at `path` cannot be replaced."""
    return Conflict(
        f"{path} is in the way", hint="move it, or give --force to replace what may be replaced"
    )


class OpenDirectories:
    """Directories below an open folder. Neighbours cost no further look-ups: the directories above
    the last path stay open. Close it at the end."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._stack: list[tuple[str, int]] = []

    def __enter__(self) -> OpenDirectories:
        return self

    def __exit__(self, *_error: object) -> None:
        self._shorten(0)

    def of(self, path: str) -> tuple[int, str]:
        """The open directory that holds `path`, and its last name. FileNotFoundError,
        NotADirectoryError (also for a link)."""
        *folders, name = names_of(path)
        return self.at(folders), name

    def at(self, folders: Sequence[str]) -> int:
        """The open directory of these names."""
        return self._walk(folders, lambda above, name, _: _opened(above, name))

    def made(self, folders: Sequence[str], note: Callable[[str], None], *, clear: bool) -> int:
        """The same, made where it is missing (closed to others until its mode is set); `note`
        hears of each that is. With `clear` a file or link in its place goes away."""

        def make(above: int, name: str, path: str) -> int:
            try:
                return _opened(above, name)
            except FileNotFoundError:
                pass
            except NotADirectoryError:
                if not clear:
                    raise in_the_way(path) from None
                os.unlink(name, dir_fd=above)
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=above)
                note(path)
            return _opened(above, name)

        return self._walk(folders, make)

    def forget(self) -> None:
        """Closes what is open: directories may have been moved away."""
        self._shorten(0)

    def _walk(self, folders: Sequence[str], step: Callable[[int, str, str], int]) -> int:
        common = 0
        for (name, _), wanted in zip(self._stack, folders, strict=False):
            if name != wanted:
                break
            common += 1
        self._shorten(common)
        for index in range(common, len(folders)):
            above = self._stack[-1][1] if self._stack else self._root
            path = "/".join(folders[: index + 1])
            self._stack.append((folders[index], step(above, folders[index], path)))
        return self._stack[-1][1] if self._stack else self._root

    def _shorten(self, count: int) -> None:
        while len(self._stack) > count:
            os.close(self._stack.pop()[1])


def _opened(above: int, name: str) -> int:
    try:
        return os.open(name, DIRECTORY, dir_fd=above)
    except OSError as error:
        if stat_of(above, name) is not None and not is_directory(above, name):
            raise NotADirectoryError(error.errno, "it is no directory", name) from error
        raise


def stat_of(folder: int, name: str) -> os.stat_result | None:
    """What stands at `name`; None where nothing does."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def is_directory(folder: int, name: str) -> bool:
    found = stat_of(folder, name)
    return found is not None and stat.S_ISDIR(found.st_mode)


def subfolder(folder: int, name: str, *, mode: int = 0o700) -> int:
    """The directory `name`, made if need be, open; Denied where it is a link."""
    with suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=folder)
    try:
        return os.open(name, DIRECTORY, dir_fd=folder)
    except OSError as error:
        raise Denied(
            f"{name} is a link, or no folder of the workspace",
            hint="remove it there, then try again",
        ) from error


def scanned(folder: int) -> Iterator[os.DirEntry[str]]:
    """What is in an open directory, in the order of names."""
    with os.scandir(folder) as found:
        yield from sorted(found, key=lambda item: item.name)
