"""Opens an environment to single users, by access control lists; and frees space."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from hai.errors import NotFound, PlatformError
from haienv.index import PACKS, Index
from haienv.model import Environment
from haienv.uv import run_uv

_DAY_SECONDS = 86400.0


def share(index: Index, environment: Environment, user: str, *, stop: bool = False) -> None:
    """Lets `user` read and run `environment`, or no longer. Raises NotFound, PlatformError."""
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError:
        raise NotFound(
            f"no user {user[:80]!r} on this machine", hint="give the name of a user"
        ) from None
    entry = f"u:{uid}"
    if stop:
        _setfacl(["-R", "-x", entry, "-x", f"d:{entry}"], environment.path)
        return
    _setfacl(["-R", "-m", f"{entry}:rX", "-m", f"d:{entry}:rX"], environment.path)
    _setfacl(["-m", f"{entry}:x"], index.root)


def _collect_packs(index: Index, keep_days: float, say: Callable[[str], None]) -> None:
    """Each attempt and each submission counts as a use. Copies go where no worker runs in them."""
    from haienv.packing import remove_unused

    oldest = time.time() - keep_days * _DAY_SECONDS  # noqa: TID251 (file times are of this clock)
    for path in remove_unused(index.root / PACKS, oldest):
        say(f"removed {path}")


def _setfacl(words: list[str], path: Path) -> None:
    program = shutil.which("setfacl")
    hint = f"open it to everybody instead: chmod -R go+rX {path}"
    if program is None:
        raise PlatformError("there is no setfacl: on Debian it is in the package acl", hint=hint)
    # -R passes over what links point to outside (-P)
    done = subprocess.run(  # noqa: S603 (setfacl, with a path of ours)
        [program, "-P", *words, "--", os.fspath(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise PlatformError(f"cannot share {path}: {said}", hint=hint)


def collect(index: Index, keep_days: float, say: Callable[[str], None]) -> None:
    """Removes what interrupted commands left, packs (with their copies beside them) that no task
    used for `keep_days`, and what nothing uses any more in uv's cache."""
    with index.locked():
        for path in index.root.glob(".removed.*"):
            shutil.rmtree(path)
            say(f"removed {path}")
    _collect_packs(index, keep_days, say)
    said = run_uv(
        ["cache", "prune"],
        root=index.root,
        doing="cannot tidy the cache of uv",
        hint="remove the folder .cache beside the environments",
    )
    if said.strip():
        say(said.strip())
