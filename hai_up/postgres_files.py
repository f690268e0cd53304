"""Files around the embedded server: its settings, its socket's place, a copy of its programs."""

import os
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from hai.files import write_whole

SOCKET = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 100  # bytes; the kernel takes 107
_PLAIN_PATH = re.compile(r"[\w./+-]+", re.ASCII)  # needs no quoting anywhere
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "''",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "min_wal_size": "48MB",
    "max_wal_size": "256MB",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "autovacuum_max_workers": "2",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_line_prefix": "'%m [%p] '",
}
FORGETFUL: Mapping[str, str] = {  # loses the last commits in a crash: for tests
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


def fits(directory: Path) -> bool:
    """Can a socket live there, and its path be written in settings and URLs as it is?"""
    path = str(directory / SOCKET)
    return len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH and bool(_PLAIN_PATH.fullmatch(path))


def is_private(directory: Path, uid: int) -> bool:
    """Is it still the folder that we made for this user and nobody else?"""
    try:
        found = directory.lstat()
    except OSError:
        return False
    mode = stat.S_IMODE(found.st_mode)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and mode == 0o700


def write(path: Path, text: str) -> None:
    """Replace a file that every account may read, whole or not at all."""
    write_whole(path, text, mode=0o644)


def copy_for_everybody(install: Path, copy: Path) -> None:
    """Copy an installation so that every account may read and run it.

    A wheel keeps the libraries beside its package, in <package>.libs, and its programs look for
    them there: they are copied to the same place relative to the programs.
    """
    fresh = copy.with_name(f"{copy.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.parent.mkdir(exist_ok=True)
    package = install.parent
    shutil.copytree(install, fresh / package.name / install.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    for path in [fresh.parent, fresh, *fresh.rglob("*")]:
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)
    fresh.rename(copy)
