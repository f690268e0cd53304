"""Unpacked environments in one folder of one account, shared by all of its workers on a node.

    <identity>-<digest>/        a whole environment: it appears by a rename
    <identity>-<digest>.lock    how many bytes it takes; last changed when it was last used
    .room                       held by whoever makes room

A worker holds the lock shared for its whole life, so that nothing in use is ever removed; whoever
unpacks or removes holds it alone. Everything here runs as the account itself.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time

from hai.agent.packs import TROUBLE, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from hai.agent.recorded import RecordedEnvironment

WAIT_SECONDS = 1800.0  # for another worker that unpacks the same
_POLL_SECONDS = 0.1
_LOCK = ".lock"


class EnvironmentStore:
    """`limit_bytes` is the most that all environments in `folder` may take."""

    def __init__(self, folder: str, limit_bytes: int, wait_seconds: float = WAIT_SECONDS) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._deadline = time.monotonic() + wait_seconds

    def obtain(self, recorded: RecordedEnvironment) -> tuple[str, int]:
        """The folder of the environment, unpacked if it was not there, and a descriptor: while that
        is open it stays. One of TROUBLE when that is impossible; then nothing is left behind."""
        os.makedirs(self._folder, 0o700, exist_ok=True)
        place = os.path.join(self._folder, recorded.folder_name)
        while True:
            lock = self._locked(place + _LOCK, fcntl.LOCK_SH)
            if os.path.isdir(place):
                os.utime(lock)
                return place, lock
            os.close(lock)
            lock = self._locked(place + _LOCK, fcntl.LOCK_EX)
            try:
                self._fill(recorded, place, lock)
            finally:
                os.close(lock)

    def remove_unused(self, oldest: float) -> None:
        """What was last used before `oldest`, in seconds since 1970, and is not in use now."""
        with self._room():
            for used_at, _, name in self._known(""):
                if used_at < oldest:
                    self._evict(name)

    def _fill(self, recorded: RecordedEnvironment, place: str, lock: int) -> None:
        if os.path.isdir(place):
            return
        part = self._hidden(place, "part")
        try:
            with self._room():
                _remove(part)
                self._make_room(recorded.size, os.path.basename(place))
                os.ftruncate(lock, 0)
                os.pwrite(lock, str(recorded.size).encode(), 0)
            unpack(recorded, part)
            os.rename(part, place)
        except TROUBLE:
            with contextlib.suppress(OSError):
                _remove(part)
                os.unlink(place + _LOCK)  # so that it does not count
            raise

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        lock = self._locked(os.path.join(self._folder, ".room"), fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(lock)

    def _locked(self, path: str, kind: int) -> int:
        """A descriptor of the file that stands at `path`, locked. OSError after the deadline."""
        while True:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            if _try(lock, kind) and _is_at(lock, path):
                return lock
            os.close(lock)
            if time.monotonic() > self._deadline:
                raise OSError(errno.ETIMEDOUT, "another worker does not finish unpacking it")
            time.sleep(_POLL_SECONDS)

    def _make_room(self, needed: int, own: str) -> None:
        """Removes what was not used for longest until `needed` bytes fit. OSError: they do not."""
        known = self._known(own)
        total = sum(size for _, size, _ in known)
        for _, size, name in sorted(known):
            is_there = os.path.isdir(os.path.join(self._folder, name))
            fits = total + needed <= self._limit_bytes and _free(self._folder) > needed
            if not (is_there and fits) and self._evict(name):
                total -= size
        if total + needed > self._limit_bytes:
            raise OSError(
                errno.ENOSPC,
                f"it takes {needed >> 20} MiB, {total >> 20} of {self._limit_bytes >> 20} MiB "
                "are in use",
            )
        if _free(self._folder) <= needed:
            raise OSError(errno.ENOSPC, f"no space for its {needed >> 20} MiB")

    def _known(self, own: str) -> list[tuple[float, int, str]]:
        """When last used, bytes and name of each."""
        found = []
        for entry in os.listdir(self._folder):
            name = entry[: -len(_LOCK)]
            if not entry.endswith(_LOCK) or name == own:
                continue
            with contextlib.suppress(OSError, ValueError):
                with open(os.path.join(self._folder, entry), encoding="ascii") as file:
                    size = int(file.read(20) or 0)
                found.append((os.stat(file.name).st_mtime, size, name))
        return found

    def _evict(self, name: str) -> bool:
        """Removes one that nobody uses; False if somebody does."""
        place = os.path.join(self._folder, name)
        try:
            lock = os.open(place + _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            if not _try(lock, fcntl.LOCK_EX) or not _is_at(lock, place + _LOCK):
                return False
            gone = self._hidden(place, "gone")
            _remove(gone)
            with contextlib.suppress(FileNotFoundError):
                os.rename(place, gone)
            _remove(gone)
            _remove(self._hidden(place, "part"))
            os.unlink(place + _LOCK)
        finally:
            os.close(lock)
        return True

    def _hidden(self, place: str, what: str) -> str:
        return os.path.join(self._folder, f".{os.path.basename(place)}.{what}")


def _try(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(lock: int, path: str) -> bool:
    """Nobody has removed the file meanwhile: its lock would protect nothing."""
    try:
        return os.path.samestat(os.fstat(lock), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _free(folder: str) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
