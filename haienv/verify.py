"""Holds the files of an environment against what their packages say of themselves (RECORD)."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from haienv.installed import Installed, RecordedFile, files_of, installed_in
from haienv.layer import base_packages
from haienv.locked import lock_of
from haienv.model import Environment
from haienv.snapshots import written_lock

_BLOCK_BYTES = 1 << 20
# Written anew by whoever moves or compiles a package.
_OFTEN_CHANGED = ("RECORD", "direct_url.json", "INSTALLER", "REQUESTED", "uv_cache.json")


@dataclass(frozen=True, slots=True)
class Fault:
    """One file or package that is not as it should be."""

    package: str
    what: str
    path: str = ""


def verify(environment: Environment) -> list[Fault]:
    """All faults: files missing or changed, a base that is gone or another, an old lock."""
    found = list(_of_frame(environment))
    for one in installed_in([environment.site_dir]).values():
        found += _of_package(one)
    return found


def _of_frame(environment: Environment) -> Iterator[Fault]:
    python = environment.bin_dir / "python"
    if not python.exists():
        yield Fault("(python)", "the Python that made it is gone", str(python))
    base = base_packages(environment)
    if environment.extends is not None and not Path(environment.extends).is_dir():
        yield Fault("(base)", "the base is gone", environment.extends)
    lock = written_lock(environment)
    if lock is None:
        return
    now = lock_of(environment)
    if base and lock.base != now.base:
        yield Fault("(base)", "packages of the base have changed since the last haienv add")
    if lock.pins != now.pins:
        yield Fault("(lock)", "packages were installed or removed without haienv")


def _of_package(one: Installed) -> Iterator[Fault]:
    recorded = files_of(one)
    if not recorded:
        yield Fault(one.name, "has no list of its files", str(one.folder / "RECORD"))
    for file in recorded:
        if file.path.name in _OFTEN_CHANGED or file.path.suffix == ".pyc":
            continue
        if what := _wrong(file):
            yield Fault(one.name, what, str(file.path))


def _wrong(file: RecordedFile) -> str:
    algorithm, _, wanted = file.hash.partition("=")
    try:
        size = file.path.stat().st_size
        if file.size is not None and size != file.size:
            return "has another size"
        if algorithm not in hashlib.algorithms_guaranteed:
            return ""
        return "" if _digest(file.path, algorithm) == wanted else "has another content"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _digest(path: Path, algorithm: str) -> str:
    found = hashlib.new(algorithm)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            found.update(block)
    return base64.urlsafe_b64encode(found.digest()).rstrip(b"=").decode()
