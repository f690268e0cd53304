"""Files and folders as a tar in pieces: packed at one end, unpacked at the other.

Neither end trusts the other: nothing is written outside of the target, no link is followed there,
and no link that leads out of what is copied is made.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile

from hai.agent.channel.mux import PIECE_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = tarfile.BLOCKSIZE
_HEAD_BYTES = 1 << 20  # of one entry's long names
_BITS = 0o777


class Unsafe(Exception):
    """An entry that would leave its target."""


def packed(path: str) -> Iterator[bytes]:
    """The tar of `path` in pieces; its names begin with "." for what `path` itself is. OSError."""
    root = os.path.realpath(path)
    os.stat(root)
    for name, full in _walk(root):
        info = _entry(name, full)
        if info is None:
            continue
        yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        if info.isreg():
            yield from _content(full, info.size)
    yield b"\0" * (2 * _BLOCK)


def _walk(root: str) -> Iterator[tuple[str, str]]:
    yield ".", root
    todo = [""]
    while todo:
        folder = todo.pop()
        full = os.path.join(root, folder) if folder else root
        if not os.path.isdir(full):
            return
        for name in sorted(os.listdir(full)):
            inner = os.path.join(folder, name) if folder else name
            path = os.path.join(root, inner)
            yield inner, path
            if os.path.isdir(path) and not os.path.islink(path):
                todo.append(inner)


def _entry(name: str, full: str) -> tarfile.TarInfo | None:
    """None for what is neither file, folder nor link."""
    info = tarfile.TarInfo(name)
    found = os.lstat(full)
    info.mode, info.mtime = found.st_mode & _BITS, int(found.st_mtime)
    if stat.S_ISREG(found.st_mode):
        info.size = found.st_size
    elif stat.S_ISDIR(found.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(found.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(full)
    else:
        return None
    return info


def _content(full: str, size: int) -> Iterator[bytes]:
    """Exactly `size` bytes and the padding, also of a file that shrinks or grows meanwhile."""
    left = size
    with open(full, "rb") as file:
        while left:
            data = file.read(min(PIECE_BYTES, left))
            if not data:
                break
            left -= len(data)
            yield data
    while left:
        data = b"\0" * min(PIECE_BYTES, left)
        left -= len(data)
        yield data
    if size % _BLOCK:
        yield b"\0" * (_BLOCK - size % _BLOCK)


class Unpacker:
    """Writes a tar that comes in pieces. `target` is what "." becomes: an existing folder takes the
    contents, anything else is made. OSError, Unsafe."""

    def __init__(self, target: str) -> None:
        self._target = os.path.abspath(target)
        self._kept = bytearray()
        self._entry: tarfile.TarInfo | None = None
        self._file = -1
        self._left = 0
        self._padding = 0
        self._links: list[tuple[str, str]] = []
        self._folders: list[tuple[str, tarfile.TarInfo]] = []
        self.skipped: list[str] = []  # links that lead out
        self.files = self.bytes = 0
        self.is_over = False

    def feed(self, data: bytes) -> None:
        self._kept += data
        while not self.is_over and self._step():
            continue

    def close(self) -> None:
        """After the last piece: links and folders get their final form. ValueError if the end was
        not there."""
        self.stop()
        if not self.is_over:
            raise ValueError("the copy is not whole")
        for name, goal in self._links:
            self._link(name, goal)
        for name, info in reversed(self._folders):
            parent, base = self._parent(name)
            try:
                folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
                _finish(folder, info)
                os.close(folder)
            finally:
                os.close(parent)

    def stop(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _step(self) -> bool:
        """Take one thing from what is kept; False when more is needed."""
        if self._left:
            return self._write()
        if self._padding:
            count = min(self._padding, len(self._kept))
            del self._kept[:count]
            self._padding -= count
            return count > 0
        return self._head()

    def _write(self) -> bool:
        data = bytes(self._kept[: self._left])
        del self._kept[: len(data)]
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self._left -= len(data)
        self.bytes += len(data)
        if not self._left:
            self._file_is_whole()
        return bool(data)

    def _head(self) -> bool:
        size = self._head_size()
        if size is None or len(self._kept) < size:
            return False
        head = bytes(self._kept[:size])
        del self._kept[:size]
        if head == b"\0" * _BLOCK:
            self.is_over = True
            return False
        self._begin(_parsed(head))
        return True

    def _head_size(self) -> int | None:
        """Of the next entry, with the blocks that hold its long names; None when not even the
        first block is there."""
        size = 0
        while True:
            block = bytes(self._kept[size : size + _BLOCK])
            if len(block) < _BLOCK:
                return None
            if block[156:157] not in (b"x", b"L", b"K", b"g"):
                return size + _BLOCK
            length = int(block[124:135].split(b"\0")[0] or b"0", 8)
            if length > _HEAD_BYTES or size > _HEAD_BYTES:
                raise Unsafe("an entry's name is too long")
            size += _BLOCK + (length + _BLOCK - 1) // _BLOCK * _BLOCK

    def _begin(self, info: tarfile.TarInfo) -> None:
        name = _checked(info.name)
        self._entry = info
        if info.issym():
            self._links.append((name, info.linkname))
        elif info.isdir():
            self._make_folder(name)
            self._folders.append((name, info))
        elif info.isreg():
            self._open(name)
            self._left = info.size
            self._padding = -info.size % _BLOCK
            if not info.size:
                self._file_is_whole()
        else:
            raise Unsafe(f"{info.name} is neither file, folder nor link")

    def _make_folder(self, name: str) -> None:
        parent, base = self._parent(name)
        try:
            os.mkdir(base, 0o700, dir_fd=parent)
        except FileExistsError:
            found = os.stat(base, dir_fd=parent, follow_symlinks=name == ".")
            if not stat.S_ISDIR(found.st_mode):
                raise
        finally:
            os.close(parent)

    def _open(self, name: str) -> None:
        parent, base = self._parent(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            self._file = os.open(base, flags, 0o600, dir_fd=parent)
            if not stat.S_ISREG(os.fstat(self._file).st_mode):
                raise Unsafe(f"{name} is there, and no file")
        finally:
            os.close(parent)

    def _file_is_whole(self) -> None:
        assert self._entry is not None  # noqa: S101 - for the type checker
        _finish(self._file, self._entry)
        os.close(self._file)
        self._file = -1
        self.files += 1

    def _link(self, name: str, goal: str) -> None:
        if leads_out(name, goal):
            self.skipped.append(f"{name} -> {goal}")
            return
        parent, base = self._parent(name)
        try:
            try:
                os.symlink(goal, base, dir_fd=parent)
            except FileExistsError:
                if not stat.S_ISLNK(os.lstat(base, dir_fd=parent).st_mode):
                    raise
                os.unlink(base, dir_fd=parent)
                os.symlink(goal, base, dir_fd=parent)
        finally:
            os.close(parent)

    def _parent(self, name: str) -> tuple[int, str]:
        """A descriptor of the folder that an entry is in, and its name there. Below the target no
        link is followed."""
        flags = os.O_RDONLY | os.O_DIRECTORY
        if name == ".":
            upper, base = os.path.split(self._target)
            return os.open(upper, flags), base or "."
        folder = os.open(self._target, flags)
        parts = name.split("/")
        for part in parts[:-1]:
            try:
                inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=folder)
            finally:
                os.close(folder)
            folder = inner
        return folder, parts[-1]


def _parsed(head: bytes) -> tarfile.TarInfo:
    try:
        with tarfile.open(fileobj=io.BytesIO(head + b"\0" * (2 * _BLOCK)), mode="r:") as one:
            info = one.next()
    except (tarfile.TarError, ValueError) as error:
        raise Unsafe(f"not a tar: {error}") from None
    if info is None:
        raise Unsafe("not a tar")
    return info


def _checked(name: str) -> str:
    """`name`, if it stays below the target."""
    if name == ".":
        return name
    parts = name.split("/")
    if "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise Unsafe(f"{name!r} leaves the target")
    return name


def leads_out(name: str, goal: str) -> bool:
    """Whether a link of that name, seen from the copied folder, leads out of it."""
    if name == "." or goal.startswith("/"):
        return True
    depth = name.count("/")
    for part in goal.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False


def _finish(fd: int, info: tarfile.TarInfo) -> None:
    os.fchmod(fd, info.mode & _BITS)
    os.utime(fd, (info.mtime, info.mtime))


def told(error: Exception) -> str:
    if isinstance(error, OSError):
        return "{}: {}".format(error.filename or "", error.strerror or error)
    return str(error)
