"""Running a program of ours as an unprivileged account, when we are root."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hai.errors import PlatformError

_CANDIDATES = ("postgres", "nobody")
_FIRST_BARRED = 'for d; do [ -x "$d" ] || { printf %s "$d"; exit 1; }; done'


@dataclass(frozen=True, slots=True)
class UnixAccount:
    """Who runs a program; `drops` says that we are root and give that up for it."""

    name: str
    uid: int
    gid: int
    drops: bool

    def run(
        self, argv: Sequence[str | Path], *, cwd: Path, timeout: float, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end with a clean environment and English messages; output is text.

        OSError or subprocess.TimeoutExpired as subprocess.run raises them.
        """
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": str(cwd)}
        return subprocess.run(  # noqa: S603 (fixed programs, no shell)
            [str(part) for part in argv],
            cwd=cwd,
            env=environment,
            input=stdin,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=timeout,
            umask=0o077,
            user=self.uid if self.drops else None,
            group=self.gid if self.drops else None,
            extra_groups=[] if self.drops else None,
        )

    def own(self, directory: Path) -> None:
        """Make a private directory of this account, in a parent that only we can write."""
        directory.mkdir(mode=0o700, exist_ok=True)
        if self.drops:
            os.chown(directory, self.uid, self.gid, follow_symlinks=False)

    def require_passage(self, directory: Path) -> None:
        """PlatformError when the account may not walk down to the directory."""
        if not self.drops:
            return
        path = [*reversed(directory.parents), directory]
        shown = self.run(["/bin/sh", "-c", _FIRST_BARRED, "sh", *path], cwd=Path("/"), timeout=10)
        if shown.returncode != 0:
            raise PlatformError(
                f"PostgreSQL does not run as root, and user {self.name} may not enter "
                f"{shown.stdout or directory}",
                hint="choose a data folder that everybody can reach: --data-dir /var/lib/hai",
            )


def account_for(data: Path) -> UnixAccount:
    """The account that the server runs as: ours; or, when we are root, the owner of `data` if
    that exists, else the first of the usual unprivileged ones."""
    if os.geteuid() != 0:
        entry = _entry(os.geteuid())
        return UnixAccount(entry, os.geteuid(), os.getegid(), drops=False)
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return UnixAccount(_entry(owner.st_uid), owner.st_uid, owner.st_gid, drops=True)
    for name in _CANDIDATES:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return UnixAccount(name, found.pw_uid, found.pw_gid, drops=True)
    raise PlatformError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody",
        hint="create one: useradd --system postgres; or run hai-up as an ordinary user",
    )


def _entry(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
