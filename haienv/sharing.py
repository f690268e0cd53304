"""Opens an environment to single users, by access control lists; and frees space."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from hai.errors import NotFound, PlatformError
from haienv.index import Index
from haienv.model import Environment
from haienv.uv import run_uv


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


def collect(index: Index, say: Callable[[str], None]) -> None:
    """Removes what interrupted commands left, and what nothing uses any more in uv's cache."""
    with index.locked():
        for path in index.root.glob(".removed.*"):
            shutil.rmtree(path)
            say(f"removed {path}")
    said = run_uv(
        ["cache", "prune"],
        root=index.root,
        doing="cannot tidy the cache of uv",
        hint="remove the folder .cache beside the environments",
    )
    if said.strip():
        say(said.strip())
