"""Where files are until they are whole, behind SFTP.

It has no way to say with which permissions a file is made: that is the umask of its server, and
everybody might look until they are set. So files are made in a folder that is closed to others,
.hai/incoming of the workspace, and renamed into their places with their own permissions.
"""

from __future__ import annotations

import os
import posixpath
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from hai.errors import Denied
from hai.workspace.digests import CHUNK_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from paramiko import SFTPClient

_FOLDER = "incoming"
_PART = ".haipart"


class Arriving:
    """One push; whoever makes it holds the workspace's lock."""

    def __init__(self, sftp: SFTPClient, records: str) -> None:
        """Raises Denied where the folder among the records is none of ours."""
        self._sftp = sftp
        self._folder = posixpath.join(records, _FOLDER)
        self._close_folder()
        self._part = posixpath.join(self._folder, secrets.token_hex(8) + _PART)
        for name in sftp.listdir(self._folder):  # of a push that was cut off
            if name.endswith(_PART):
                with suppress(OSError):
                    sftp.remove(posixpath.join(self._folder, name))

    def _close_folder(self) -> None:
        try:
            mode = self._sftp.lstat(self._folder).st_mode or 0
        except FileNotFoundError:
            self._sftp.mkdir(self._folder, 0o700)
            return
        try:
            if not stat.S_ISDIR(mode):
                raise PermissionError(0, "it is a link, or no folder")
            if mode & 0o077:  # only its owner may do this
                self._sftp.chmod(self._folder, stat.S_IMODE(mode) & 0o7000 | 0o700)
        except PermissionError as error:
            raise Denied(
                f"{self._folder} cannot be used: {error.strerror or error}",
                hint="remove it there, then try again",
            ) from error

    def put(self, source: Path, target: str) -> None:
        """Makes `target` what `source` is, a file or a link, in one step. OSError: then nothing is
        left of it."""
        try:
            if stat.S_ISLNK(source.lstat().st_mode):
                self._sftp.symlink(os.readlink(source), self._part)  # noqa: PTH115 (a last slash)
            else:
                self._write(source)
            self._sftp.posix_rename(self._part, target)
        except OSError:
            with suppress(OSError):
                self._sftp.remove(self._part)
            raise

    def _write(self, source: Path) -> None:
        reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(reading, "rb") as file, self._sftp.open(self._part, "wx") as target:
            target.set_pipelined(True)
            while chunk := file.read(CHUNK_BYTES):
                target.write(chunk)
            target.set_pipelined(False)
            status = os.fstat(file.fileno())
            target.chmod(stat.S_IMODE(status.st_mode) & 0o777)
        # SFTP has whole seconds; both sides are compared by content, or by these.
        self._sftp.utime(self._part, (status.st_atime, int(status.st_mtime)))
