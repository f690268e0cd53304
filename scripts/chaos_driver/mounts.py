"""A small disk of the driver's own, that can be full and read-only without harm to anybody else."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

DISK_BYTES = 1024 * 2**20  # a sparse file: it takes what is written
PRIVATE = "HAI_CHAOS_PRIVATE_MOUNTS"  # set inside the mount namespace that scripts/chaos makes


def _run(*command: str) -> str:
    """What went wrong; "" if nothing did."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    return done.stderr.strip().split("\n")[-1] if done.returncode else ""


class Disk:
    """What the data folder lies on; a file system of its own where that can be had."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.image = folder.with_name("disk.img")
        self.ballast = folder / "ballast"
        self.trouble = "not mounted"  # why it is no disk of its own

    def prepare(self) -> None:
        self.folder.mkdir()
        if os.getuid() != 0:
            self.trouble = "only root can mount a disk of its own"
        elif not os.environ.get(PRIVATE):
            self.trouble = "no mount namespace of its own (unshare --mount)"
        else:
            self.trouble = self._mount()
        self.folder.chmod(0o711)

    def _mount(self) -> str:
        with self.image.open("wb") as image:
            image.truncate(DISK_BYTES)
        made = _run("mkfs.ext4", "-q", "-m", "0", str(self.image))
        return made or _run("mount", "-o", "loop", str(self.image), str(self.folder))

    def fill(self, left_bytes: int) -> None:
        """Leave no more than this to anybody."""
        with self.ballast.open("wb") as ballast:
            size = 256 * 2**20
            while size >= 4096:
                found = os.statvfs(self.folder)
                if found.f_bavail * found.f_frsize - size < left_bytes:
                    size //= 2
                    continue
                try:
                    os.posix_fallocate(ballast.fileno(), ballast.seek(0, os.SEEK_END), size)
                except OSError:
                    size //= 2

    def empty(self) -> None:
        self.ballast.unlink(missing_ok=True)

    def freeze(self) -> str:
        """Nobody can open a file for writing any more; what went wrong, or ""."""
        there = str(self.folder)
        bound = _run("mount", "--bind", there, there)
        if bound:
            return bound
        failed = _run("mount", "-o", "remount,bind,ro", there)
        if failed:
            self.thaw()
        return failed

    def thaw(self) -> None:
        # Who opened something meanwhile keeps the upper mount: that has to be writable as well.
        _run("mount", "-o", "remount,bind,rw", str(self.folder))
        _run("umount", "--lazy", str(self.folder))

    def remove(self, *, keep: bool) -> None:
        """Unmount it; `keep`: what it held stays in `disk-kept` beside it."""
        if not self.trouble:
            self.empty()
            if keep:
                _run("cp", "-a", str(self.folder), str(self.folder.with_name("disk-kept")))
            _run("umount", "--lazy", str(self.folder))
        with suppress(OSError):
            self.image.unlink(missing_ok=True)
