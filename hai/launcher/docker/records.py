"""What this platform wants of its containers, on its own disk: one small file for each worker.

The engine cannot keep that: a container that somebody removed leaves nothing, and one that must
never start is not there. Every process of the platform that may lead shares the folder.

<key>            launch was asked for
<key>.started    its container was told to start; none will ever be started again
<key>.cancelled  killed; no container will ever be started
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hai.core.task import WorkerKey
from hai.errors import Unavailable

_STARTED, _CANCELLED = ".started", ".cancelled"


@dataclass(frozen=True, slots=True)
class DockerRecord:
    is_started: bool = False
    is_cancelled: bool = False


class Records:
    """Methods are quick and block. Unavailable when the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "workers"
        self._id_file = folder / "platform"
        self._lock_file = folder / "lock"

    def open(self) -> str:
        """The platform's id; made once."""
        with self._disk_trouble():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder.parent.chmod(0o700)
            try:
                with self._id_file.open("x", encoding="ascii") as file:
                    file.write(secrets.token_hex(4))
            except FileExistsError:
                pass
            known = self._id_file.read_text("ascii").strip()
            if known:
                return known
            self._id_file.unlink()  # of a process that died between the two
        return self.open()

    def all(self) -> dict[WorkerKey, DockerRecord]:
        found: dict[WorkerKey, DockerRecord] = {}
        with self._disk_trouble():
            names = {path.name for path in self._folder.iterdir()}
        for name in names:
            stem = name.removesuffix(_STARTED).removesuffix(_CANCELLED)
            try:
                key = WorkerKey.parse(stem)
            except ValueError:
                continue
            found[key] = DockerRecord(f"{stem}{_STARTED}" in names, f"{stem}{_CANCELLED}" in names)
        return found

    def get(self, key: WorkerKey) -> DockerRecord | None:
        with self._disk_trouble():
            marks = [(self._folder / f"{key}{end}").exists() for end in (_STARTED, _CANCELLED)]
            return (
                DockerRecord(*marks) if any(marks) or (self._folder / str(key)).exists() else None
            )

    def make(self, key: WorkerKey) -> None:
        self._put(str(key))

    def start(self, key: WorkerKey) -> None:
        self._put(f"{key}{_STARTED}")

    def cancel(self, key: WorkerKey) -> None:
        self._put(f"{key}{_CANCELLED}")

    def remove(self, key: WorkerKey) -> None:
        """The mark that it must not start goes last."""
        with self._disk_trouble():
            for end in ("", _STARTED, _CANCELLED):
                (self._folder / f"{key}{end}").unlink(missing_ok=True)

    def _put(self, name: str) -> None:
        with self._disk_trouble():
            (self._folder / name).touch(0o600)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held by one process of the platform at a time, for what the engine does not do in one
        step; blocks until it is free."""
        with self._disk_trouble():
            held = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            os.close(held)

    @contextmanager
    def _disk_trouble(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"{self._folder} cannot be used: {error.strerror or error}",
                hint="check its free space and its permissions",
            ) from error
