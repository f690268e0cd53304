"""An environment as a task recorded it, made again from its lock for a pack: for what changed it
without waiting for one (`python -m pip`, uv)."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hai.errors import PlatformError
from haienv.index import PACKS
from haienv.layer import base_directories, base_identity, base_packages
from haienv.locked import lock_of
from haienv.making import fill, make_place
from haienv.packing import AGAIN, keep_as, sites_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haienv.lock import Lock
    from haienv.model import Environment


def pack_again(environment: Environment, lock: Lock, state: str) -> None:
    """Makes the pack of `environment` as it was when `lock` and `state` (hai.agent.packs) were told
    of it. Equal locks are equal environments. PlatformError, Denied where it cannot be."""
    if lock.base != base_identity(base_packages(environment)):
        raise PlatformError("the packages of its base are other ones now", hint="")
    root = environment.path.parent
    sites = tuple(map(str, base_directories(environment)))
    with tempfile.TemporaryDirectory(dir=root / PACKS, prefix=AGAIN) as folder:
        made = replace(environment, path=Path(folder) / environment.name)
        make_place(made, str(environment.bin_dir / "python"), sites, root)
        fill(made, lock, root)
        if lock_of(made) != lock:
            raise PlatformError("what is installed from its lock is something else", hint="")
        keep_as(root / PACKS, made, lock, state, sites_of(environment))
